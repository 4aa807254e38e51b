"""From a request to the dataset config that sd-scripts reads: the steps that `validate` tells are
those that sd-scripts makes of the file that the container writes."""

import json
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kohya_trainer.dataset_config import dataset_config
from kohya_trainer.inputs import ImageFolder
from kohya_trainer.job import parse_job
from kohya_trainer.paths import Paths
from lambdas.datasets.report_schema import Report, SubsetReport
from lambdas.datasets.schema import Dataset
from lambdas.datasets.subset_schema import fields_of, subset_of
from lambdas.models.schema import Model
from lambdas.trainings.job_datasets import job_datasets
from lambdas.trainings.plan import Found, Plan, make_plan
from lambdas.trainings.schema import NewTraining
from lambdas.trainings.settings import Settings as TrainingSettings
from local.kohya.settings import Places, Settings
from tests.container.support import job

pytestmark = pytest.mark.kohya

SEED = 20_260_801
GENERATED = 40
HELPER = Path(__file__).with_name("sd_scripts_arithmetic.py")
NOW = datetime(2026, 1, 31, tzinfo=UTC)
OURS = TrainingSettings(
    table_name="t",
    bucket_name="b",
    deployment="d",
    training_image_uri="i",
    training_role_arn="r",
)
IMAGES = {  # of one size where the order of file names would matter
    "rabbits": [(512, 768), (640, 480), (512, 512), (300, 900), (801, 600)],
    "hares": [(1024, 768)] * 3 + [(700, 1000)] * 4,
    "class": [(600, 600)] * 11,
    "others": [(640, 400)] * 2,
    "cats": [(512, 768), (640, 480)] * 3,
    "dogs": [(900, 900)] * 4 + [(512, 768)],
    "foxes": [(600, 600)] * 3,
    "wolves": [(600, 600)] * 5,
}
FOLDERS = {  # of each dataset, with the images in them
    **{name: {f"3_{name}": name} for name in ("rabbits", "hares", "class", "others")},
    "pets": {"5_cat": "cats", "2_dog": "dogs"},
    "beasts": {"4_fox": "foxes", "1_wolf": "wolves"},
}
CHANNELS = {
    folder: f"dataset_{index:02d}"
    for index, folders in enumerate(FOLDERS.values())
    for folder in folders
}


def test_a_request_has_the_steps_that_sd_scripts_makes_of_its_dataset_config(
    tmp_path: Path,
) -> None:
    bases = Paths(tmp_path)
    for folder, name in (pair for folders in FOLDERS.values() for pair in folders.items()):
        _draw(bases.channel(CHANNELS[folder]) / folder, IMAGES[name])
    requests = list(_requests())
    plans = [make_plan(one, _found(one), OURS) for one in requests]
    assert [plan.faults for plan in plans] == [()] * len(plans)

    theirs = _asked_of_sd_scripts(tmp_path, plans)

    assert [_told(plan) for plan in plans] == theirs
    assert len({len(one["buckets"]) for one in theirs}) >= 3
    print(f"\n{len(plans)} requests equal")


def _told(plan: Plan) -> dict[str, Any]:
    steps = plan.steps
    assert steps
    assert steps.assumption is None
    return {
        "buckets": [
            [[*one.resolution, one.images, one.samples] for one in steps.buckets if one.group == n]
            for n in range(len(plan.groups))
        ],
        "samples": steps.samples_per_epoch,
        "regularisation": steps.regularisation_samples,
        "steps_per_epoch": steps.steps_per_epoch,
        "total_steps": steps.total_steps,
    }


