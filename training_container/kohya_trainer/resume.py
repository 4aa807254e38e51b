"""What an earlier attempt of the same training left in the checkpoint folder.

SageMaker brings the folder back when a spot instance was taken away. The training goes on from the
newest whole state: LoRAs stay, the loss curve is cut to the state's step. Without a whole state it
starts afresh: LoRAs stay until this run replaces them, the loss curve goes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kohya_trainer.failure import TrainingFailed
from kohya_trainer.job import StateInit
from kohya_trainer.log import say
from kohya_trainer.loras import Lora, describe
from kohya_trainer.paths import Paths
from kohya_trainer.rows import unknown
from kohya_trainer.safetensors_file import is_whole
from kohya_trainer.segments import TAIL, write_lines, write_segment
from kohya_trainer.states import State, StateShelf, newest_of_another


@dataclass(frozen=True)
class Earlier:
    """The LoRAs of earlier attempts, and the state to go on from.

    began is the step after which this training began: 0, or that of another training's state.
    """

    loras: tuple[Lora, ...] = ()
    state: State | None = None
    began: int = 0

    @property
    def is_anothers(self) -> bool:
        """Whether the state is one of another training."""
        return self.state is not None and self.state.step == self.began

    @property
    def step(self) -> int:
        return self.state.step if self.state else 0

    @property
    def epoch(self) -> int:
        return self.state.epoch if self.state else 0


def take_up(paths: Paths, *, can_resume: bool) -> Earlier:
    """Tidy the checkpoint folder for this run, say so in the log, and return what stays."""
    shelf = StateShelf(paths)
    if not can_resume:
        shelf.clear()
    state = shelf.newest_whole()
    files = sorted(paths.loras.glob("*.safetensors"))
    whole = [path for path in files if is_whole(path)]
    for path in set(files).difference(whole):
        path.unlink()
    segments = list(paths.metrics.glob("*.jsonl"))
    _cut_metrics(paths, state.began + 1 if state else 1, state.step if state else 0)
    if state:
        say(f"an earlier attempt left a state: going on after epoch {state.epoch}")
    elif segments or files:
        say(f"an earlier attempt left {len(whole)} LoRAs and no whole state: starting afresh")
    return Earlier(tuple(describe(path) for path in whole), state, state.began if state else 0)


def begin_from(init: StateInit, earlier: Earlier, paths: Paths, *, can_resume: bool) -> Earlier:
    """What a training has before it that goes on from another's state: its own, else the other's.

    Raises TrainingFailed (no_state) when there is none that is whole.
    """
    if earlier.state:
        return earlier
    state = newest_of_another(paths.channel(init.channel), init.output_name)
    if state is None or not can_resume:
        raise TrainingFailed(
            "no_state",
            f"No whole state of the training {init.training_id} is there to go on from."
            if can_resume
            else "This sd-scripts cannot count its steps on from a state.",
            "Continue from its LoRA instead.",
        )
    say(f"going on from {init.training_id} after its epoch {state.epoch}, step {state.step}")
    return replace(earlier, state=state, began=state.step)


def _cut_metrics(paths: Paths, first: int, last: int) -> None:
    """Leave each step from first to last in the curve once.

    Segments may overlap: one that an earlier attempt cut or removed is restored when S3 was not
    told in time, and the tail may hold rows of the last one. What S3 never got becomes a row that
    knows nothing; a row that stands for several steps leaves no gap before it.
    """
    following, pieces = first, []
    for path in sorted(paths.metrics.glob("*.jsonl")):
        lines = dict(_lines(path))
        wanted = {one: lines[one] for one in sorted(lines) if following <= one[1] <= last}
        following = max((end for _, end in wanted), default=following - 1) + 1
        pieces.append(wanted)
        if wanted.keys() != lines.keys() or path.name == TAIL:
            path.unlink()
    following = first
    for piece in filter(None, pieces):
        first, end = min(piece)[0], max(piece)[1]
        _fill(paths, following, first)
        following = end + 1
        write_lines(piece.values(), first, end, paths)
    _fill(paths, following, last + 1)


def _lines(path: Path) -> Iterator[tuple[tuple[int, int], str]]:
    """Each row with the first and the last of the steps that it stands for."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield (row["step"] - row.get("steps", 1) + 1, row["step"]), line


def _fill(paths: Paths, first: int, end: int) -> None:
    write_segment([unknown(step) for step in range(first, end)], paths)
