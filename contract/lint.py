"""`make lint-openapi`: openapi.yaml held to the rules of Redocly CLI, warnings counted as errors.

The network is needed once, for the package.
"""

import os
import subprocess
import sys
from pathlib import Path

from contract.pinned import Package, PackageMissing
from contract.source import ROOT

REDOCLY = Package(
    name="@redocly/cli",
    version="2.77.0",
    sha512="XUa4hURDWLPG9WukIXo+UBqa9VpeTndmLI5PHu9QDkwtwH990Jsgz9nl2m1pZjsWrKFPP7avn6etRxxDbuD2Bg==",
    folder="redocly",
)
_RULES = Path(__file__).parent / "redocly.yaml"
_QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def main() -> None:
    """Lint the document; end with what the linter says when it finds anything."""
    try:
        program = REDOCLY.installed(ROOT / "build") / "bin" / "cli.js"
    except PackageMissing as error:
        sys.exit(str(error))
    said = lint(program, ROOT / "openapi.yaml")
    if said:
        sys.exit(said)


def lint(program: Path, document: Path) -> str:
    """Return what the linter has to say of a document; nothing when all is well."""
    ran = subprocess.run(
        [
            "node",
            str(program),
            "lint",
            "--format",
            "stylish",
            "--config",
            str(_RULES),
            str(document),
        ],
        env=os.environ | _QUIET,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if ran.returncode == 0 else f"{ran.stdout}\n{ran.stderr}".strip()


if __name__ == "__main__":
    main()
