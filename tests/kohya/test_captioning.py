"""The real WD14 tagger of sd-scripts before a real training; about two minutes on two cores.

Its model has random weights and the form of SmilingWolf's taggers (`local.kohya.tagger`).
"""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from local.kohya import tagger
from local.kohya.settings import Settings
from tests.container.support import read_json
from tests.container.test_caption_text import captioning
from tests.kohya.kohya_support import KOHYA, PARAMS, SECONDS, finish, make_base, start

pytestmark = pytest.mark.kohya


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """The folder of a tagger."""
    folder = tmp_path_factory.mktemp("taggers") / "random-wd14"
    python = KOHYA / "venv" / "bin" / "python"
    tagger.make(folder, 7, Settings("", None, KOHYA / "sd-scripts", python))
    return str(folder)


def images_of(base: Path) -> Path:
    return next((base / "input" / "data" / "dataset_00").iterdir())


def rows_of(base: Path) -> list[dict]:
    path = base / "checkpoints" / "captions" / "ds_01" / "captions.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()[1:]]


def test_the_training_learns_from_what_the_tagger_proposed(tmp_path, model):
    """Two of four images lack captions; characters are proposed too, the blacklist is not."""
    banned = [f"random_tag_{number:04d}" for number in range(200)]
    wanted = captioning(general_threshold=0.2, character_threshold=0.2, prepend=["tusiji"])
    wanted["blacklist"] = banned
    base = make_base(tmp_path / "ml", captioning=wanted, **PARAMS | {"max_train_epochs": 1})
    folder = images_of(base)
    for number in (0, 2):
        (folder / f"图 {number}.txt").unlink()
        patches = np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)
        colourful = Image.fromarray(patches).resize((64, 64), Image.Resampling.NEAREST)
        colourful.save(folder / f"图 {number}.png")

    finish(base, KOHYA_TAGGER=model)

    rows = rows_of(base)
    assert [row["file_name"] for row in rows] == ["图 0.png", "图 2.png"]
    for row in rows:
        text = (folder / row["file_name"]).with_suffix(".txt").read_text("utf-8").strip()
        assert text == row["caption"] == ", ".join(["tusiji", *row["tags"]])
        assert row["tagger"] == "random-wd14"
        assert any(tag.startswith("nobody ") for tag in row["tags"])
        assert any(tag.startswith("random tag ") for tag in row["tags"])
        assert not {tag.replace(" ", "_") for tag in row["tags"]} & set(banned)
    assert (folder / "图 1.txt").read_text("utf-8") == "tusiji, 1"
    frequency = read_metadata(base)["ss_tag_frequency"]
    counted = next(iter(json.loads(frequency).values()))
    assert counted["tusiji"] == 4
    assert counted[rows[0]["tags"][0]] >= 1
    progress = read_json(base / "checkpoints" / "progress.json")
    assert (progress["images_captioned"], progress["phase"]) == (2, "finished")


def test_an_image_that_pillow_can_not_read_is_named_before_anything_is_trained(tmp_path, model):
    base = make_base(tmp_path / "ml", captioning=captioning(existing="replace"), **PARAMS)
    cut = images_of(base) / "图 3.png"
    cut.write_bytes(cut.read_bytes()[:300])

    status = start(base, KOHYA_TAGGER=model).wait(SECONDS)

    failure = read_json(base / "output" / "failure")
    assert (status, failure["code"]) == (1, "unreadable_image")
    assert "图 3.png" in failure["message"]
    assert not (base / "staging" / "config.toml").exists()


def test_a_tagger_of_another_form_is_captioning_failed(tmp_path, model):
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.onnx").write_bytes(b"no model")
    (other / "selected_tags.csv").write_text("tag_id,name,category,count\n")
    base = make_base(tmp_path / "ml", captioning=captioning(existing="replace"), **PARAMS)

    status = start(base, KOHYA_TAGGER=str(other)).wait(SECONDS)

    failure = read_json(base / "output" / "failure")
    assert (status, failure["code"]) == (1, "captioning_failed")
    assert "The tagger ended with status 1" in failure["message"]


def read_metadata(base: Path) -> dict[str, str]:
    path = base / "checkpoints" / "lora" / "style.safetensors"
    with safe_open(path, "numpy") as file:
        metadata: dict[str, str] = file.metadata()
    return metadata


def test_a_stop_ends_the_tagger_at_once(tmp_path, model):
    base = make_base(tmp_path / "ml", captioning=captioning(existing="replace"), **PARAMS)
    process = start(base, KOHYA_TAGGER=model)
    links = base / "staging" / "tagging" / "images"
    deadline = time.monotonic() + 60
    while not links.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)

    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    status = process.wait(60)

    assert (status, read_json(base / "output" / "failure")["code"]) == (143, "stopped")
    assert time.monotonic() - asked < 20
    assert not any((base / "checkpoints" / "captions").iterdir())
