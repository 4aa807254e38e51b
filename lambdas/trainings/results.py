"""What a job leaves besides LoRAs and loss curve, read from the bucket: samples, TensorBoard."""

import re
from collections.abc import Sequence
from itertools import islice

from lambdas.core import bucket, presign
from lambdas.core.bucket import StoredObject
from lambdas.trainings.logs_schema import TensorBoardFile
from lambdas.trainings.repository import checkpoints_of, folder_of
from lambdas.trainings.samples_schema import Sample, SamplePrompt

_SAMPLE = re.compile(r"(\d{8,})-(\d{6,})-(\d{2})\.png")
_EVENTS = "events.out.tfevents."
_MOST_EVENT_FILES = 200  # each attempt of a job leaves one


def read_samples(
    workspace: str,
    training_id: str,
    prompts: Sequence[SamplePrompt],
    limit: int,
    after: str | None,
) -> list[Sample]:
    """Return sample images in the order of their steps, each with a URL to download it."""
    folder = f"{checkpoints_of(workspace, training_id)}samples/"
    start = f"{folder}{after}" if after else ""
    listed = bucket.objects_under(folder, after=start)
    found = (_sample(folder, one, prompts) for one in listed)
    return list(islice((sample for sample in found if sample), limit))


def _sample(folder: str, found: StoredObject, prompts: Sequence[SamplePrompt]) -> Sample | None:
    """Read what a file is from its name: step, epoch and the prompt's place."""
    file_name = found.key.removeprefix(folder)
    named = _SAMPLE.fullmatch(file_name)
    if named is None:
        return None
    step, epoch, place = (int(part) for part in named.groups())
    return Sample(
        file_name=file_name,
        step=step,
        epoch=epoch,
        prompt_index=place,
        prompt=prompts[place] if place < len(prompts) else None,
        size=found.size,
        download=presign.get(found.key, file_name),
    )


def read_tensorboard(workspace: str, training_id: str) -> list[TensorBoardFile]:
    """Return TensorBoard's event files, each with a URL to download it."""
    prefix = f"{folder_of(workspace, training_id)}logs/"
    found = (one for one in bucket.objects_under(prefix) if _EVENTS in one.key.rpartition("/")[2])
    return [
        TensorBoardFile(
            path=_below_logdir(one.key.removeprefix(prefix)),
            size=one.size,
            download=presign.get(one.key, one.key.rpartition("/")[2]),
        )
        for one in islice(found, _MOST_EVENT_FILES)
    ]


def _below_logdir(key: str) -> str:
    # SageMaker may put them into <job name>/tensorboard-output/ below the path that it is given.
    return key.rpartition("tensorboard-output/")[2]
