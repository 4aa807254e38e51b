"""`make lint-openapi`: openapi.yaml held to the rules of Redocly CLI, warnings counted as errors.

The package is one file of an exact version, checked by its SHA-512 and kept under build/, so that
the network is needed once.
"""

import base64
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from contract.source import ROOT

PACKAGE = "@redocly/cli"
VERSION = "2.77.0"
SHA512 = "XUa4hURDWLPG9WukIXo+UBqa9VpeTndmLI5PHu9QDkwtwH990Jsgz9nl2m1pZjsWrKFPP7avn6etRxxDbuD2Bg=="
_RULES = Path(__file__).parent / "redocly.yaml"
_QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


class LintError(Exception):
    """The linter can't be had; the text says what to do."""


def main() -> None:
    """Lint the document; end with what the linter says when it finds anything."""
    try:
        program = installed(ROOT / "build")
    except LintError as error:
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


def installed(build: Path) -> Path:
    """Return the program below a folder, downloaded when it is not there yet.

    Raises LintError when it can't be downloaded or is not the one that is pinned.
    """
    folder = build / f"redocly-{VERSION}"
    if not folder.exists():
        build.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=build) as draft:
            packed = _packed(Path(draft))
            with tarfile.open(packed) as archive:
                archive.extractall(Path(draft) / "unpacked", filter="data")
            (Path(draft) / "unpacked" / "package").rename(folder)
    return folder / "bin" / "cli.js"


def _packed(folder: Path) -> Path:
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{PACKAGE}@{VERSION}"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    except FileNotFoundError as exc:
        raise LintError("npm is missing; it comes with Node.js, which the CDK needs too.") from exc
    except subprocess.CalledProcessError as exc:
        raise LintError(
            f"{PACKAGE} {VERSION} could not be downloaded; check the network to the npm registry, "
            f"then run again (npm: {' '.join(exc.stderr.split())})."
        ) from exc
    (packed,) = folder.glob("*.tgz")
    digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    if digest != SHA512:
        raise LintError(
            f"What npm gave for {PACKAGE} {VERSION} is another file than the one known."
        )
    return packed


if __name__ == "__main__":
    main()
