"""One training from job.json to the verdict: prepare, follow the engine, tell how it ended."""

import contextlib
import errno
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kohya_trainer import VERSION, command
from kohya_trainer.agreement import check_agreement, setting_of
from kohya_trainer.captioning import caption
from kohya_trainer.child import Child
from kohya_trainer.failure import TrainingFailed, told_at_length, write_failure
from kohya_trainer.inputs import Inputs, check_inputs
from kohya_trainer.job import Job, StateInit, read_job
from kohya_trainer.log import keep_in, say, write_out
from kohya_trainer.logbook import LogBook
from kohya_trainer.paths import Paths
from kohya_trainer.report import write_report
from kohya_trainer.resume import Earlier, begin_from, take_up
from kohya_trainer.settings import Settings
from kohya_trainer.verdict import judge, stopped
from kohya_trainer.versions import versions
from kohya_trainer.watch import Watch

EXIT_FAILED, EXIT_STOPPED = 1, 143
EXIT_DISK_FULL = errno.ENOSPC
"""28: SageMaker tells it, where there was no room left to say why."""
_EXITS = {"stopped": EXIT_STOPPED, "disk_full": EXIT_DISK_FULL}

Prepare = Callable[[Job, Inputs, Paths, Settings], command.Launch]


def run(
    settings: Settings,
    *,
    stop_requested: Callable[[], bool] = lambda: False,
    prepare: Prepare = command.prepare,
) -> int:
    """Run the training; returns the exit status. Every end leaves progress.json and report.json.

    stop_requested is asked several times a second; prepare writes the engine's files and says how
    to start it.
    """
    training = _Training(settings)
    try:
        training.run(stop_requested, prepare)
    except TrainingFailed as failure:
        return training.failed(failure)
    except OSError as exc:
        return training.failed(_from_os_error(exc))
    return training.succeeded()


class _Training:
    """The parts, and what is noted for report.json."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._paths = Paths(settings.base)
        self._started = time.monotonic()
        self._watch = Watch(settings, self._paths)
        self._child: Child | None = None
        self._facts: dict[str, Any] = {"container_version": VERSION}

    def run(self, stop_requested: Callable[[], bool], prepare: Prepare) -> None:
        """All of it; raises TrainingFailed or OSError unless the last LoRA came out."""
        watch = self._watch
        watch.engine = command.engine(self._settings)
        can_resume = command.can_resume(self._settings)
        self._paths.make_folders()
        keep_in(LogBook(self._paths))
        earlier = take_up(self._paths, can_resume=can_resume)
        watch.begin_after(earlier)
        watch.tell("preparing")
        job = read_job(self._paths.job)
        watch.early_stop = job.early_stop
        if isinstance(job.init, StateInit):
            earlier = begin_from(job.init, earlier, self._paths, can_resume=can_resume)
            watch.begin_after(earlier)
        watch.expect(job.output_name)
        inputs = replace(check_inputs(job, self._paths), state=earlier.state)
        if job.captioning:
            inputs = caption(
                job.captioning, inputs, self._paths, self._settings, watch, stop_requested
            )
        launch = prepare(job, inputs, self._paths, self._settings)
        self._facts |= _facts(job, inputs, launch)
        self._facts["resumed_after"] = {"step": earlier.step, "epoch": earlier.epoch}
        self._note_setting(job, earlier, launch)
        _announce(job, inputs, launch)
        if stop_requested():
            raise stopped([])
        if watch.was_enough():
            return
        child = self._child = Child(launch.argv, launch.env, launch.cwd)
        try:
            watch.follow(child, stop_requested)
        finally:
            child.end()
        judge(watch, child, f"{job.output_name}.safetensors", launch.config)

    def _note_setting(self, job: Job, earlier: Earlier, launch: command.Launch) -> None:
        """What the states of this training say of it; another's must say the same."""
        setting = setting_of(job, launch.config, launch.processes)
        if earlier.state and earlier.is_anothers:
            check_agreement(earlier.state, setting)
        self._watch.states.setting = setting
        self._watch.states.ends_with_epoch = "max_train_epochs" in launch.config

    def succeeded(self) -> int:
        self._watch.tell("finished")
        self._report({"status": "succeeded"})
        say(f"finished: {len(self._watch.shelf.loras)} LoRAs in {self._seconds()} s")
        write_out()
        return 0

    def failed(self, failure: TrainingFailed) -> int:
        """Leave the failure for SageMaker and for people; finished LoRAs stay where they are."""
        say(f"failed: {failure}")
        if failure.code == "disk_full":  # room for what follows
            shutil.rmtree(self._paths.engine_output, ignore_errors=True)
        reason = {"code": failure.code, "message": failure.message, "advice": failure.advice}
        log = self._child.tail if self._child else []
        # The disk may be full: what can't be told one way may yet be told another.
        with contextlib.suppress(OSError):
            write_failure(self._paths.failure, failure)
        with contextlib.suppress(OSError):
            self._paths.write(self._paths.failure_at_length, told_at_length(failure, log))
        with contextlib.suppress(OSError):
            self._watch.tell("stopped" if failure.code == "stopped" else "failed")
        with contextlib.suppress(OSError):
            self._report({"status": "failed", "failure": reason})
        with contextlib.suppress(OSError):
            write_out()
        return _EXITS.get(failure.code, EXIT_FAILED)

    def _report(self, outcome: Mapping[str, Any]) -> None:
        outcome = {
            **outcome,
            "steps": self._watch.position.step,
            "wall_seconds": self._seconds(),
            "loras": [lora.as_dict() for lora in self._watch.shelf.loras],
            "gpus": self._watch.gpus.for_progress(),
            "versions": versions(self._settings),
        }
        write_report(self._paths, {**outcome, **self._facts})

    def _seconds(self) -> float:
        return round(time.monotonic() - self._started, 2)


def _facts(job: Job, inputs: Inputs, launch: command.Launch) -> dict[str, Any]:
    return {
        "training_id": job.training_id,
        "fm_type": job.family,
        "engine": launch.engine,
        "rehearsal": launch.engine == "rehearsal",
        "command": launch.argv,
        "config": dict(launch.config),
        "adjusted": dict(launch.adjusted),
        "datasets": [
            {
                "dataset_id": folder.dataset.dataset_id,
                "folder": folder.dataset.folder,
                "images": folder.images,
                "captions": folder.captions,
                "repeats": folder.dataset.repeats,
                "regularisation": folder.dataset.regularisation,
            }
            for folder in inputs.folders
        ],
    }


def _announce(job: Job, inputs: Inputs, launch: command.Launch) -> None:
    for folder in inputs.folders:
        kind = ", regularisation" if folder.dataset.regularisation else ""
        say(f"{folder.images} images, {folder.captions} captions, x{folder.dataset.repeats}{kind}")
    for name, change in launch.adjusted.items():
        say(f"option {name}: {change}")
    if launch.engine == "rehearsal":
        say("KOHYA_HOME is not set: this is a REHEARSAL, its LoRA only tries the service out")
    say(f"starting {job.training_id}: {' '.join(launch.argv)}")


def _from_os_error(exc: OSError) -> TrainingFailed:
    if exc.errno == errno.ENOSPC:
        advice = "Deploy with a larger volume, or save less often."
        return TrainingFailed("disk_full", "The disk is full.", advice)
    return TrainingFailed("training_failed", str(exc), "The log of the training says more.")
