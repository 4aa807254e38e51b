import json

import pytest

from kohya_trainer.failure import TrainingFailed
from kohya_trainer.job import parse_job, read_job
from tests.container.support import dataset, job


def test_a_good_job_becomes_frozen_dataclasses():
    parsed = parse_job(job())

    assert parsed.family == "sd_1_5"
    assert parsed.model.file_name == "base.safetensors"
    assert parsed.datasets[0].repeats == 10
    assert parsed.config_params["max_train_epochs"] == 3
    with pytest.raises(AttributeError):
        parsed.output_name = "other"  # type: ignore[misc]


def without(key):
    return {k: v for k, v in job().items() if k != key}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ([], "job is no object"),
        (job(version=2), "job.version is 2"),
        (without("model"), "job.model is missing"),
        (without("config_params"), "job.config_params is missing"),
        (job(output_name="../x"), "job.output_name"),
        (job(output_name=""), "job.output_name is empty"),
        (job(fm_type="sd_2"), "job.fm_type is 'sd_2'"),
        (job(model=[]), "job.model must be of type dict"),
        (job(model={"channel": "model", "model_id": "m", "file_name": "a/b"}), "job.model.file"),
        (job(datasets=[]), "job.datasets is empty"),
        (job(datasets=[1]), "job.datasets[0] is no object"),
        (job(datasets=[dataset(), dataset(repeats=0)]), "job.datasets[1].repeats is 0"),
        (job(datasets=[dataset(repeats=True)]), "job.datasets[0].repeats must be of type int"),
        (job(datasets=[dataset(folder="..")]), "job.datasets[0].folder"),
        (job(datasets=[dataset(folder="a\0b")]), "job.datasets[0].folder"),
        (job(datasets=[dataset(caption_policy="some")]), "job.datasets[0].caption_policy"),
        (job(datasets=[dataset(regularisation=True)]), "regularisation sets alone"),
        (job(datasets=[dataset(regularisation=1), dataset()]), "job.datasets[0].regularisation"),
        (job(datasets=[dataset(options=[])]), "job.datasets[0].options must be of type dict"),
    ],
)
def test_a_fault_is_bad_job_and_names_the_field(body, named):
    with pytest.raises(TrainingFailed) as caught:
        parse_job(body)

    assert caught.value.code == "bad_job"
    assert named in caught.value.message


@pytest.mark.parametrize("text", ["", "{", "\xff"])
def test_a_file_that_is_no_json_is_bad_job(tmp_path, text):
    path = tmp_path / "job.json"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(TrainingFailed, match=r"job\.json cannot be read"):
        read_job(path)


def test_a_missing_file_is_bad_job(tmp_path):
    with pytest.raises(TrainingFailed, match="bad_job"):
        read_job(tmp_path / "job.json")


def test_a_file_is_read_as_utf8(tmp_path):
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job(), ensure_ascii=False), encoding="utf-8")

    assert read_job(path).datasets[0].subject == "兔子, jade"
