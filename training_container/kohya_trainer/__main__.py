"""``python -m kohya_trainer [--base DIR]``: run the training that the base folder describes."""

import argparse
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType

from kohya_trainer.failure import TrainingFailed, write_failure
from kohya_trainer.log import say, write_out
from kohya_trainer.paths import Paths
from kohya_trainer.settings import Settings
from kohya_trainer.training import run


class _StopSignal:
    """Remembers that SIGTERM or SIGINT came."""

    def __init__(self) -> None:
        self.came = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True


def _leave_a_failure(base: Path) -> None:
    """When the program itself breaks, SageMaker shall still be told."""

    def hook(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        advice = "This is a fault of the training image: report it with the training's log."
        what = f"The container program broke: {kind.__name__}."
        write_failure(Paths(base).failure, TrainingFailed("training_failed", what, advice))
        for line in "".join(traceback.format_exception(error)).splitlines():
            say(line)
        write_out()

    sys.excepthook = hook


def main() -> int:
    """The program: exit status 0 when the last LoRA came out."""
    stop = _StopSignal()
    parser = argparse.ArgumentParser(prog="kohya_trainer", description=__doc__)
    parser.add_argument("--base", type=Path, help="the folder that is /opt/ml in SageMaker")
    base = parser.parse_args().base
    settings = Settings.from_environment()
    settings = replace(settings, base=(base or settings.base).absolute())
    _leave_a_failure(settings.base)
    return run(settings, stop_requested=lambda: stop.came)


if __name__ == "__main__":
    sys.exit(main())
