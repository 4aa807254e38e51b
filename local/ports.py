"""Ports on the loopback interface."""

import errno
import socket
from collections.abc import Mapping, Sequence

HOST = "127.0.0.1"


class PortError(Exception):
    """The wanted port cannot be had; the text is one sentence for the user."""


def listen(port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises PortError."""
    # asyncio turns Nagle's algorithm off only when it is told that this is TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(1024)
    except (OSError, OverflowError) as exc:
        listener.close()
        raise PortError(_sentence(port, exc)) from exc
    return listener


def _sentence(port: int, exc: OSError | OverflowError) -> str:
    if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
        return f"Port {port} is in use: stop what listens there, or take another with --port."
    if isinstance(exc, PermissionError):
        return f"Port {port} needs more rights than you have: take one above 1023 with --port."
    return f"Port {port} cannot be used ({exc}): take another with --port."


def url_of(listener: socket.socket) -> str:
    """The http URL of a listening socket."""
    return f"http://{HOST}:{listener.getsockname()[1]}"


def free_urls(names: Sequence[str], earlier: Mapping[str, str]) -> dict[str, str]:
    """A URL on a free port per name; the earlier one if it is free, so that links stay good."""
    held = {name: _listen_again(earlier.get(name, "")) for name in names}
    urls = {name: url_of(listener) for name, listener in held.items()}
    for listener in held.values():
        listener.close()
    return urls


def _listen_again(url: str) -> socket.socket:
    port = url.rpartition(":")[2]
    try:
        return listen(int(port) if port.isdigit() else 0)
    except PortError:
        return listen(0)
