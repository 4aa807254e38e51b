"""The image cannot be built here; what it says is held against what it names."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "training_container" / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_holds_the_sd_scripts_whose_options_the_api_knows():
    options = ROOT / "lambdas" / "trainings" / "kohya_options.json"
    commit = re.search(r"ARG SD_SCRIPTS_COMMIT=(\w+)", DOCKERFILE)[1]

    assert commit == json.loads(options.read_text(encoding="utf-8"))["commit"]


def test_what_the_image_copies_is_there():
    for source in re.findall(r"^COPY (\S+) ", DOCKERFILE, re.MULTILINE):
        assert (ROOT / "training_container" / source).exists()


def test_train_is_on_the_path_and_takes_the_signals_itself():
    assert "exec python -m kohya_trainer" in DOCKERFILE
    assert "/usr/local/bin/train" in DOCKERFILE


def test_the_image_has_no_network_to_ask_for_models():
    for variable in ("HF_HUB_OFFLINE=1", "KOHYA_TOKENIZERS=", "KOHYA_HOME=/opt/sd-scripts"):
        assert variable in DOCKERFILE
