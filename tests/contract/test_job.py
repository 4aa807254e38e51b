"""What the API and the container say to each other, held from both sides.

`job.schema.json` is the pinned form of job.json: a change of it is a change of the contract, to be
made on both sides at once.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kohya_trainer.early_stop import Stop
from kohya_trainer.failure import TrainingFailed, as_line, told_at_length
from kohya_trainer.gpus import Gpu
from kohya_trainer.job import Captioning as ContainerCaptioning
from kohya_trainer.job import EarlyStop, LoraInit, StateInit, parse_job
from kohya_trainer.logbook import LogBook
from kohya_trainer.paths import Paths
from kohya_trainer.progress import Position
from kohya_trainer.proposals import Proposal, ProposalShelf
from kohya_trainer.report import Progress as ContainerProgress
from kohya_trainer.rows import Row
from kohya_trainer.safetensors_file import family
from kohya_trainer.safetensors_file import read_header as container_header
from lambdas.models.inspection import inspect
from lambdas.models.safetensors import read_header
from lambdas.trainings import failures
from lambdas.trainings.captioning_schema import TaggedCaption
from lambdas.trainings.job_schema import Job
from lambdas.trainings.logs_schema import LogLine
from lambdas.trainings.repository import captions_key
from lambdas.trainings.results_schema import MetricsRow
from lambdas.trainings.schema import DatasetUsed, Progress, StoppedEarly
from tests.unit.fakes import SD_1_5, SD_XL, safetensors_file

SCHEMA = json.loads(Path(__file__).with_name("job.schema.json").read_text())
JOB: dict[str, Any] = {
    "version": 1,
    "training_id": "trn_01JD0000000000000000000000",
    "training_name": "style",
    "workspace": "acme",
    "fm_type": "sd_1_5",
    "output_name": "style",
    "model": {"channel": "model", "model_id": "mdl_1", "file_name": "base.safetensors"},
    "datasets": [
        {
            "channel": "dataset_00",
            "dataset_id": "ds_1",
            "folder": "10_兔斯基",
            "repeats": 10,
            "subject": "兔斯基",
            "caption_policy": "subject",
        }
    ],
    "config_params": {"network_dim": 8, "optimizer_args": ["weight_decay=0.1"], "sdpa": True},
}


def test_the_form_of_a_job_is_the_pinned_one() -> None:
    assert Job.model_json_schema() == SCHEMA


def test_what_the_api_writes_the_container_reads() -> None:
    written = json.loads(Job.model_validate(JOB).model_dump_json())

    jsonschema.validate(written, SCHEMA)
    job = parse_job(written)

    assert (job.training_id, job.family, job.output_name) == (
        JOB["training_id"],
        "sd_1_5",
        "style",
    )
    assert job.datasets[0].folder == "10_兔斯基"
    assert dict(job.config_params) == JOB["config_params"]


def test_a_job_may_go_on_with_a_finished_lora() -> None:
    init = {"channel": "init", "kind": "lora", "model_id": "mdl_2", "file_name": "old.safetensors"}
    written = json.loads(Job.model_validate(JOB | {"init": init}).model_dump_json())

    jsonschema.validate(written, SCHEMA)
    job = parse_job(written)

    assert job.init == LoraInit("init", "old.safetensors")
    assert parse_job(JOB).init is None


def test_a_dataset_may_have_options_and_regularise() -> None:
    own = {"regularisation": True, "options": {"flip_aug": True, "caption_prefix": ""}}
    own |= {"dataset_options": {"resolution": "768,768", "train_batch_size": 2}}
    both = [*JOB["datasets"], JOB["datasets"][0] | own]
    written = json.loads(Job.model_validate(JOB | {"datasets": both}).model_dump_json())

    jsonschema.validate(written, SCHEMA)
    plain, regularising = parse_job(written).datasets

    assert (plain.regularisation, plain.options, plain.dataset_options) == (False, {}, {})
    assert regularising.regularisation
    assert {"options": regularising.options, "dataset_options": regularising.dataset_options} == {
        name: own[name] for name in ("options", "dataset_options")
    }
    assert parse_job(JOB).datasets[0] == plain


def test_a_folder_may_be_a_subset_of_its_dataset(tmp_path: Path) -> None:
    subset = JOB["datasets"][0] | {"subset": 1}
    written = json.loads(Job.model_validate(JOB | {"datasets": [subset]}).model_dump_json())

    jsonschema.validate(written, SCHEMA)
    (dataset,) = parse_job(written).datasets

    assert (dataset.subset, parse_job(JOB).datasets[0].subset) == (1, None)
    captioning = parse_job(json.loads(Job(**JOB, captioning={}).model_dump_json())).captioning
    paths = Paths(tmp_path)
    paths.make_folders()
    ProposalShelf(paths, dataset, captioning).keep([])
    used = DatasetUsed(**subset, id="ds_1", name="pets", images=1)
    key = captions_key("acme", "trn_1", used)
    assert (paths.checkpoints / key.partition("/checkpoints/")[2]).exists()


def test_sample_prompts_mean_the_same_on_both_sides() -> None:
    prompt = {
        "prompt": "a rabbit --w 3",
        "negative_prompt": None,
        "width": 512,
        "height": 768,
        "steps": 30,
        "cfg_scale": 7.0,
        "seed": 2**32 - 1,
        "sampler": "dpmsolver++",
    }
    second = prompt | {"negative_prompt": "blurry", "cfg_scale": 0}
    written = json.loads(
        Job.model_validate(JOB | {"sample_prompts": [prompt, second]}).model_dump_json()
    )

    jsonschema.validate(written, SCHEMA)
    read = parse_job(written).sample_prompts

    assert [asdict(one) for one in read] == [prompt, second]
    assert parse_job(JOB).sample_prompts == ()


def test_a_line_of_the_log_means_the_same_on_both_sides(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.make_folders()
    book = LogBook(paths)
    book.add("container", "3 images: 兔 " + "x" * 5000)
    book.write()

    read = LogLine.model_validate_json((paths.logs / "tail.jsonl").read_bytes().splitlines()[0])

    assert (read.number, read.source, len(read.text)) == (1, "container", 1000)


def test_captioning_means_the_same_on_both_sides() -> None:
    asked = {"general_threshold": 1, "blacklist": [" a_b ", "兔"], "existing": "append"}
    written = json.loads(Job.model_validate(JOB | {"captioning": asked}).model_dump_json())

    jsonschema.validate(written, SCHEMA)
    captioning = parse_job(written).captioning

    assert captioning == ContainerCaptioning(
        tagger="wd14",
        general_threshold=1.0,
        character_threshold=0.35,
        blacklist=("a_b", "兔"),
        prepend=(),
        append=(),
        existing="append",
    )
    assert parse_job(JOB).captioning is None


def test_what_the_tagger_proposed_the_api_can_read(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.make_folders()
    captioning = parse_job(json.loads(Job(**JOB, captioning={}).model_dump_json())).captioning
    assert captioning
    proposal = Proposal("图 1.png", ("smile", "1girl"), "tusiji, smile, 1girl", "wd")
    ProposalShelf(paths, parse_job(JOB).datasets[0], captioning).keep([proposal])

    line = (paths.captions / "ds_1" / "captions.jsonl").read_bytes().splitlines()[1]
    read = TaggedCaption(dataset_id="ds_1", **json.loads(line))

    assert (read.file_name, read.tags) == ("图 1.png", ["smile", "1girl"])
    assert (read.caption, read.tagger) == ("tusiji, smile, 1girl", "wd")


def test_a_job_may_go_on_from_another_trainings_state() -> None:
    init = {"channel": "init", "kind": "state", "training_id": "trn_1", "output_name": "old"}
    written = json.loads(Job.model_validate(JOB | {"init": init}).model_dump_json())

    jsonschema.validate(written, SCHEMA)

    assert parse_job(written).init == StateInit("init", "trn_1", "old")


def test_a_job_may_be_told_when_to_stop_early() -> None:
    early = {"patience_epochs": 3, "min_improvement": 0}
    written = json.loads(Job.model_validate(JOB | {"early_stop": early}).model_dump_json())

    jsonschema.validate(written, SCHEMA)

    assert parse_job(written).early_stop == EarlyStop(3, 0.0)


def test_the_log_of_a_failure_reaches_the_api() -> None:
    failed = TrainingFailed("nan_loss", "The loss was no number.", "Lower learning_rate.")
    lines = [f"line {number} 兔 " + "x" * 1000 for number in range(50)]
    told = told_at_length(failed, lines).encode()

    failure = failures.with_log(failures.of_stop("MaxRuntimeExceeded"), told)

    assert failure.code == "time_limit"
    assert len(failure.log_tail) == 20
    assert failure.log_tail[-1].startswith("line 49 兔 x")
    assert max(map(len, failure.log_tail)) <= 300


@pytest.mark.parametrize("field", sorted(SCHEMA["required"]))
def test_a_job_that_lacks_a_field_is_refused_by_the_container(field: str) -> None:
    lacking = {name: value for name, value in JOB.items() if name != field}

    with pytest.raises(TrainingFailed) as raised:
        parse_job(lacking)

    assert raised.value.code == "bad_job"
    assert field in str(raised.value)


@pytest.mark.parametrize("shapes", [SD_1_5, SD_XL], ids=["sd_1_5", "sd_xl"])
def test_what_the_api_takes_for_a_family_the_container_takes_for_it_too(
    shapes: dict[str, list[int]], tmp_path: Path
) -> None:
    content = safetensors_file(shapes)
    path = tmp_path / "base.safetensors"
    path.write_bytes(content)
    header = read_header(lambda first, last: (content[first : last + 1], len(content)))

    assert inspect(header).fm_type == family(container_header(path).tensors) != "other"


def test_what_the_container_says_of_a_failure_the_api_understands() -> None:
    failed = TrainingFailed("out_of_memory", "The GPU's memory {24 GB} is used up.", "Take less.")
    reason = f"AlgorithmError: {as_line(failed)}, exit code: 1"

    failure = failures.of_reason(reason)

    assert failure.code == "out_of_memory"
    assert "{24 GB}" in failure.message
    assert failure.advice == "Take less."


@pytest.mark.parametrize(
    "told",
    [
        ContainerProgress(phase="preparing"),
        ContainerProgress(
            phase="training",
            engine="kohya",
            position=Position(step=3, total_steps=9, epoch=1, total_epochs=3),
            loss=0.1,
            average_loss=0.2,
            gpus=[
                asdict(Gpu(0, "NVIDIA A10G", 23028, None, None)) | {"memory_peak_mib": None},
                asdict(Gpu(1, "NVIDIA A10G", 23028, 4000, 97)) | {"memory_peak_mib": 9000},
            ],
        ),
        ContainerProgress(phase="captioning", captioned=(1, 3)),
        ContainerProgress(phase="failed", loss=float("nan")),
        ContainerProgress(phase="finished", stopped_early=Stop(7, 5, 70)),
    ],
    ids=lambda told: told.phase,
)
def test_what_the_container_says_of_its_progress_the_api_understands(
    told: ContainerProgress,
) -> None:
    written = json.dumps(told.as_dict() | {"updated_at": "2026-01-31T12:00:00.000Z"})

    read = Progress.model_validate_json(written)

    assert (read.phase, read.step) == (told.phase, told.position.step)
    assert read.loss is None or read.loss == told.loss
    assert [gpu.model_dump() for gpu in read.gpus or ()] == list(told.gpus or ())
    counted = (read.images_captioned, read.images_to_caption)
    assert counted == (told.captioned or (None, None))
    early = told.stopped_early
    assert bool(read.stopped_early) is bool(early)
    assert not early or read.stopped_early == StoppedEarly(after_epoch=7, best_epoch=5)


def test_a_row_of_the_loss_curve_means_the_same_on_both_sides() -> None:
    row = Row(
        step=1,
        epoch=None,
        loss=0.5,
        average_loss=float("inf"),
        learning_rates={"unet": 1e-4, "textencoder": float("nan")},
        seconds_per_step=None,
        steps=3,
        gpus=[{"memory_used_mib": 1, "memory_total_mib": 2, "utilization_percent": None}],
    )

    read = MetricsRow.model_validate_json(row.as_json())

    assert (read.step, read.loss, read.average_loss) == (1, 0.5, None)
    assert read.learning_rates == {"unet": 1e-4, "textencoder": None}
    assert read.steps == 3
    assert [gpu.model_dump() for gpu in read.gpus or ()] == row.gpus
