"""All jobs, on disk and in memory; every change of status is told to the event bus."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.outbox import Envelope, Outbox
from local.sagemaker.describe import event_detail
from local.sagemaker.errors import ApiError, validation
from local.sagemaker.job import Job, Transition, new_job

Change = Callable[[Job], Job]


class RegistryClosed(Exception):
    """The endpoint is ending; what a job becomes is for its next start to say."""


class Registry:
    """Jobs by name; one JSON file each, replaced by rename."""

    def __init__(self, root: Path, outbox: Outbox, envelope: Envelope) -> None:
        self._root, self._outbox, self._envelope = root, outbox, envelope
        self._lock = threading.RLock()
        self._closed = False
        self._jobs = {job.name: job for job in _load(root)}
        for job in self.all():
            if not job.announced:
                self._announce(job)

    def folder(self, name: str) -> Path:
        """Return where a job's files lie."""
        return self._root / name

    def arn(self, name: str) -> str:
        """Return a job's ARN."""
        region, account = self._envelope.region, self._envelope.account
        return f"arn:aws:sagemaker:{region}:{account}:training-job/{name}"

    def all(self) -> list[Job]:
        """Return every job."""
        with self._lock:
            return list(self._jobs.values())

    def get(self, name: str) -> Job:
        """Return a job. Raises ApiError."""
        with self._lock:
            if name not in self._jobs:
                raise validation("Requested resource not found.")
            return self._jobs[name]

    def by_arn(self, arn: str) -> Job:
        """Return the job of an ARN. Raises ApiError."""
        found = next((job for job in self.all() if job.arn == arn), None)
        if found is None:
            raise validation("Requested resource not found.")
        return found

    def create(self, request: dict[str, Any]) -> Job:
        """Keep a new job. Raises ApiError ResourceInUse for a name that was ever used."""
        name = request["TrainingJobName"]
        with self._lock:
            if name in self._jobs:
                raise ApiError(
                    "ResourceInUse",
                    "Training job names must be unique within an AWS account and region, and a "
                    f"training job with this name already exists ({self.arn(name)})",
                )
            return self._keep(new_job(name, self.arn(name), request, time.time()))

    def change(self, name: str, change: Change) -> Job:
        """Change a job and, when its status moved, tell of it."""
        with self._lock:
            before = self.get(name)
            after = change(before)
            return after if after is before else self._keep(after)

    def move(self, name: str, status: str, message: str) -> Job:
        """Bring a job into another secondary status; a final one stays as it is."""
        return self.change(
            name, lambda job: job if job.final else job.at(status, message, time.time())
        )

    def close(self) -> None:
        """Let nothing change any more: `change` and `create` raise RegistryClosed."""
        with self._lock:
            self._closed = True

    def _keep(self, job: Job) -> Job:
        if self._closed:
            raise RegistryClosed
        self._jobs[job.name] = job
        self._save(job)
        return job if job.announced else self._announce(job)

    def _announce(self, job: Job) -> Job:
        moment = datetime.fromtimestamp(job.modified, UTC)
        event = self._envelope.around(
            "SageMaker Training Job State Change", [job.arn], event_detail(job), moment
        )
        self._outbox.put(event)
        told = self._jobs[job.name] = replace(job, announced=True)
        self._save(told)
        return told

    def _save(self, job: Job) -> None:
        path = self.folder(job.name) / "job.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(job), ensure_ascii=False, indent=1), "utf-8")
        part.replace(path)


def _load(root: Path) -> list[Job]:
    return [_read(path) for path in sorted(root.glob("*/job.json"))]


def _read(path: Path) -> Job:
    content = json.loads(path.read_text("utf-8"))
    transitions = tuple(Transition(**one) for one in content.pop("transitions"))
    return Job(transitions=transitions, **content)
