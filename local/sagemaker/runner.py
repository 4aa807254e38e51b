"""The life of one training job, from its machine to its final status."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from local.sagemaker.container import Container, Image
from local.sagemaker.job import Job
from local.sagemaker.machines import Machines
from local.sagemaker.output import store_output
from local.sagemaker.registry import Registry, RegistryClosed
from local.sagemaker.sync import FolderSync, SyncLoop, syncs_of
from local.sagemaker.transfer import Transfer, TransferError
from local.sagemaker.uris import S3Uri

LOG = logging.getLogger("local.sagemaker")
TICK = 0.05


@dataclass(frozen=True)
class Workshop:
    """What every run needs."""

    registry: Registry
    machines: Machines
    image: Image
    transfer: Callable[[], Transfer]
    sync_seconds: float
    grace_seconds: float


@dataclass(frozen=True)
class End:
    """Why a run is over."""

    status: str
    message: str
    reason: str = ""
    keep_files: bool = False


COMPLETED = End("Completed", "Training job completed")
STOPPED = End("Stopped", "Training job stopped")
RUN_TOO_LONG = End("MaxRuntimeExceeded", "Training job runtime exceeded MaxRuntimeInSeconds")
WAIT_TOO_LONG = End("MaxWaitTimeExceeded", "Training job wait time exceeded MaxWaitTimeInSeconds")
INTERRUPTED = End("Interrupted", "Training job interrupted: the spot instance was reclaimed")


class Runner:
    """Runs one job in a thread."""

    def __init__(self, name: str, workshop: Workshop) -> None:
        self._name, self._workshop = name, workshop
        self._registry = workshop.registry
        self._interrupt = threading.Event()
        self._container: Container | None = None
        self._thread = threading.Thread(target=self._run, name=f"job {name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def interrupt(self) -> None:
        """Take the machine away, as happens to spot instances."""
        self._interrupt.set()

    def stop_program(self, grace: float) -> None:
        """Ask the program to end, whatever becomes of the job: the endpoint goes."""
        if self._container and self._container.running:
            self._container.stop(grace)

    def await_program(self, seconds: float) -> None:
        """Wait for the program's end, at most so long."""
        if self._container and self._container.running:
            self._container.wait(seconds)

    @property
    def _job(self) -> Job:
        return self._registry.get(self._name)

    def _run(self) -> None:
        try:
            end = self._wait_for_machine() or self._rounds()
            self._finish(end)
        except RegistryClosed:
            return
        except Exception as exc:
            LOG.exception("job %s broke", self._name)
            self._finish(End("Failed", "", f"InternalServerError: {exc}"))

    def _wait_for_machine(self) -> End | None:
        machines = self._workshop.machines
        if machines.take(self._name):
            return None
        self._move("Pending", "Waiting for a machine; other training jobs are running")
        while not machines.take(self._name):
            if end := self._waited_enough():
                machines.leave(self._name)
                return end
            time.sleep(TICK)
        return None

    def _waited_enough(self) -> End | None:
        job = self._job
        if job.status == "Stopping":
            return STOPPED
        if job.longest_wait is not None and time.time() - job.created > job.longest_wait:
            return WAIT_TOO_LONG
        return None

    def _rounds(self) -> End:
        try:
            while (end := self._round()) is INTERRUPTED:
                self._interrupt.clear()
                self._move(INTERRUPTED.status, INTERRUPTED.message)
                self._registry.change(
                    self._name, lambda job: replace(job, restarts=job.restarts + 1)
                )
        finally:
            self._workshop.machines.give_back()
        return end

    def _round(self) -> End:
        """Run the program once on a fresh machine."""
        began = time.time()
        self._move("Starting", "Preparing the instances for training")
        container = Container(self._job, self._registry.folder(self._name), self._workshop.image)
        try:
            syncs = self._prepare(container)
        except (TransferError, OSError) as exc:
            return End("Failed", "", f"ClientError: Data download failed: {exc}")
        if end := self._waited_enough():
            return end
        self._move("Training", "Training image download completed. Training in progress.")
        loop = SyncLoop(syncs, self._workshop.sync_seconds)
        loop.start()
        try:
            end = self._supervise(container, began)
        finally:
            loop.end()
            self._add_seconds(time.time() - began)
        return end if end is INTERRUPTED else self._upload(container, loop, end)

    def _prepare(self, container: Container) -> list[FolderSync]:
        container.prepare()
        self._registry.change(
            self._name,
            lambda job: job if job.started else replace(job, started=time.time()),
        )
        self._move("Downloading", "Downloading input data")
        transfer = self._workshop.transfer()
        syncs = syncs_of(self._job, container.base, transfer)
        if self._job.request.get("CheckpointConfig"):
            syncs[0].restore()
        for channel in self._job.request.get("InputDataConfig", []):
            self._download(channel, container, transfer)
        return syncs

    def _download(self, channel: dict[str, Any], container: Container, transfer: Transfer) -> None:
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise TransferError(f"channel {channel['ChannelName']}: only S3 can be read here")
        uri = source["S3Uri"]
        if not transfer.download(S3Uri.parse(uri), container.channel(channel["ChannelName"])):
            raise TransferError(f'No S3 objects found under S3 URL "{uri}"')

    def _supervise(self, container: Container, began: float) -> End:
        self._container = container
        container.start()
        ordered: End | None = None
        while (code := container.wait(TICK)) is None:
            if ordered is None and (ordered := self._order(container, began)):
                LOG.info("job %s: %s", self._name, ordered.status)
        if ordered:
            return ordered
        return COMPLETED if code == 0 else End("Failed", "", _reason(container, code))

    def _order(self, container: Container, began: float) -> End | None:
        """Return why the program has just been told to end, None while it may go on."""
        if self._interrupt.is_set():
            container.kill()
            return INTERRUPTED
        end = self._waited_enough()
        if end is None and self._job.run_seconds + time.time() - began > self._job.longest_run:
            end = RUN_TOO_LONG
        if end:
            container.stop(self._workshop.grace_seconds)
        return end

    def _upload(self, container: Container, loop: SyncLoop, end: End) -> End:
        if end.status in ("Completed", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
            self._move("Uploading", "Uploading generated training model")
        try:
            loop.last_round()
            model = end.status != "Failed"
            store_output(self._job, container.base, self._workshop.transfer(), model=model)
        except TransferError as exc:
            LOG.warning("job %s: %s", self._name, exc)
            reason = end.reason or f"ClientError: Artifact upload failed: {exc}"
            return End("Failed", "", reason, keep_files=True)
        return end

    def _finish(self, end: End) -> None:
        def change(job: Job) -> Job:
            if end.status == "Failed":
                return job.failed(end.reason, time.time())
            return job.at(end.status, end.message, time.time())

        self._registry.change(self._name, change)
        if not end.keep_files:
            shutil.rmtree(self._registry.folder(self._name) / "ml", ignore_errors=True)

    def _move(self, status: str, message: str) -> None:
        self._registry.move(self._name, status, message)

    def _add_seconds(self, seconds: float) -> None:
        self._registry.change(
            self._name, lambda job: replace(job, run_seconds=job.run_seconds + seconds)
        )


def _reason(container: Container, code: int) -> str:
    return f"AlgorithmError: {container.failure()}, exit code: {code}"
