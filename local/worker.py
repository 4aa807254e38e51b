"""One process of a Lambda function: takes a request, calls the handler, answers, takes the next."""

import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from local.wire import encode, receive

Handler = Callable[[Any, Any], Any]

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
ANSWER_LIMIT = 6_291_556


@dataclass(frozen=True)
class LambdaContext:
    """What Lambda passes to a handler as its second argument."""

    function_name: str
    memory_limit_in_mb: int
    invoked_function_arn: str
    aws_request_id: str
    deadline: float
    function_version: str = "$LATEST"
    log_group_name: str = ""
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None
    tenant_id: None = None
    started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's timeout."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


@dataclass(frozen=True)
class Worker:
    """A handler with what a process needs to serve it; timeout in seconds."""

    handler: Handler
    name: str
    arn: str
    memory: int
    timeout: float

    def run(self, listener: socket.socket, lifeline: int) -> None:
        """Serve one request after the other until the lifeline's other end is closed."""
        listener.setblocking(False)
        while True:
            ready, _, _ = select.select([listener.fileno(), lifeline], [], [])
            if lifeline in ready:
                return
            with suppress(BlockingIOError):  # another process of this function was faster
                connection, _ = listener.accept()
                with connection:
                    connection.setblocking(True)
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(EOFError, ConnectionError):  # the caller has gone, as after its own timeout
            request = receive(connection)
            # The default action of SIGALRM ends the process, whatever the handler is doing.
            signal.setitimer(signal.ITIMER_REAL, self.timeout)
            answer = self._answer(request)
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.sendall(answer)

    def _answer(self, request: dict[str, Any]) -> bytes:
        os.environ["_X_AMZN_TRACE_ID"] = request["trace_id"]
        context = LambdaContext(
            function_name=self.name,
            memory_limit_in_mb=self.memory,
            invoked_function_arn=self.arn,
            aws_request_id=request["request_id"],
            deadline=time.monotonic() + self.timeout,
            log_group_name=f"/aws/lambda/{self.name}",
        )
        try:
            payload = self.handler(request["event"], context)
            return _answer_of(payload)
        except Exception as exc:  # noqa: BLE001 - Lambda turns every exception into a function error
            _log_error(request["request_id"], exc)
            return _error(type(exc).__name__, str(exc))


def _answer_of(payload: Any) -> bytes:
    size = len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode())
    if size > ANSWER_LIMIT:
        message = (
            f"Response payload size exceeded maximum allowed payload size ({ANSWER_LIMIT} bytes)."
        )
        print(f"[ERROR] {message}", file=sys.stderr)
        return _error("Function.ResponseSizeTooLarge", message)
    return encode({"payload": payload})


def _error(kind: str, message: str) -> bytes:
    return encode({"error": {"errorType": kind, "errorMessage": message}})


def _log_error(request_id: str, exc: Exception) -> None:
    print(f"[ERROR] RequestId: {request_id}", file=sys.stderr)
    traceback.print_exception(exc)
    sys.stderr.flush()
