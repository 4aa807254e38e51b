"""Makes a full-size base model of random weights: `python -m local.kohya.model --fm-type sd_1_5`.

Such a model trains like a real one, step for step and byte for byte, and needs no download; its
pictures are noise.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from local.kohya.settings import PROJECT, KohyaError, Places, Settings

FM_TYPES = ("sd_1_5", "sd_xl")
HELPER = "local.kohya.random_weights"


@dataclass(frozen=True)
class Order:
    """A model to make; the same seed gives the same file."""

    fm_type: str
    output: Path
    seed: int


def make(order: Order, settings: Settings) -> None:
    """Writes the model unless a complete file is there; raises KohyaError when that fails.

    It is written beside its place and renamed, so an interrupted run leaves no half model.
    """
    if is_complete(order.output):
        print(f"kohya: {order.output} is there already")
        return
    require_set_up(settings)
    order.output.parent.mkdir(parents=True, exist_ok=True)
    partial = order.output.with_suffix(".partial.safetensors")
    print(f"kohya: making {order.output}, a minute or three", flush=True)
    try:
        _write(order, partial, settings)
        partial.rename(order.output)
    finally:
        partial.unlink(missing_ok=True)
    print(f"kohya: {order.output} is ready ({order.output.stat().st_size / 1e9:.2f} GB)")


def _write(order: Order, partial: Path, settings: Settings) -> None:
    command = [str(settings.python), "-m", HELPER, order.fm_type, str(order.seed), str(partial)]
    answer = subprocess.run(command, check=False, cwd=PROJECT, env=_environment(settings))
    if answer.returncode:
        raise KohyaError(_why(answer.returncode))


def is_complete(path: Path) -> bool:
    """Whether a safetensors file is as long as its header says."""
    if not path.is_file() or path.stat().st_size < 8:
        return False
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > path.stat().st_size:
            return False
        header = json.loads(file.read(length))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return path.stat().st_size == 8 + length + max(ends, default=0)


def require_set_up(settings: Settings) -> None:
    """Raises KohyaError unless sd-scripts and its environment are there."""
    for part in (settings.home / "train_network.py", settings.python):
        if not part.exists():
            raise KohyaError(
                f"{part} is not there; run `make kohya`, or set KOHYA_HOME and KOHYA_PYTHON."
            )


def _environment(settings: Settings) -> dict[str, str]:
    path = os.pathsep.join([str(PROJECT), str(settings.home)])
    return {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}


def _why(returncode: int) -> str:
    if returncode == -9:
        return "the model was not made: killed, it seems for want of memory; free some and retry."
    return f"the model was not made: the helper ended with {returncode}, its own words are above."


def read_order(arguments: list[str] | None, places: Places) -> Order:
    """The command line as an order."""
    parser = argparse.ArgumentParser(prog="python -m local.kohya.model", description=__doc__)
    parser.add_argument("--fm-type", choices=FM_TYPES, default=FM_TYPES[0])
    parser.add_argument("--output", type=Path, help="default: .kohya/models/random-<family>")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    output = given.output or places.models / f"random-{given.fm_type}.safetensors"
    if output.suffix != ".safetensors":
        parser.error(f"--output {output} must end in .safetensors")
    return Order(given.fm_type, output.resolve(), given.seed)


def main() -> int:
    """Exit status 0, 1 with one sentence that says what to do, or 130 when interrupted."""
    places = Places()
    try:
        make(read_order(None, places), Settings.read(places))
    except KohyaError as exc:
        print(f"kohya: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nkohya: stopped; no model was made", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
