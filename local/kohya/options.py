"""Writes what sd-scripts' argument parsers have: `python -m local.kohya.options --write`.

Without --write it says whether lambdas/trainings/kohya_options.json is what they have. The file has
one option a line, so that moving the pinned commit is a diff that can be read; what a new option
means for users is written by hand in option_notes.json beside it, and a test names those that lack
it. Needs `make kohya`.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from local.kohya.read_parsers import SCRIPTS
from local.kohya.settings import COMMIT, PROJECT, KohyaError, Places, Settings

FILE = PROJECT / "lambdas" / "trainings" / "kohya_options.json"
HELPER = "local.kohya.read_parsers"
FAMILIES = tuple(SCRIPTS)

Options = Mapping[str, Mapping[str, Any]]


def read(settings: Settings) -> Mapping[str, Options]:
    """The options of each family; KohyaError when sd-scripts can't be asked."""
    path = os.pathsep.join([str(PROJECT), str(settings.home)])
    environment = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}
    command = [str(settings.python), "-m", HELPER]
    try:
        answer = subprocess.run(
            command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, check=True
        )
    except FileNotFoundError as exc:
        raise KohyaError(
            f"{settings.python} is not there; run `make kohya`, or set KOHYA_HOME and KOHYA_PYTHON."
        ) from exc
    except subprocess.CalledProcessError as exc:
        raise KohyaError(
            f"sd-scripts in {settings.home} could not be asked; their own words are above."
        ) from exc
    found: dict[str, Options] = json.loads(answer.stdout)
    return found


def merged(found: Mapping[str, Options]) -> dict[str, dict[str, Any]]:
    """One entry an option, sorted by name; KohyaError where the families differ in one."""
    entries: dict[str, dict[str, Any]] = {}
    for family, options in found.items():
        for name, option in options.items():
            entry = entries.setdefault(name, {**option, "families": []})
            if {**entry, "families": []} != {**option, "families": []}:
                raise KohyaError(f"the scripts differ in {name}: the table has one entry for both.")
            entry["families"].append(family)
    return {name: entries[name] for name in sorted(entries)}


def text_of(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The file: one option a line."""
    head = {"source": "kohya-ss/sd-scripts", "commit": COMMIT, "scripts": SCRIPTS}
    lines = [f" {json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
    options = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in entries.items()
    )
    return "\n".join(["{", *lines, ' "options": {', options, " }", "}", ""])


def main() -> int:
    """Exit status 0, or 1 with one sentence that says what to do."""
    parser = argparse.ArgumentParser(prog="python -m local.kohya.options", description=__doc__)
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    try:
        text = text_of(merged(read(Settings.read(Places()))))
    except KohyaError as error:
        print(f"kohya: {error}", file=sys.stderr)
        return 1
    if write:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        print("kohya: the file is not what the parsers have: --write it.", file=sys.stderr)
        return 1
    print(f"kohya: {FILE} has what sd-scripts' parsers have at {COMMIT[:12]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
