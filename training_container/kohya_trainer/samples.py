"""Sample images: what the engine has drawn, kept beside the LoRAs as soon as it is whole.

sd-scripts names an image after epoch or step, the prompt's place, the time and the seed
(library/train_util.py:6577 at the pinned commit). Here it is named after step, epoch and place, so
an image that is drawn again after an interruption takes the place of the first, and the folder's
listing is its index.
"""

import contextlib
import re
from pathlib import Path

from kohya_trainer.metrics import Curve
from kohya_trainer.paths import Paths, move
from kohya_trainer.resume import Earlier

_START, _END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
_DRAWN = r"_(?:e(?P<epoch>\d{6,})|(?P<step>\d{6,}))_(?P<place>\d{2})_\d{14}(?:_\d+)?\.png"


class SampleShelf:
    """The finished images of this run."""

    def __init__(self, paths: Paths, output_name: str, earlier: Earlier) -> None:
        self._paths = paths
        self._drawn = re.compile(re.escape(output_name) + _DRAWN)
        self._earlier = earlier

    def collect(self, curve: Curve) -> list[str]:
        """Move what is whole into the checkpoint folder; returns the names of what is new there."""
        new = []
        for path in sorted(self._paths.engine_samples.glob("*.png")):
            found = self._drawn.fullmatch(path.name)
            if found is None or not is_whole(path):
                continue
            step, epoch = self._place_in_time(found, curve)
            if curve.ends_at is not None and step > curve.ends_at:
                path.unlink()
                continue
            name = f"{step:08d}-{epoch:06d}-{found['place']}.png"
            if found["epoch"] and int(found["epoch"]) < epoch and self._has(name):
                path.unlink()  # drawn once more when the training went on
                continue
            move(path, self._paths.samples / name)
            new.append(name)
        return new

    def _place_in_time(self, found: re.Match[str], curve: Curve) -> tuple[int, int]:
        """Step and epoch of an image. A resumed run of sd-scripts draws what it begins with, too,
        and calls it epoch 0 (train_network.py:1332)."""
        if found["step"]:
            return int(found["step"]), curve.epoch_of(int(found["step"]))
        epoch = int(found["epoch"])
        if epoch == 0:
            return self._earlier.step, self._earlier.epoch
        return curve.end_of(epoch), epoch

    def _has(self, name: str) -> bool:
        return (self._paths.samples / name).exists()


def is_whole(path: Path) -> bool:
    """Whether a PNG has its end, which is written last."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        start = file.read(len(_START))
        file.seek(-len(_END), 2)
        return start == _START and file.read() == _END
    return False
