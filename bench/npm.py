"""Programs of npm that the benchmarks use, installed into a folder of their own."""

import subprocess
from pathlib import Path


def installed(folder: Path, package: str, version: str, program: str) -> Path:
    """Return the path of a package's program, brought in when it is not there yet."""
    path = folder / "node_modules" / package / program
    if not path.exists():
        npm = ["npm", "install", "--silent", "--no-save", "--no-package-lock", "--prefix"]
        subprocess.run([*npm, str(folder), f"{package}@{version}"], check=True)
    return path
