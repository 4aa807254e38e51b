"""What the table of options claims of sd-scripts, asked of the real ones: `make kohya-test`."""

import json
import subprocess
from typing import Any

import pytest

from local.kohya import options as table
from local.kohya.settings import Places, Settings

pytestmark = pytest.mark.kohya

# Runs in sd-scripts' environment: whether an optimizer and its scheduler can be made and step.
PROGRAM = """
import json, sys
import torch, train_network
from library import train_util

def outcome(given):
    args = train_network.setup_parser().parse_args([])
    vars(args).update({"optimizer_type": "AdamW", "learning_rate": 1e-4, "max_train_steps": 100}, **given)
    weights = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": 1e-4}]
    try:
        train_util.verify_training_args(args)
        optimizer = train_util.get_optimizer(args, weights)[2]
        scheduler = train_util.get_scheduler_fix(args, optimizer, 1)
        optimizer.step(), scheduler.step()
    except (Exception, AssertionError) as error:
        return f"{type(error).__name__}: {error}"
    return "steps"

print(json.dumps([outcome(one) for one in json.loads(sys.stdin.read())]), file=sys.__stdout__)
"""

# The container's tests import nothing of lambdas/: the notes are read as a file.
NOTES = json.loads(table.FILE.with_name("option_notes.json").read_text())["options"]

STEPS: list[dict[str, Any]] = [
    # bitsandbytes needs a GPU.
    *(
        {"optimizer_type": name, "learning_rate": 1.0}
        for name in NOTES["optimizer_type"]["allowed"]
        if "8bit" not in name and not name.startswith("Paged")
    ),
    *(
        {"lr_scheduler": name, "lr_scheduler_min_lr_ratio": 0.1}
        for name in NOTES["lr_scheduler"]["allowed"]
        if name != "adafactor"
    ),
    {"optimizer_type": "AdaFactor", "lr_scheduler": "adafactor"},
    {
        "optimizer_type": "AdaFactor",
        "optimizer_args": ["relative_step=False"],
        "lr_scheduler": "constant_with_warmup",
    },
]
STOPS: list[dict[str, Any]] = [
    {"lr_scheduler": "constant", "lr_warmup_steps": 10},
    {"lr_scheduler": "cosine_with_min_lr"},
    {"lr_scheduler": "adafactor"},
    {"optimizer_type": "AdaFactor", "lr_warmup_steps": 10},
    {
        "optimizer_type": "AdaFactor",
        "optimizer_args": ["relative_step=False"],
        "lr_scheduler": "adafactor",
    },
    {"fused_backward_pass": True},
    {"optimizer_args": ["a=b=c"]},
    {"optimizer_args": ["weight_decay=a lot"]},
    {"adaptive_noise_scale": 0.1},
    {"scale_v_pred_loss_like_noise_pred": True},
    {"v_pred_like_loss": 0.5, "v_parameterization": True},
]


def test_the_table_is_what_the_parsers_have() -> None:
    found = table.merged(table.read(Settings.read(Places())))

    assert table.text_of(found) == table.FILE.read_text()


def test_sd_scripts_take_what_we_let_through_and_stop_where_we_refuse() -> None:
    settings = Settings.read(Places())
    answer = subprocess.run(
        [str(settings.python), "-c", PROGRAM],
        cwd=settings.home,
        input=json.dumps([*STEPS, *STOPS]),
        capture_output=True,
        text=True,
        check=True,
    )
    outcomes = json.loads(answer.stdout.splitlines()[-1])

    stopped = [(one, how) for one, how in zip(STEPS, outcomes, strict=False) if how != "steps"]
    went_on = [
        one for one, how in zip(STOPS, outcomes[len(STEPS) :], strict=True) if how == "steps"
    ]
    assert stopped == []
    assert went_on == []
