"""The Unix sockets on which functions take their calls."""

import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from local.state import State
from local.template import Template

FunctionSockets = Mapping[str, tuple[Path, socket.socket]]

BACKLOG = 1024
LONGEST_FOLDER = 90  # a whole path may have 104 bytes on macOS, 108 on Linux


def listen_for_functions(template: Template, state: State) -> FunctionSockets:
    """A listening socket per function; calls queue there until its processes are up."""
    folder = state.root / "run"
    if len(bytes(folder)) > LONGEST_FOLDER:
        folder = Path(tempfile.mkdtemp(prefix="lorastack-"))
    folder.mkdir(mode=0o700, exist_ok=True)
    return {
        logical_id: _listen(folder / str(number))
        for number, logical_id in enumerate(template.functions)
    }


def _listen(path: Path) -> tuple[Path, socket.socket]:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(BACKLOG)
    return path, listener
