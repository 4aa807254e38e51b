"""How the tagger is started, and what its end means."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kohya_trainer.failure import TrainingFailed
from kohya_trainer.settings import Settings
from kohya_trainer.tagger_command import FILES, SCRIPT, prepare_tagger, tagger_name, undesired
from kohya_trainer.tagger_script import REACHING, mended
from kohya_trainer.tagger_verdict import explain_tagger
from tests.container.support import png
from tests.container.test_caption_text import parsed


def real(tmp_path: Path) -> Settings:
    """Settings with a checkout and a tagger that are there."""
    model, home = tmp_path / "taggers" / "wd", tmp_path / "sd-scripts"
    for path in (*(model / name for name in FILES), home / SCRIPT):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Settings(kohya_home=home, kohya_python="py", kohya_tagger=model, kohya_cpu=True)


def argv(tmp_path: Path, **changes):
    settings = real(tmp_path)
    launch = prepare_tagger(parsed(**changes), tmp_path / "in", tmp_path / "out.jsonl", settings)
    return launch.argv


def test_the_real_tagger_runs_offline_from_its_folder(tmp_path):
    settings = real(tmp_path)
    launch = prepare_tagger(parsed(), tmp_path / "in", tmp_path / "out.jsonl", settings)

    assert launch.argv == (
        "py",
        "-m",
        "kohya_trainer.tagger_script",
        str(tmp_path / "sd-scripts" / SCRIPT),
        str(tmp_path / "in"),
        "--onnx",
        "--remove_underscore",
        "--caption_separator=, ",
        f"--output_path={tmp_path / 'out.jsonl'}",
        "--general_threshold=0.35",
        "--character_threshold=0.35",
        "--undesired_tags=",
        f"--model_dir={tmp_path / 'taggers'}",
        "--repo_id=wd",
        "--batch_size=8",
        "--max_data_loader_n_workers=0",
    )
    assert launch.env["HF_HUB_OFFLINE"] == "1"
    assert str(tmp_path / "sd-scripts") in launch.env["PYTHONPATH"]
    assert tagger_name(settings) == "wd"


def test_no_word_of_a_user_is_an_argument_of_its_own(tmp_path):
    hostile = ["--force_download", "-x", "a b", "$(id)", "--repo_id=evil"]

    words = argv(tmp_path, blacklist=hostile, prepend=hostile, append=hostile)

    assert (
        words.index("--undesired_tags=--force download,-x,a b,$(id),--repo id=evil")
        == words.index("--character_threshold=0.35") + 1
    )
    assert len(words) == len(argv(tmp_path))


def test_a_threshold_of_one_takes_nothing(tmp_path):
    words = argv(tmp_path, general_threshold=0.99, character_threshold=1.0)

    assert "--general_threshold=0.99" in words
    assert "--character_threshold=1.01" in words


def test_blacklisted_tags_have_the_form_that_tags_have():
    assert undesired(["Long_Hair", "^_^", "smile"]) == "Long Hair,long hair,^_^,smile"


@pytest.mark.parametrize("missing", ["model.onnx", "selected_tags.csv", SCRIPT, "KOHYA_TAGGER"])
def test_a_tagger_that_is_not_there_is_captioning_failed(tmp_path, missing):
    settings = real(tmp_path)
    if missing == "KOHYA_TAGGER":
        settings = Settings(kohya_home=settings.kohya_home)
    for folder in (settings.kohya_tagger, settings.kohya_home):
        if folder:
            (folder / missing).unlink(missing_ok=True)

    with pytest.raises(TrainingFailed) as caught:
        prepare_tagger(parsed(), tmp_path / "in", tmp_path / "out", settings)

    assert caught.value.code == "captioning_failed"
    assert missing in caught.value.message


def test_the_rehearsal_takes_the_same_words(tmp_path):
    folder, output = tmp_path / "in", tmp_path / "out.jsonl"
    folder.mkdir()
    (folder / "000000.png").write_bytes(png(1))
    (folder / "000001.png").write_bytes(b"<html>")
    wanted = parsed(general_threshold=0.9, blacklist=["Nobody_(rehearsal)"])
    launch = prepare_tagger(wanted, folder, output, Settings())

    done = subprocess.run(
        launch.argv, env=launch.env, cwd=launch.cwd, capture_output=True, text=True, check=True
    )

    assert launch.argv[:3] == (sys.executable, "-m", "kohya_trainer.rehearsal.tagger")
    assert [json.loads(line) for line in output.read_text().splitlines()] == [
        {"image_path": str(folder / "000000.png"), "caption": "rehearsal"}
    ]
    assert "REHEARSAL" in done.stdout
    assert "cannot identify image file '000001.png'" in done.stderr


def test_only_a_line_that_is_there_once_is_changed():
    assert "tag_freq, character_tags\n" in mended(f"a\n    {REACHING}b\n")
    assert mended(REACHING * 2) == REACHING * 2
    assert mended("nothing\n") == "nothing\n"


IMAGES = [Path(f"/data/图 {number}.png") for number in range(6)]


@pytest.mark.parametrize(
    ("status", "lines", "code", "words"),
    [
        (
            1,
            ["Could not load image path / 読: /x/000002.png, error: cut", "Unexpected input data"],
            "unreadable_image",
            "图 2.png",
        ),
        (1, [f"Could not load {n:06d}.jpg" for n in range(5)], "unreadable_image", "and 2 more"),
        (-9, ["Running wd14 tagger with onnx"], "killed", "The tagger was ended by SIGKILL"),
        (1, ["RuntimeError: CUDA out of memory"], "out_of_memory", "The tagger ran out of memory"),
        (1, ["OSError: [Errno 28] No space left on device"], "disk_full", "No space left"),
        (2, ["ImportError: No module named onnx"], "captioning_failed", "onnx"),
        (
            3,
            ["ValueError: bad model"],
            "captioning_failed",
            "The tagger ended with status 3. Value",
        ),
    ],
)
def test_how_the_tagger_ended_has_a_code_and_names_the_image(status, lines, code, words):
    failure = explain_tagger(status, lines, IMAGES)

    assert failure.code == code
    assert words in failure.message
    assert failure.advice
