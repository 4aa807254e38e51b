"""Which versions ran, for report.json; asked of the engine's own interpreter."""

import json
import platform
import subprocess
import sys
from pathlib import Path

from kohya_trainer import installed
from kohya_trainer.settings import Settings

PACKAGES = ("torch", "accelerate", "transformers", "diffusers", "safetensors", "numpy")


def versions(settings: Settings) -> dict[str, str]:
    """Package versions and sd-scripts' commit; what cannot be told is left out."""
    return {"python": platform.python_version(), **_commit(settings.kohya_home), **_asked(settings)}


def _asked(settings: Settings) -> dict[str, str]:
    if settings.kohya_python == sys.executable:
        return installed.installed(PACKAGES)
    try:
        question = Path(installed.__file__).read_text(encoding="utf-8")
        answer = subprocess.run(
            [settings.kohya_python, "-c", question, *PACKAGES],
            capture_output=True,
            check=True,
            timeout=20,
        )
        found: dict[str, str] = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    return found


def _commit(home: Path | None) -> dict[str, str]:
    """The commit that a checkout's HEAD names, when it is detached as ``make kohya`` leaves it."""
    if home is None:
        return {}
    try:
        head = (home / ".git" / "HEAD").read_text(encoding="utf-8").strip()
    except OSError:
        return {}
    return {} if head.startswith("ref:") else {"sd-scripts": head}
