"""The Lambda functions as processes: `python -m local.functions CONFIG`.

One process imports what all handlers share, and forks a host per function. A host takes on the
function's environment, imports its handler once, and forks the workers, which all accept on one
socket that the supervisor made: as in Lambda, each request has a process to itself, and what
would race there races here.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local.lifeline import die_with_parent
from local.worker import Handler, Worker

# Imported before the fork: half a second and tens of megabytes that the hosts then share.
# Pydantic's own modules are named because its package imports them only when they are used.
PRELOADED = (
    "aws_lambda_powertools.event_handler.middlewares.openapi_validation",
    "botocore.client",
    "botocore.session",
    "pydantic.json_schema",
    "pydantic.main",
    "pydantic.type_adapter",
    "pydantic.types",
)
# Whose descriptions, megabytes of JSON, are read before the fork too.
DESCRIBED = ("dynamodb", "s3", "sagemaker", "sqs")
IMPORTED = b"\n"
STACK_ENDED = 86  # the exit status of a worker whose stdin ended


@dataclass(frozen=True)
class Hosted:
    """A function to be hosted: `socket` is the number of the inherited listening socket."""

    name: str
    arn: str
    handler: str
    environment: Mapping[str, str]
    timeout: float
    memory: int
    socket: int
    processes: int
    log: str

    def to_json(self) -> dict[str, Any]:
        """As it goes into the config file."""
        return asdict(self)


def load_handler(path: str) -> Handler:
    """The function behind `package.module.name`. Raises what its import raises."""
    module, _, name = path.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), name)
    return handler


class Host:
    """Keeps the worker processes of one function alive."""

    def __init__(self, hosted: Hosted, worker: Worker) -> None:
        self._hosted = hosted
        self._worker = worker
        self._listener = socket.socket(fileno=hosted.socket)
        self._started: dict[int, float] = {}

    def run(self) -> None:
        """Fork the workers, and a new one for each that ends; returns never."""
        gc.collect()
        gc.freeze()  # so that no collection writes to pages that the workers share
        for _ in range(self._hosted.processes):
            self._fork()
        while True:
            process, status = os.wait()
            if os.waitstatus_to_exitcode(status) == STACK_ENDED:
                os._exit(0)
            self._report(process, status)
            self._fork()

    def _fork(self) -> None:
        host = os.getpid()
        process = os.fork()
        if process == 0:
            die_with_parent(host)
            self._become_worker()
        self._started[process] = time.monotonic()

    def _become_worker(self) -> None:
        status = 1
        try:
            self._worker.run(self._listener, sys.stdin.fileno())
            status = STACK_ENDED
        except BaseException:  # noqa: BLE001 - also sys.exit() in a handler
            traceback.print_exc()
        finally:  # never back into the host's code
            sys.stderr.flush()
            os._exit(status)

    def _report(self, process: int, status: int) -> None:
        """Log why a worker ended; one that ends at once must not be forked in a busy loop."""
        if time.monotonic() - self._started.pop(process) < 0.1:
            time.sleep(0.1)
        said = _ending(os.waitstatus_to_exitcode(status), self._hosted.timeout)
        print(f"[ERROR] {said}", file=sys.stderr, flush=True)


def _ending(code: int, timeout: float) -> str:
    """What Lambda says of a process that ended with this code (negative: by a signal)."""
    if code == -signal.SIGALRM:
        return f"Task timed out after {timeout:.2f} seconds"
    if code < 0:
        return f"Runtime exited with signal {-code}"
    return f"Runtime exited with status {code}"


def start_host(hosted: Hosted, report: int) -> None:
    """Become the host of one function; its import error, or success, goes to the pipe."""
    os.environ.clear()
    os.environ.update(hosted.environment)
    time.tzset()
    _redirect_output(Path(hosted.log))
    try:
        handler = load_handler(hosted.handler)
    except BaseException:  # noqa: BLE001 - a handler may fail in any way, and all are to be shown
        os.write(report, traceback.format_exc().encode())
        os._exit(1)
    os.write(report, IMPORTED)
    os.close(report)
    Host(hosted, Worker(handler, hosted.name, hosted.arn, hosted.memory, hosted.timeout)).run()


def _redirect_output(log: Path) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _fork_host(hosted: Hosted) -> tuple[int, int]:
    """Start the host; gives its process id and the pipe on which it tells how its import went."""
    reader, writer = os.pipe()
    zygote = os.getpid()
    process = os.fork()
    if process == 0:
        die_with_parent(zygote)
        os.close(reader)
        start_host(hosted, writer)
    os.close(writer)
    return process, reader


def _import_failure(reader: int) -> str | None:
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    return None if said == IMPORTED else said.decode() or "the process ended while importing"


def _preload() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    _share_descriptions()


def _share_descriptions() -> None:
    """Let every process use one loader that has read what a first client of a service needs.

    Each would read it for itself otherwise, a tenth of a second at its first call to AWS. No
    setting comes from here: a loader knows nothing but the files that botocore brings.
    """
    import botocore.loaders
    import botocore.session

    loader = botocore.loaders.create_loader()
    botocore.session.create_loader = lambda search_path_string=None: loader  # noqa: ARG005
    for name in ("_retry", "endpoints", "partitions", "sdk-default-configuration"):
        loader.load_data(name)
    for service in DESCRIBED:
        for kind in ("endpoint-rule-set-1", "service-2"):
            loader.load_service_model(service, kind)


def _watch(hosts: Mapping[int, Hosted]) -> int:
    """Wait for the end of stdin (0) or of a host, which must not happen (1)."""
    while True:
        ended, _, _ = select.select([sys.stdin], [], [], 0.5)
        if ended:
            return 0
        process, status = os.waitpid(-1, os.WNOHANG)
        if process:
            print(f"{hosts[process].handler}: its host ended ({status})", file=sys.stderr)
            return 1


def _start_all(functions: Iterable[Hosted]) -> tuple[dict[int, Hosted], list[str]]:
    """Fork every host; gives the running ones by process id, and what failed to import."""
    forked = [(hosted, *_fork_host(hosted)) for hosted in functions]
    failures = [(hosted, _import_failure(reader)) for hosted, _, reader in forked]
    return (
        {process: hosted for hosted, process, _ in forked},
        [f"{hosted.handler} cannot be imported:\n{said}" for hosted, said in failures if said],
    )


def main() -> int:
    """Host the functions of the config file until stdin ends."""
    config = json.loads(Path(sys.argv[1]).read_text())
    sys.path[:0] = config["path"]
    _preload()
    hosts, failures = _start_all(Hosted(**function) for function in config["functions"])
    if failures:
        print("\n".join(failures), file=sys.stderr)
        return 1
    print("ready", flush=True)
    status = _watch(hosts)
    for process in hosts:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    return status


if __name__ == "__main__":
    sys.exit(main())
