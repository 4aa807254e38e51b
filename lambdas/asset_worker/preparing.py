"""How a dataset is made by the worker: piece by piece under a lease, then handed over to the check.

What lies in the bucket is done, so a run that was cut off, or is longer than a run may be, goes on
with what is missing.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from lambdas.asset_worker import crop_findings, leases, repository
from lambdas.asset_worker.leases import Lease
from lambdas.core import queue
from lambdas.core.observability import logger
from lambdas.core.queue import Kind, Task
from lambdas.datasets import repository as datasets
from lambdas.datasets.report_schema import Finding
from lambdas.datasets.schema import Dataset, DeclaredFile

MOST_ATTEMPTS = 5
THREADS = 8
RENEWED_AT_EACH = 25
RENEWED_EVERY_SECONDS = 10.0

Piece = TypeVar("Piece")


@dataclass(frozen=True)
class Draft:
    """A dataset that is being made, and the right to make it."""

    workspace: str
    dataset: Dataset
    lease: Lease
    kind: Kind


def take(workspace: str, dataset_id: str, kind: Kind) -> Draft | None:
    """Take a dataset on; None where another has, or where it broke off too often and is ended."""
    lease = leases.take(datasets.key_of(workspace, dataset_id), kind)
    if lease is None:
        logger.info("nothing to do", dataset_id=dataset_id)
        return None
    draft = Draft(workspace, datasets.from_item(lease.item), lease, kind)
    if lease.attempts >= MOST_ATTEMPTS:
        logger.error("giving up", dataset_id=dataset_id, attempts=lease.attempts)
        refuse(draft, None, [crop_findings.not_prepared()])
        return None
    return draft


def do_all(
    draft: Draft,
    pieces: Sequence[Piece],
    do: Callable[[Piece], Finding | None],
    deadline: float,
) -> list[Finding] | None:
    """Do each piece; return what was found, None when the time was over: a message goes on then.

    Raises Lost.
    """
    found: list[Finding] = []
    since, done = time.monotonic(), 0
    with ThreadPoolExecutor(THREADS) as threads:
        try:
            for done, finding in enumerate(threads.map(do, pieces), 1):
                found += [finding] if finding else []
                now = time.monotonic()
                late = now > deadline and done < len(pieces)
                if late or done % RENEWED_AT_EACH == 0 or now - since > RENEWED_EVERY_SECONDS:
                    leases.renew(draft.lease)
                    since = now
                if late:
                    _go_on_later(draft)
                    return None
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
    return found


def _go_on_later(draft: Draft) -> None:
    leases.give_back(draft.lease)
    queue.send(Task(kind=draft.kind, workspace=draft.workspace, id=draft.dataset.id))


def hand_over(draft: Draft, files: Sequence[DeclaredFile] | None) -> None:
    """Have it checked like any other, with its files (None: those declared). Raises Lost."""
    repository.hand_over(draft.workspace, draft.dataset, draft.lease, files)
    queue.send(Task(kind="validate_dataset", workspace=draft.workspace, id=draft.dataset.id))


def refuse(draft: Draft, files: Sequence[DeclaredFile] | None, found: Sequence[Finding]) -> None:
    """End it `invalid`, with the files that it has (None: those declared). Raises Lost."""
    repository.refuse(draft.workspace, draft.dataset, draft.lease, files, found)
