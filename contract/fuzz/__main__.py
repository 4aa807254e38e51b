"""`make fuzz`: the local stack, asked at least 2,000 requests by Schemathesis with all its checks.

Starts a stack with a model, a dataset and a finished training in it, asks, and ends it. It fails
with what was found: each with the curl command that shows it.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from contract.environment import EnvironmentMissing, program
from contract.source import ROOT
from local.demo import engine, material
from local.demo.client import Api, ApiError, wait_for
from local.demo.engine import CannotStart
from local.demo.screen import Screen
from local.demo.uploads import upload_dataset, upload_model

FOLDER = ROOT / "build" / "fuzz"
LEAST_REQUESTS = 2000
_HERE = Path(__file__).parent
_WHOLE = ["--max-examples", "30"]
_QUICK = ["--max-examples", "5", "--phases", "fuzzing,stateful"]
_MOST_SECONDS = {"whole": 1800, "quick": 300}


def main() -> None:
    """Ask, and exit as Schemathesis does; 1 too when it asked too little."""
    arguments, more = _arguments()
    screen = Screen()
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        schemathesis = program("fuzz", "schemathesis")
        screen.say("Starting local mode")
        with engine.local_stack(FOLDER / "state", engine.environment("rehearsal"), 2) as endpoints:
            token = _prepare(endpoints, screen)
            counted = FOLDER / "asked"
            status = _ask(schemathesis, endpoints, token, counted, arguments, more)
    except (ApiError, CannotStart, EnvironmentMissing) as error:
        sys.exit(str(error))
    except subprocess.TimeoutExpired as error:
        sys.exit(
            f"It was ended after {error.timeout:g} s: the machine is too busy, or a route hangs."
        )
    asked = sum(int(line.split()[1]) for line in counted.read_text().splitlines())
    screen.say(f"{asked} requests; by status: {', '.join(counted.read_text().splitlines())}")
    if not arguments.quick and not more and asked < LEAST_REQUESTS:
        sys.exit(f"That is fewer than {LEAST_REQUESTS}: the run asked too little to say anything.")
    sys.exit(status)


def _prepare(endpoints: dict[str, Any], screen: Screen) -> dict[str, Any]:
    """Make what a workspace has after its first training; return a token for asking."""
    api = Api(endpoints["url"], endpoints["token"])
    FOLDER.mkdir(exist_ok=True)
    upload_model(api, material.write_small_model(FOLDER / "small-sd_1_5.safetensors"), screen)
    upload_dataset(api, material.draw_dataset(FOLDER), screen)
    request = {
        "name": "first",
        "model": "base",
        "datasets": [{"dataset": "images"}],
        "config_params": {"network_dim": 4, "max_train_epochs": 1},
    }
    training = api.post("/trainings", request)
    for found in wait_for(api, f"/trainings/{training['id']}", {"succeeded", "failed"}, 0.3):
        training = found
    screen.step("training", training["status"])
    asking: dict[str, Any] = api.post("/tokens", {"name": "asking", "role": "admin"})
    return asking


def _ask(
    schemathesis: Path,
    endpoints: dict[str, Any],
    token: dict[str, Any],
    counted: Path,
    arguments: argparse.Namespace,
    more: list[str],
) -> int:
    command = [
        *(str(schemathesis), "--config-file", str(_HERE / "schemathesis.toml"), "run"),
        *(str(ROOT / "openapi.yaml"), "--url", endpoints["url"], "--seed", str(arguments.seed)),
        *("--header", f"Authorization: Bearer {token['token']}"),
        *(_QUICK if arguments.quick else _WHOLE),
        *more,
    ]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "contract.fuzz.hooks",
        "LORASTACK_FUZZ_COUNT": str(counted),
        "LORASTACK_FUZZ_TOKEN_ID": token["id"],
    }
    most = _MOST_SECONDS["quick" if arguments.quick else "whole"]
    return subprocess.run(
        command, cwd=FOLDER, env=environment, timeout=most, check=False
    ).returncode


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=…", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="another asks other things")
    parser.add_argument("--quick", action="store_true", help="some hundred requests")
    parser.epilog = "All else goes to `schemathesis run`."
    return parser.parse_known_args()


if __name__ == "__main__":
    main()
