"""Makes a WD14 tagger of random weights: `python -m local.kohya.tagger`.

It has the form of SmilingWolf's WD14 v2 taggers as ONNX, so sd-scripts' tagger runs it as it runs
those; its tags mean nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from local.kohya.model import require_set_up
from local.kohya.settings import PROJECT, KohyaError, Places, Settings

HELPER = "local.kohya.random_tagger"
FILES = ("model.onnx", "selected_tags.csv")


def make(folder: Path, seed: int, settings: Settings) -> None:
    """Writes the two files unless they are there; raises KohyaError when that fails.

    They are written beside their place and renamed together.
    """
    if all((folder / name).is_file() for name in FILES):
        print(f"kohya: {folder} is there already")
        return
    require_set_up(settings)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    command = [str(settings.python), "-m", HELPER, str(seed), str(partial)]
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    if subprocess.run(command, check=False, cwd=PROJECT, env=env).returncode:
        shutil.rmtree(partial)
        raise KohyaError("the tagger was not made; its own words are above.")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    print(f"kohya: the tagger is ready; to use it:\n  export KOHYA_TAGGER={folder}")


def main() -> int:
    """Exit status 0, or 1 with one sentence that says what to do."""
    places = Places()
    parser = argparse.ArgumentParser(prog="python -m local.kohya.tagger", description=__doc__)
    parser.add_argument("--output", type=Path, default=places.tagger, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        make(given.output.resolve(), given.seed, Settings.read(places))
    except KohyaError as exc:
        print(f"kohya: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
