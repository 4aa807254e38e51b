"""moto's EventBridge, Secrets Manager, SNS and SQS, kept on disk as pictures of its objects.

Each is small, so after a call that may have changed it, it is written whole, before the call is
answered. A picture that another version of moto took is set aside: topics and queues of the
template are made anew then, and what was in them is lost.
"""

import copyreg
import logging
import pickle
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import moto
from moto.backends import get_backend

from local.intrinsics import ACCOUNT, REGION
from local.queues import Queue

LOG = logging.getLogger("local.backends")

Service = Literal["events", "secretsmanager", "sns", "sqs"]
KEPT: tuple[Service, ...] = ("events", "secretsmanager", "sns", "sqs")
NO_MESSAGE = (b"{}", b"")  # a queue is asked several times a second
READING = ("Get", "List", "Describe", "Test")


class _Pickler(pickle.Pickler):
    """Writes moto's objects; the locks in them are made anew when they are read."""

    dispatch_table = copyreg.dispatch_table.copy()
    dispatch_table[type(threading.RLock())] = lambda _: (threading.RLock, ())
    dispatch_table[type(threading.Lock())] = lambda _: (threading.Lock, ())


@dataclass
class Backends:
    """The state of those services; a service is opened, and its part of moto imported, when used.

    Calls must come one at a time, as for `local.dynamo.Tables`.
    """

    root: Path
    topics: Iterable[str] = ()
    queues: Iterable[Queue] = ()
    _opened: dict[Service, Any] = field(default_factory=dict)

    def open(self, service: str) -> None:
        """Have a service ready: as it was, with the topics and queues of the template."""
        for name in KEPT:
            if name == service and name not in self._opened:
                backend = get_backend(name)[ACCOUNT][REGION]
                self._restore(name, backend)
                self._opened[name] = backend
                self._make(name, backend)

    def save(self, service: str, operation: str, answer: bytes) -> None:
        """Write a service's state unless the operation only reads, or found no message."""
        if operation == "ReceiveMessage" and answer.strip() in NO_MESSAGE:
            return
        for name in KEPT:
            if name == service and not operation.startswith(READING):
                self._write(name, vars(self._opened[name]))

    def _make(self, service: Service, backend: Any) -> None:
        if service == "sqs":
            for queue in self.queues:
                if queue.name not in backend.queues:
                    backend.create_queue(queue.name, None)
                # Also of one that was there: the template may have changed since.
                backend.set_queue_attributes(queue.name, queue.attributes)
        if service == "sns":
            for name in self.topics:
                backend.create_topic(name)

    def _write(self, service: Service, state: Mapping[str, Any]) -> None:
        picture = BytesIO()
        _Pickler(picture).dump((moto.__version__, dict(state)))
        fresh = self._path(service).with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(picture.getvalue())
        fresh.replace(self._path(service))

    def _restore(self, service: Service, backend: Any) -> None:
        path = self._path(service)
        if not path.exists():
            return
        try:
            version, state = pickle.loads(path.read_bytes())  # noqa: S301 - our own file
        except (pickle.UnpicklingError, AttributeError, ImportError, EOFError) as exc:
            version, state = f"unreadable ({exc})", {}
        if version == moto.__version__:
            vars(backend).update(state)
            return
        path.replace(path.with_suffix(".old"))
        LOG.warning("%s is of moto %s and was set aside", path, version)

    def _path(self, service: Service) -> Path:
        return self.root / f"moto-{service}.pickle"
