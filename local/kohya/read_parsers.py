"""Reads the options of sd-scripts from their argument parsers and prints them as JSON.

Those that a dataset config may have as well say so: `per` is "subset" for what a folder of images
may have for itself, "dataset" for what all folders of a dataset share (library/config_util.py).

Runs in the environment of sd-scripts, with their work tree on the path (`local.kohya.options`
starts it so).
"""

import argparse
import contextlib
import importlib
import json
import sys
from typing import Any

SCRIPTS = {"sd_1_5": "train_network.py", "sd_xl": "sdxl_train_network.py"}


def main() -> None:
    """Print an object of options for each family."""
    with contextlib.redirect_stdout(sys.stderr):  # importing them prints
        read = {family: _options(script) for family, script in SCRIPTS.items()}
    print(json.dumps(read))


def _options(script: str) -> dict[str, dict[str, Any]]:
    parser = importlib.import_module(script.removesuffix(".py")).setup_parser()
    per = _of_dataset_config()
    return {
        action.dest: _option(action) | per.get(action.dest, {})
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    }


def _of_dataset_config() -> dict[str, dict[str, str]]:
    """What the dataset config's schema knows, by the names that the parsers have for it."""
    config_util = importlib.import_module("library.config_util")
    sanitizer = config_util.ConfigSanitizer(True, False, False, True)
    names = {config: name for name, config in sanitizer.ARGPARSE_OPTNAME_TO_CONFIG_OPTNAME.items()}
    dataset, subset = sanitizer.db_dataset_schema, sanitizer.db_subset_schema
    found = dict.fromkeys(map(str, dataset), "dataset") | dict.fromkeys(map(str, subset), "subset")
    return {names.get(name, name): {"per": per} for name, per in found.items()}


def _option(action: argparse.Action) -> dict[str, Any]:
    option: dict[str, Any] = {"type": _type(action), "default": action.default}
    if action.choices is not None:
        option["choices"] = list(action.choices)
    if action.nargs not in (None, 0):
        option["nargs"] = action.nargs
    return option


def _type(action: argparse.Action) -> str:
    if action.nargs == 0:
        return "bool"
    return getattr(action.type, "__name__", "str")


if __name__ == "__main__":
    main()
