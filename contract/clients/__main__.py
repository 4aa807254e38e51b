"""`make client`: generates the clients into build/clients/{python,typescript}."""

import shutil
import sys
from pathlib import Path

from contract.clients import python, typescript
from contract.clients.python import GenerationError
from contract.environment import EnvironmentMissing
from contract.source import ROOT

DOCUMENT = ROOT / "openapi.yaml"
TARGET = ROOT / "build" / "clients"
LANGUAGES = {"python": python.generate, "typescript": typescript.generate}


def main() -> None:
    """Generate both anew; end with what stands against it."""
    try:
        for language, generate in LANGUAGES.items():
            target = TARGET / language
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            generate(DOCUMENT, target)
            print(f"{_told(target)}: {sum(1 for one in target.rglob('*') if one.is_file())} files")
    except (EnvironmentMissing, GenerationError) as error:
        sys.exit(str(error))


def _told(target: Path) -> Path:
    return target.relative_to(ROOT)


if __name__ == "__main__":
    main()
