"""The state folder: what survives a restart, and the lock that lets one stack use it at a time."""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STRAGGLER_SECONDS = 20.0


class StateError(Exception):
    """The state folder cannot be used; the text is one sentence for the user."""


@dataclass(frozen=True)
class State:
    """A state folder, with the descriptor of its lock, which every child process inherits.

    The lock is free again when the last process of the stack has ended, so a new stack never
    opens what a killed one's processes still write.
    """

    root: Path
    lock: int

    @classmethod
    def open(cls, root: Path) -> "State":
        """Make the folder if need be and lock it. Raises StateError when another stack has it."""
        try:
            root.mkdir(parents=True, exist_ok=True)
            root.chmod(0o700)
            (root / "logs").mkdir(exist_ok=True)
            lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise StateError(f"The state folder {root} cannot be used: {exc.strerror}.") from exc
        _take(lock, root)
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        return cls(root.resolve(), lock)

    @property
    def secret(self) -> str:
        """The secret, in hex, that all secret access keys of this state derive from."""
        path = self.root / "secret"
        if not path.is_file():
            self.write("secret", secrets.token_hex(32))
        return path.read_text()

    def write(self, name: str, content: str) -> Path:
        """Replace a file of the folder at once; only its owner may read it."""
        path = self.root / name
        fresh = path.with_name(f"{name}.new")
        fresh.touch(mode=0o600)
        fresh.write_text(content)
        fresh.replace(path)
        return path

    def write_json(self, name: str, content: Mapping[str, Any]) -> Path:
        """Replace a JSON file of the folder."""
        return self.write(name, json.dumps(content, indent=2))

    def remove(self, name: str) -> None:
        """Remove a file of the folder if it is there."""
        (self.root / name).unlink(missing_ok=True)

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON file of the folder; empty when it is missing or no JSON."""
        try:
            content = json.loads((self.root / name).read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def fresh_log(self, name: str) -> Path:
        """The path of a log that starts empty; the previous run's is kept beside it as `.1`."""
        path = self.root / "logs" / f"{name}.log"
        if path.exists():
            path.replace(path.with_name(f"{name}.log.1"))
        path.touch(mode=0o600)
        return path


def _take(lock: int, root: Path) -> None:
    deadline = time.monotonic() + STRAGGLER_SECONDS
    while not _try_lock(lock):
        holder = os.pread(lock, 20, 0).decode() or "0"
        if _alive(int(holder)) or time.monotonic() > deadline:
            raise StateError(
                f"Another local stack (process {holder}) uses {root}: "
                "stop it, or give this one a state folder of its own with --state."
            )
        time.sleep(0.1)  # the supervisor was killed, and its processes are about to notice


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(process: int) -> bool:
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
