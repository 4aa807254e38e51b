"""`make demo`: upload a base model and a dataset, train, download the LoRA, open it.

Starts local mode on a free port with a state folder of its own and then does what a client does,
over plain HTTP. Without arguments it draws its own images and writes a small base model.
"""

import argparse
import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from local.demo import engine, material
from local.demo.client import Api, ApiError, wait_for
from local.demo.engine import CannotStart
from local.demo.lora import Lora, open_lora
from local.demo.screen import Screen, curve, duration
from local.demo.uploads import upload_dataset, upload_model

_FOLDER = engine.ROOT / ".lorastack" / "demo"
_ENDS = {"succeeded", "failed", "canceled"}
_REHEARSAL = {"network_dim": 8, "network_alpha": 4, "max_train_epochs": 2}
# Small enough for a machine without a GPU; --config overrides each.
_KOHYA_ON_CPU = {
    "network_dim": 4,
    "network_alpha": 2,
    "max_train_epochs": 1,
    "resolution": "64,64",
    "min_bucket_reso": 64,
    "max_bucket_reso": 128,
    "mixed_precision": "no",
}


def main() -> int:
    """Run the demo; 0 when a LoRA came out of it."""
    arguments = _arguments()
    screen = Screen()
    began = time.monotonic()
    try:
        env = engine.environment(arguments.engine)
        screen.say(f"Starting local mode: engine {arguments.engine}")
        with engine.local_stack(_FOLDER / "state", env, arguments.processes) as endpoints:
            lora, losses = _run(arguments, endpoints, screen)
    except (CannotStart, ApiError) as error:
        screen.say(f"\n{error}")
        return 1
    except KeyboardInterrupt:
        screen.say("\nInterrupted.")
        return 130
    _show(screen, lora, losses, time.monotonic() - began)
    return 0


def _run(
    arguments: argparse.Namespace, endpoints: dict[str, Any], screen: Screen
) -> tuple[Lora, list[float]]:
    screen.step("stack", endpoints["url"])
    admin = Api(endpoints["url"], endpoints["token"])
    token = admin.post("/tokens", {"name": "demo", "role": "trainer", "expires_in_days": 1})
    screen.step("token", f"{token['id']}, role {token['role']}")
    api = Api(endpoints["url"], token["token"])
    model = upload_model(api, arguments.model or _small_model(), screen)
    dataset = upload_dataset(api, arguments.dataset or material.draw_dataset(_FOLDER), screen)
    training = _train(api, _request(arguments, model, dataset), screen)
    found = api.get(f"/models/{training['lora_id']}")
    target = _FOLDER / found["file_name"]
    api.download(found["download"]["url"], target)
    metrics = api.get(f"/trainings/{training['id']}/metrics", limit=5000)
    return open_lora(target), [row["loss"] for row in metrics["data"] if row["loss"] is not None]


def _request(
    arguments: argparse.Namespace, model: dict[str, Any], dataset: dict[str, Any]
) -> dict[str, Any]:
    defaults = _REHEARSAL if arguments.engine == "rehearsal" else _KOHYA_ON_CPU
    return {
        "name": arguments.name,
        "fm_type": arguments.fm_type,
        "model": model["id"],
        "datasets": [{"dataset": dataset["id"]}],
        "config_params": defaults | arguments.config,
    }


def _train(api: Api, request: dict[str, Any], screen: Screen) -> dict[str, Any]:
    checked = api.post("/trainings/validate", request)
    if not checked["valid"]:
        faults = [f"  {fault['pointer']}: {fault['message']}" for fault in checked["errors"]]
        raise ApiError("\n".join(["The training would not start:", *faults]))
    steps = checked["steps"]
    screen.step(
        "validate",
        f"{steps['total_steps']} steps: {steps['epochs']} epochs of {steps['steps_per_epoch']}",
    )
    for correction in checked["corrections"]:
        screen.step("corrected", f"{correction['option']}: {correction['why']}")
    request |= {"config_params": checked["config_params"]}
    training: dict[str, Any] = api.post("/trainings", request, key=str(uuid.uuid4()))
    for found in wait_for(api, f"/trainings/{training['id']}", _ENDS, 0.5):
        training = found
        screen.progress(training)
    if training["status"] != "succeeded":
        failure = training["failure"] or {"code": training["status"], "message": "", "advice": ""}
        raise ApiError(
            f"The training {training['status']}: {failure['code']}. {failure['message']}\n"
            f"{failure['advice']}\nIts log lies under {_FOLDER / 'state' / 'sagemaker'}."
        )
    return training


def _show(screen: Screen, lora: Lora, losses: list[float], seconds: float) -> None:
    screen.say()
    screen.say(f"Loss over {len(losses)} steps")
    for line in curve(losses):
        screen.say(line)
    if lora.rehearsal:
        screen.say(
            "\nThis was a rehearsal: numpy on the CPU, true LoRA tensors, no picture learnt.\n"
            '`make kohya` brings the real sd-scripts; then: make demo ARGS="--engine kohya '
            '--model MODEL --dataset FOLDER"'
        )
    screen.say("\nNext: `make run` serves the same API at http://127.0.0.1:8080/v1")
    screen.say(
        f"\nDone in {duration(seconds)}. {lora.modules} modules of rank {lora.rank}, "
        f"{lora.tensors} tensors, first {lora.example}"
    )
    screen.say(f"LoRA: {lora.path} ({lora.size / 1e6:.1f} MB)")


def _small_model() -> Path:
    path = _FOLDER / "small-sd_1_5.safetensors"
    _FOLDER.mkdir(parents=True, exist_ok=True)
    return path if path.exists() else material.write_small_model(path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo ARGS=…", description=__doc__)
    parser.add_argument("--model", type=_file, help="a base model, .safetensors")
    parser.add_argument("--dataset", type=_folder, help="a folder 10_name of images and captions")
    parser.add_argument("--fm-type", choices=["sd_1_5", "sd_xl"], help="what the model must be")
    parser.add_argument("--engine", choices=["rehearsal", "kohya"], default="rehearsal")
    parser.add_argument(
        "--config", type=_options, default={}, help="a file: a JSON object of sd-scripts' options"
    )
    parser.add_argument("--name", default="tusiji-style", help="of the training and its LoRA")
    parser.add_argument("--processes", type=int, default=4, help="for each API function")
    arguments = parser.parse_args()
    if arguments.engine == "kohya" and arguments.model is None:
        parser.error(
            "--engine kohya needs a whole model: --model PATH (`make kohya-model` makes one of "
            "random weights)"
        )
    return arguments


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return path


def _options(text: str) -> dict[str, Any]:
    try:
        options = json.loads(_file(text).read_text())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no JSON: {error}") from error
    if not isinstance(options, dict):
        raise argparse.ArgumentTypeError(f'{text} must hold one object, {{"network_dim": 8}} say')
    return options


def _folder(text: str) -> Path:
    path = Path(text).resolve()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    return path


if __name__ == "__main__":
    sys.exit(main())
