"""What the environment says about sd-scripts, and where its parts lie."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COMMIT = "48d368fa557731ad0488c07304dfeba8c07910eb"
"""The commit of kohya-ss/sd-scripts that everything here was measured with."""

DEFAULT_SOURCE = "https://github.com/kohya-ss/sd-scripts.git"
PROJECT = Path(__file__).resolve().parents[2]
REQUIREMENTS = PROJECT / "requirements" / "kohya.txt"


class KohyaError(Exception):
    """Something a user can put right; its text is one sentence that says how."""


@dataclass(frozen=True)
class Places:
    """The folders of one set-up; nothing in them need exist yet."""

    root: Path = PROJECT / ".kohya"

    @property
    def sd_scripts(self) -> Path:
        return self.root / "sd-scripts"

    @property
    def venv(self) -> Path:
        return self.root / "venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def tokenizers(self) -> Path:
        return self.root / "tokenizers"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def tagger(self) -> Path:
        """A folder of model.onnx and selected_tags.csv."""
        return self.root / "taggers" / "random-wd14"

    def environment(self) -> dict[str, str]:
        """The variables by which the container program finds this set-up."""
        return {
            "KOHYA_HOME": str(self.sd_scripts),
            "KOHYA_PYTHON": str(self.python),
            "KOHYA_TOKENIZERS": str(self.tokenizers),
            **({"KOHYA_TAGGER": str(self.tagger)} if self.tagger.is_dir() else {}),
        }


@dataclass(frozen=True)
class Settings:
    """Where sd-scripts come from and which interpreters are used.

    `base_python` is what the environment is made from, None for the running interpreter; `home`
    and `python` are the work tree and the interpreter that run sd-scripts.
    """

    source: str
    base_python: str | None
    home: Path
    python: Path

    @classmethod
    def read(cls, places: Places, environ: Mapping[str, str] = os.environ) -> "Settings":
        """An empty variable counts as absent, as in a Makefile."""
        return cls(
            source=environ.get("KOHYA_SOURCE") or DEFAULT_SOURCE,
            base_python=environ.get("KOHYA_BASE_PYTHON") or None,
            home=Path(environ.get("KOHYA_HOME") or places.sd_scripts),
            python=Path(environ.get("KOHYA_PYTHON") or places.python),
        )
