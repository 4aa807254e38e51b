"""The image cannot be built here; what it says is held against what it names."""

import json
import re
import subprocess
import sys
from pathlib import Path

from kohya_trainer.tagger_command import FILES

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "training_container" / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_holds_the_sd_scripts_whose_options_the_api_knows():
    options = ROOT / "lambdas" / "trainings" / "kohya_options.json"
    commit = re.search(r"ARG SD_SCRIPTS_COMMIT=(\w+)", DOCKERFILE)[1]

    assert commit == json.loads(options.read_text(encoding="utf-8"))["commit"]


def test_what_the_image_copies_is_there():
    for source in re.findall(r"^COPY ([a-z]\S+) ", DOCKERFILE, re.MULTILINE):
        assert (ROOT / "training_container" / source).exists()


def test_train_is_on_the_path_and_takes_the_signals_itself():
    assert "exec python -m kohya_trainer" in DOCKERFILE
    assert "/usr/local/bin/train" in DOCKERFILE


def test_the_image_has_no_network_to_ask_for_models():
    for variable in ("HF_HUB_OFFLINE=1", "KOHYA_TOKENIZERS=", "KOHYA_HOME=/opt/sd-scripts"):
        assert variable in DOCKERFILE


def test_the_image_holds_the_tagger_where_the_program_looks_for_it():
    name = re.search(r"^ARG TAGGER=(\S+)$", DOCKERFILE, re.MULTILINE)[1]

    assert name == name.strip("/")
    assert "KOHYA_TAGGER=/opt/taggers/$TAGGER" in DOCKERFILE
    assert "local_dir='/opt/taggers/$TAGGER'" in DOCKERFILE
    assert re.search(r"^ARG TAGGER_REVISION=\S+$", DOCKERFILE, re.MULTILINE)
    for file in FILES:
        assert f"'{file}'" in DOCKERFILE


def test_the_image_and_make_kohya_hold_the_same_versions():
    image = pinned("training_container/requirements.txt")
    here = pinned("requirements/kohya.in")
    here["onnxruntime-gpu"] = here["onnxruntime"]

    for name in ("torch", "torchvision", "onnx", "onnxruntime-gpu", "lycoris-lora"):
        assert image[name] == here[name]


def pinned(path):
    """The versions that a file of requirements pins."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+)==(\S+)$", text, re.MULTILINE))


def test_hadolint_finds_nothing():
    hadolint = Path(sys.executable).with_name("hadolint")

    done = subprocess.run(
        [hadolint, "--no-color", ROOT / "training_container" / "Dockerfile"],
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout) == (0, "")