def _asked_of_sd_scripts(folder: Path, plans: list[Plan]) -> list[dict[str, Any]]:
    cases = [_case(folder, number, plan) for number, plan in enumerate(plans)]
    (folder / "cases.json").write_text(json.dumps(cases))
    settings = Settings.read(Places())
    done = subprocess.run(
        [settings.python, HELPER, settings.home, folder / "cases.json", folder / "answers.json"],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [
        {
            "buckets": [one["buckets"] for one in answer["datasets"]],
            **{name: answer[name] for name in ("samples", "regularisation")},
            **{name: answer[name] for name in ("steps_per_epoch", "total_steps")},
        }
        for answer in json.loads((folder / "answers.json").read_text())
    ]


def _case(folder: Path, number: int, plan: Plan) -> dict[str, Any]:
    """What the container writes for a plan, as a file; only its channels have other names here."""
    told = [
        one.model_dump() | {"channel": CHANNELS[one.folder]}
        for one in job_datasets(plan.datasets, plan.params)
    ]
    folders = [
        ImageFolder(one, Paths(folder).channel(one.channel) / one.folder, images=0, captions=0)
        for one in parse_job(job(datasets=told)).datasets
    ]
    file = folder / f"dataset_{number}.toml"
    file.write_text(dataset_config(folders), encoding="utf-8")
    return {
        "dataset_config": str(file),
        "fm_type": plan.fm_type,
        "gpus": plan.instance.gpus,
        "options": plan.params,
    }


def _requests() -> Iterator[NewTraining]:
    drawn = random.Random(SEED)
    for index in range(GENERATED):
        entries = [_entry(drawn, name) for name in drawn.sample(["rabbits", "hares"], 2)]
        if drawn.random() < 0.3:  # the same once more, at a resolution of its own
            entries.append(entries[0] | {"options": {"resolution": "640", "train_batch_size": 5}})
        if drawn.random() < 0.5:  # its subsets have their own repeats
            pets = _entry(drawn, "pets")
            entries.append(pets | ({"options": entries[0]["options"]} if index % 2 else {}))
        for name in drawn.sample(["class", "others", "beasts"], drawn.randint(0, 2)):
            own = entries[0]["options"] if drawn.random() < 0.5 else {}
            extra = {"regularisation": True, "options": own, "caption_policy": "subject"}
            entries.append(_entry(drawn, name) | extra)
        yield NewTraining.model_validate(
            {
                "name": "style",
                "model": "base",
                "datasets": entries,
                "instance_type": drawn.choice(["ml.g5.xlarge", "ml.g5.12xlarge"]),
                "config_params": {
                    "train_batch_size": drawn.randint(1, 5),
                    "bucket_no_upscale": drawn.random() < 0.5,
                    "gradient_accumulation_steps": drawn.choice([1, 1, 3]),
                    "caption_prefix": 'rabbit "x", ',
                },
            }
        )


def _entry(drawn: random.Random, name: str) -> dict[str, Any]:
    own = {
        "resolution": drawn.choice(["448", "768", "512,768", "1280"]),
        "train_batch_size": drawn.randint(1, 4),
        "enable_bucket": drawn.random() < 0.7,
        "flip_aug": True,
        "face_crop_aug_range": "2,4",
        "caption_dropout_rate": 0.25,
        "caption_prefix": "",
        "keep_tokens_separator": "|||",
        "token_warmup_step": 10.0,
    }
    chosen = {option: value for option, value in own.items() if drawn.random() < 0.4}
    repeats = drawn.randint(1, 6) if len(FOLDERS[name]) == 1 else None
    return {"dataset": name, "repeats": repeats, "options": chosen}


def _draw(folder: Path, sizes: list[tuple[int, int]]) -> None:
    folder.mkdir(parents=True)
    for number, size in enumerate(sizes):
        Image.new("1", size).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text("a rabbit")


def _found(request: NewTraining) -> Found:
    model = Model.model_validate(
        {
            "id": "mdl_1",
            "name": "base",
            "type": "checkpoint",
            "status": "ready",
            "fm_type": "sd_1_5",
            "file_name": "base.safetensors",
            "description": "",
            "size": 1,
            "created_at": NOW,
            "updated_at": NOW,
        }
    )
    return Found(model, tuple(_dataset(choice.dataset) for choice in request.datasets))


def _dataset(name: str) -> Dataset:
    folders = FOLDERS[name]
    each = [
        SubsetReport(prefix=folder, **_counted(IMAGES[images]))
        for folder, images in folders.items()
    ]
    all_images = [size for images in folders.values() for size in IMAGES[images]]
    return Dataset(
        id=name,
        name=name,
        description="",
        status="ready",
        **fields_of([subset_of(folder) for folder in folders]),
        caption_policy="required",
        file_count=1,
        total_bytes=1,
        report=Report(**_counted(all_images), subsets=each if len(each) > 1 else []),
        created_at=NOW,
        updated_at=NOW,
    )


def _counted(images: list[tuple[int, int]]) -> dict[str, Any]:
    sizes = sorted(Counter(images).items())
    return {
        "images": len(images),
        "captions": len(images),
        "sizes": [[*size, count] for size, count in sizes],
    }
