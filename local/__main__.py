"""`python -m local`: serve the synthesized stack on this machine."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from local.plan import Options
from local.ports import PortError
from local.state import StateError
from local.supervisor import Supervisor
from local.template import TemplateError

ROOT = Path(__file__).resolve().parent.parent


def parse(arguments: list[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="of the API; 0 takes a free one")
    parser.add_argument("--state", type=Path, default=Path(".lorastack"), help="folder to keep")
    parser.add_argument("--processes", type=int, default=4, help="per function")
    parser.add_argument("--workspace", default="local", help="the first token's")
    parser.add_argument("--cdk-out", type=Path, default=ROOT / "cdk.out", help="synthesized app")
    parser.add_argument("--code", type=Path, default=ROOT, help="folder that holds lambdas/")
    found = parser.parse_args(arguments)
    return Options(
        **{**vars(found), "cdk_out": found.cdk_out.resolve(), "code": found.code.resolve()}
    )


def say(text: str) -> None:
    """Show a line in the terminal, at once even when it goes to a pipe."""
    print(text, flush=True)


def main() -> int:
    """Run until Ctrl-C; 0 then, 1 after a failure that was told."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the supervisor takes over: end quietly
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    options = parse(sys.argv[1:])
    try:
        supervisor = Supervisor.prepare(options, say)
    except (PortError, StateError, TemplateError) as exc:
        print(exc, file=sys.stderr)
        return 1
    say(f"Starting {options.cdk_out.name} with its state in {options.state}")
    return asyncio.run(supervisor.run())


if __name__ == "__main__":
    sys.exit(main())
