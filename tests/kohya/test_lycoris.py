"""LyCORIS with the real sd-scripts; about two minutes on two cores."""

import json
import subprocess

import pytest
from safetensors import safe_open

from lambdas.trainings.arguments import LYCORIS_VALUES
from tests.kohya.kohya_support import KOHYA, PARAMS, finish, make_base

pytestmark = pytest.mark.kohya

_ASK = """
import json, lycoris.config, lycoris.wrapper
print("ASKED", json.dumps([sorted(lycoris.config.PRESET), sorted(lycoris.wrapper.network_module_dict)]))
"""


def test_lycoris_trains_and_its_network_is_saved(tmp_path):
    params = PARAMS | {"max_train_epochs": 1, "network_module": "lycoris.kohya"}
    params["network_args"] = ["algo=loha", "preset=attn-only"]
    base = make_base(tmp_path / "ml", **params)

    finish(base)

    path = base / "checkpoints" / "lora" / "style.safetensors"
    with safe_open(path, "numpy") as file:
        names = list(file.keys())
        assert file.metadata()["ss_network_module"] == "lycoris.kohya"
        learnt = [name for name in names if name.endswith("hada_w2_a")]
        assert len(learnt) > 100
        assert any(file.get_tensor(name).any() for name in learnt)


def test_the_values_that_the_api_allows_are_those_that_lycoris_has():
    python = str(KOHYA / "venv" / "bin" / "python")

    answer = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, check=True)

    line = next(one for one in answer.stdout.splitlines() if one.startswith("ASKED "))
    presets, algorithms = json.loads(line.removeprefix("ASKED "))
    assert set(LYCORIS_VALUES["preset"]) <= set(presets)
    assert set(LYCORIS_VALUES["algo"]) <= set(algorithms)
