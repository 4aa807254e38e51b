"""Set what a workspace may use, with AWS credentials rather than a token.

    TABLE_NAME=… python -m lambdas.access.limits --workspace acme --gpu-hours 200 --usd none

A limit that isn't named stays; `none` is no limit, `default` the deployment's again. Prints one
line of JSON: the workspace and what is set for it. It holds from the next request on.
"""

import argparse
import json
import re
import sys
from typing import Any

from lambdas.access import workspaces
from lambdas.access.schema import WORKSPACE_PATTERN
from lambdas.core import audit, settings
from lambdas.core.errors import NotFound

_OPTIONS = {
    "active_trainings": "trainings under way at once",
    "gpu_hours": "GPU hours a month",
    "usd": "US dollars a month",
    "stored_gb": "gigabytes (10^9 bytes) of datasets and models",
}


def main() -> None:
    """Set what the command line asks for and print what is set."""
    parser = argparse.ArgumentParser(prog="lambdas.access.limits", description=__doc__)
    parser.add_argument("--workspace", required=True, type=_workspace)
    for name, what in _OPTIONS.items():
        kind = _count if name == "active_trainings" else _amount
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=kind, default=argparse.SUPPRESS, metavar="N", help=what)
    arguments = vars(parser.parse_args())
    settings.of_operator()
    changes = {name: arguments[name] for name in _OPTIONS if name in arguments}
    workspace = arguments["workspace"]
    event = audit.of_operator(workspace, "setLimits", "lambdas.access.limits", workspace)
    try:
        with audit.recording(event):
            limits = workspaces.set_limits(workspace, changes)
    except NotFound as error:
        sys.exit(f"{error.detail} Make it with `make token WORKSPACE={workspace}`.")
    print(json.dumps({"workspace": workspace, "limits": limits}))


def _workspace(text: str) -> str:
    if not re.fullmatch(WORKSPACE_PATTERN, text):
        raise argparse.ArgumentTypeError("use 1 to 20 lower-case letters and digits")
    return text


def _amount(text: str) -> Any:
    if text in {"none", "default"}:
        return None if text == "none" else text
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < 10**9:
        raise argparse.ArgumentTypeError("use a number from 0, `none` or `default`")
    return amount


def _count(text: str) -> Any:
    if text == "default":
        return text
    if not text.isdecimal() or int(text) > 1000:
        raise argparse.ArgumentTypeError("use a number from 0 to 1000, or `default`")
    return int(text)


if __name__ == "__main__":
    main()
