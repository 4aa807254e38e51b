"""Follow a running engine: loss curve, finished LoRAs, progress.json."""

import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from kohya_trainer.child import Child
from kohya_trainer.command import Engine
from kohya_trainer.early_stop import Stop, kept_epochs, stop_by
from kohya_trainer.gpus import GpuMeter
from kohya_trainer.job import EarlyStop
from kohya_trainer.log import say, write_out
from kohya_trainer.loras import Lora, LoraShelf
from kohya_trainer.metrics import Curve
from kohya_trainer.paths import Paths
from kohya_trainer.progress import Position
from kohya_trainer.report import Phase, Progress, ProgressFile
from kohya_trainer.resume import Earlier
from kohya_trainer.samples import SampleShelf
from kohya_trainer.segments import Segments
from kohya_trainer.settings import Settings
from kohya_trainer.states import StateShelf
from kohya_trainer.tfevents import EventFolder

TICK = 0.2
COLLECT_SECONDS = 1.0
NAN_GRACE = 10.0
LONGEST_SEGMENT = 120.0
"""Seconds. Segments grow with the run: hours make hundreds of objects in S3, not thousands. What is
newer stands in a tail, rewritten with each report, so that a reader does not wait for a segment."""


class Watch:
    """What was seen of the training so far."""

    def __init__(self, settings: Settings, paths: Paths) -> None:
        self._settings = settings
        self._paths = paths
        self._progress = ProgressFile(paths)
        self._events = EventFolder(paths.tensorboard)
        self._segments = Segments(paths)
        self.gpus = GpuMeter()
        self.curve = Curve()
        self.shelf = LoraShelf(paths)
        self.engine: Engine | None = None
        self.position = Position()
        self.captioned: tuple[int, int] | None = None
        self.output_name = ""
        self.stopped = False
        self._samples: SampleShelf | None = None
        self.states = StateShelf(paths)
        self.early_stop: EarlyStop | None = None
        self.stopped_early: Stop | None = None
        self._end: Stop | None = None
        self._earlier = Earlier()

    def begin_after(self, earlier: Earlier) -> None:
        """Say what earlier attempts left, from which the engine will go on."""
        self._earlier = earlier
        self.states.began = earlier.began
        self.curve = Curve(after_step=earlier.step, after_epoch=earlier.epoch)
        self.position = Position(step=earlier.step, epoch=earlier.epoch)

    def expect(self, output_name: str) -> None:
        """Say how the engine will name what it makes."""
        self.output_name = output_name
        self._samples = SampleShelf(self._paths, output_name, self._earlier)

    def was_enough(self) -> bool:
        """Whether earlier attempts had come to the early stop already."""
        if self.early_stop:
            self.curve.epochs = kept_epochs(self._paths)
            self.stopped_early = stop_by(self.curve.epochs, self.early_stop)
        self._keep_best()
        return self.stopped_early is not None

    def follow(self, child: Child, stop_requested: Callable[[], bool]) -> None:
        """Watch until the engine has ended: by itself, because it was told to, or by NaN."""
        report = self._settings.report_seconds
        collect = _every(min(COLLECT_SECONDS, report))
        tell, segment = _every(report), _every_growing(report)
        self.gpus.start()
        while not child.wait(min(TICK, report)):
            if stop_requested():
                self._stop(child)
                break
            if next(collect):
                self._collect()
            if next(tell):
                self._observe(child)
                self.tell("training" if child.position.step else "preparing")
                self._keep_rows()
                self._segments.show()
            if next(segment):
                self._keep_rows()
                self._segments.close()
            if self.curve.nan_at is not None:
                say(f"the loss is no number at step {self.curve.nan_at}: ending the engine")
                child.stop(NAN_GRACE)
                break
            if self._has_its_end():
                child.stop(self._settings.grace_seconds)
                break
        child.end()  # what is left of its group
        self.gpus.end()
        self._take_the_rest(child)

    def tell(self, phase: Phase) -> None:
        """Write progress.json."""
        position = self.position
        if phase == "training" and position.step == position.total_steps:
            phase = "saving"
        self._progress.write(
            Progress(
                phase=phase,
                engine=self.engine,
                position=position,
                loss=self.curve.loss,
                average_loss=self.curve.average_loss,
                captioned=self.captioned,
                loras=self._all_loras(),
                gpus=self.gpus.for_progress(),
                stopped_early=self.stopped_early,
            )
        )
        write_out()

    def _take_scalars(self) -> None:
        self.curve.add(self._events.new_scalars())
        if self.early_stop and self._end is None:
            self._end = stop_by(self.curve.epochs, self.early_stop)
            self.curve.ends_at = self._end.step if self._end else None

    def _has_its_end(self) -> bool:
        """Whether an epoch said to stop and its LoRA is on the shelf.

        The engine went on meanwhile; what it did after the epoch's end does not count.
        """
        end = self._end
        if end is None or not self.shelf.has(self._numbered(end.after_epoch)):
            return False
        say(f"no better loss since epoch {end.best_epoch}: ending after epoch {end.after_epoch}")
        self.stopped_early = end
        return True

    def _keep_best(self) -> None:
        """After an early stop: the best epoch's LoRA becomes the training's, and later ones go."""
        if self.stopped_early is None:
            return
        loras = {lora.file: lora for lora in self._all_loras()}
        end = self.stopped_early
        names = [f"lora/{self._numbered(one)}" for one in (end.best_epoch, end.after_epoch)]
        best = next((loras[name] for name in names if name in loras), None)
        if best:
            self.shelf.copy(best, f"{self.output_name}.safetensors")
            for lora in self._all_loras():
                if (lora.step or 0) > end.step:
                    self.shelf.remove(lora)
        self.position = replace(self.position, step=end.step, epoch=end.after_epoch)

    def _numbered(self, epoch: int) -> str:
        return f"{self.output_name}-{epoch:06d}.safetensors"

    def _observe(self, child: Child) -> None:
        # The bar counts this run's steps only (train_network.py:1357); TensorBoard counts all.
        told = child.position
        before = self._earlier
        self.position = replace(
            told, step=before.step + told.step, epoch=told.epoch or before.epoch
        )
        self._take_scalars()
        average = self.position.average_loss
        if average is not None and not math.isfinite(average) and self.curve.nan_at is None:
            self.curve.nan_at = self.position.step

    def _stop(self, child: Child) -> None:
        grace = self._settings.grace_seconds
        say(f"told to stop: ending the engine within {grace:.0f} s")
        self.stopped = True
        child.stop(grace)

    def _take_the_rest(self, child: Child) -> None:
        self._observe(child)
        self._collect(final=True)
        if self.stopped_early is None:
            self._has_its_end()  # an engine that was quicker than we makes no difference
        self._keep_best()
        self._keep_rows(through=self.position.step)
        self._segments.close()

    def _keep_rows(self, *, through: int | None = None, complete: int = 0) -> None:
        gpus = self.gpus.for_rows()
        self._segments.add(self.curve.take_rows(through=through, complete=complete, gpus=gpus))

    def _collect(self, *, final: bool = False) -> None:
        for lora in self.shelf.collect(final=final):
            say(f"finished {lora.file}, {lora.size} bytes")
        for state in self.states.finished(self.output_name, final=final):
            # First what the state stands on: a run that goes on from it makes neither again.
            self._take_scalars()
            if self._end and state.step > self._end.step:
                shutil.rmtree(state.folder)
                continue
            self._keep_rows(complete=state.step)
            self._segments.close()
            self.states.keep(state)
            say(f"saved the state after epoch {state.epoch}, step {state.step}")
        self._collect_samples()

    def _collect_samples(self) -> None:
        if self._samples and any(self._paths.engine_samples.glob("*.png")):
            self._take_scalars()  # they tell where epochs end
            for name in self._samples.collect(self.curve):
                say(f"drew the sample {name}")

    def _all_loras(self) -> list[Lora]:
        """Those of this run, after those of an earlier attempt that it has not replaced."""
        own = self.shelf.loras
        replaced = {lora.file for lora in own}
        there = (
            one for one in self._earlier.loras if (self._paths.checkpoints / one.file).exists()
        )
        return [lora for lora in there if lora.file not in replaced] + own


def _every(seconds: float) -> Iterator[bool]:
    """True whenever so many seconds have passed since it last was."""
    last = time.monotonic()
    while True:
        now = time.monotonic()
        due = now - last >= seconds
        last = now if due else last
        yield due


def _every_growing(shortest: float) -> Iterator[bool]:
    """The same with a span that grows to LONGEST_SEGMENT as the run gets longer."""
    started = last = time.monotonic()
    while True:
        now = time.monotonic()
        due = now - last >= max(shortest, min((now - started) / 30, LONGEST_SEGMENT))
        last = now if due else last
        yield due
