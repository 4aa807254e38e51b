"""Makes the environment that sd-scripts run in, with uv and from hashed requirements."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from local.kohya import interpreter
from local.kohya.settings import PROJECT, REQUIREMENTS, KohyaError, Places

MARK = ".lorastack"
PROBE = (
    "import accelerate, cv2, diffusers, lycoris.kohya, onnx, onnxruntime, open_clip, torch, "
    "torchvision, transformers"
)


def make(places: Places, base_python: str | None, say: Callable[[str], None]) -> None:
    """Makes the environment; does nothing when it is what the requirements say.

    Raises KohyaError when the interpreter does not fit, uv fails, or the packages do not load.
    """
    if is_made(places):
        return
    interpreter.require_platform()
    uv = find_uv()
    base = interpreter.choose(base_python)
    # What an interrupted run has downloaded is in uv's cache, so beginning anew costs seconds.
    _run([uv, "venv", "--quiet", "--clear", "--python", base, str(places.venv)])
    say("installing torch and what sd-scripts need: 3.2 GB to download, 5.6 GB on disk")
    _run([uv, "pip", "sync", "--require-hashes", "--python", str(places.python), str(REQUIREMENTS)])
    say("loading the packages once")
    _probe(places.python)
    (places.venv / MARK).write_text(fingerprint(), encoding="utf-8")


def is_made(places: Places) -> bool:
    """Whether the environment was finished with the requirements as they are now."""
    mark = places.venv / MARK
    return (
        places.python.exists()
        and mark.is_file()
        and mark.read_text(encoding="utf-8") == fingerprint()
    )


def fingerprint(requirements: Path = REQUIREMENTS) -> str:
    """The SHA-256 of the hashed requirements."""
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


def find_uv() -> str:
    """uv of the running environment, of the project's, or on the path; KohyaError without one."""
    for folder in (Path(sys.prefix), PROJECT / ".venv"):
        if (folder / "bin" / "uv").is_file():
            return str(folder / "bin" / "uv")
    found = shutil.which("uv")
    if found is None:
        raise KohyaError("uv was not found; run `make` once so that it is installed into .venv.")
    return found


def _run(command: list[str]) -> None:
    if subprocess.run(command, check=False).returncode:
        raise KohyaError(
            f"`uv {command[1]}` failed (its own words are above); check the network and the free "
            "disk space and run this again, it goes on where it stopped."
        )


def _probe(python: Path) -> None:
    """Loads the packages: on a bare machine a system library may be lacking (OpenCV's libGL)."""
    command = [str(python), "-c", PROBE]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if answer.returncode:
        lines = answer.stderr.strip().splitlines() or ["no message"]
        raise KohyaError(
            f"the packages of sd-scripts do not load: {lines[-1]}; install the system library it "
            "names (for libGL: `apt-get install libgl1 libglib2.0-0`) and run this again."
        )
