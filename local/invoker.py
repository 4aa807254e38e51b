"""Calling a function's processes from the gateway and the event bus."""

import asyncio
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.wire import encode, receive_async


class InvocationError(Exception):
    """The function did not answer with a payload."""


class FunctionError(InvocationError):
    """The handler raised, ran out of time, or its process died."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind, self.message = kind, message


class EventTooLargeError(InvocationError):
    """The event is over the 6 MB that Lambda takes."""


EVENT_LIMIT = 6_291_456


@dataclass(frozen=True)
class Invoker:
    """Knows the socket and the timeout (s) of every function by its logical id."""

    sockets: Mapping[str, Path]
    timeouts: Mapping[str, float]

    async def invoke(self, function: str, event: Any, request_id: str | None = None) -> Any:
        """The handler's answer to the event. Raises InvocationError."""
        message = encode(
            {
                "event": event,
                "request_id": request_id or str(uuid.uuid4()),
                "trace_id": trace_id(),
            }
        )
        if len(message) > EVENT_LIMIT:
            raise EventTooLargeError(f"{len(message)} bytes, of which Lambda takes {EVENT_LIMIT}")
        reader, writer = await self._connect(function)
        try:
            writer.write(message)
            return _payload(await receive_async(reader))
        except (asyncio.IncompleteReadError, ConnectionError) as exc:
            limit = self.timeouts[function]
            raise FunctionError(
                "Sandbox.Timedout", f"the process ended; its time limit is {limit:g} s"
            ) from exc
        finally:
            writer.close()

    async def _connect(self, function: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_unix_connection(str(self.sockets[function]))
        except OSError as exc:  # the functions are gone, or too many calls wait already
            raise FunctionError("ServiceException", f"cannot be called: {exc}") from exc


def _payload(answer: Mapping[str, Any]) -> Any:
    if "error" in answer:
        raise FunctionError(answer["error"]["errorType"], answer["error"]["errorMessage"])
    return answer["payload"]


def trace_id() -> str:
    """An X-Ray trace header's root: version, time in hex, 96 random bits."""
    return f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"
