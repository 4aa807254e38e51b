"""What the environment tells the program."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the engine is and how often to report (seconds)."""

    base: Path = Path("/opt/ml")
    kohya_home: Path | None = None
    kohya_python: str = sys.executable
    kohya_tokenizers: Path | None = None
    kohya_tagger: Path | None = None
    kohya_cpu: bool = False
    gpus: int | None = None
    report_seconds: float = 5.0
    grace_seconds: float = 100.0
    """SageMaker kills 120 s after SIGTERM; what is left is for keeping what is finished."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the variables that README.md of the container lists."""
        return cls(
            base=Path(environ.get("LORASTACK_BASE") or "/opt/ml"),
            kohya_home=_path(environ.get("KOHYA_HOME")),
            kohya_python=environ.get("KOHYA_PYTHON") or sys.executable,
            kohya_tokenizers=_path(environ.get("KOHYA_TOKENIZERS")),
            kohya_tagger=_path(environ.get("KOHYA_TAGGER")),
            kohya_cpu=environ.get("KOHYA_CPU") == "1",
            gpus=_whole(environ.get("SM_NUM_GPUS")),
            report_seconds=_seconds(environ.get("LORASTACK_REPORT_SECONDS"), 5.0),
            grace_seconds=_seconds(environ.get("LORASTACK_GRACE_SECONDS"), 100.0),
        )


def _path(text: str | None) -> Path | None:
    return Path(text).absolute() if text else None


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _seconds(text: str | None, default: float) -> float:
    try:
        return max(float(text or default), 0.05)
    except ValueError:
        return default
