"""Make a workspace and a token for it, with AWS credentials rather than a token.

    TABLE_NAME=… python -m lambdas.access.bootstrap --workspace acme

prints one line of JSON: workspace, token, role, expires_at.
"""

import argparse
import json
import re

from lambdas.access import service, workspaces
from lambdas.access.schema import WORKSPACE_PATTERN, NewToken
from lambdas.core import audit, settings
from lambdas.core.idempotency import Attempt


def main() -> None:
    """Make what the command line asks for and print it."""
    parser = argparse.ArgumentParser(prog="lambdas.access.bootstrap", description=__doc__)
    parser.add_argument("--workspace", required=True, type=_workspace)
    parser.add_argument("--role", default="admin", choices=["viewer", "trainer", "admin"])
    parser.add_argument("--name", default="first token")
    parser.add_argument("--days", type=int, default=365, help="until it expires")
    arguments = parser.parse_args()
    settings.of_operator()
    workspaces.make(arguments.workspace)
    request = NewToken(name=arguments.name, role=arguments.role, expires_in_days=arguments.days)
    attempt = Attempt.of(arguments.workspace, None, "bootstrap", request)
    event = audit.of_operator(arguments.workspace, "createToken", "lambdas.access.bootstrap")
    with audit.recording(event):
        made = service.create(arguments.workspace, request, attempt)
    told = made.model_dump(mode="json") | {"workspace": arguments.workspace}
    print(json.dumps(told))


def _workspace(text: str) -> str:
    if not re.fullmatch(WORKSPACE_PATTERN, text):
        raise argparse.ArgumentTypeError("use 1 to 20 lower-case letters and digits")
    return text


if __name__ == "__main__":
    main()
