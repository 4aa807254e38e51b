"""Sample images of a rehearsal: real PNGs of the size asked for that say what they are.

They are named and timed as sd-scripts does it (library/train_util.py:6378 and :6577 at the pinned
commit).
"""

import json
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kohya_trainer.rehearsal.letters import SPACING, written
from kohya_trainer.rehearsal.options import Options

Picture = NDArray[np.uint8]


class Sampler:
    """Draws every prompt when it is time."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._folder = Path(options.output_dir) / "sample"
        self._prompts: list[dict[str, Any]] = []
        if options.sample_prompts:
            text = Path(options.sample_prompts).read_text(encoding="utf-8")
            self._prompts = json.loads(text)

    def begin(self, step: int) -> None:
        """Before the first step; a resumed run of sd-scripts draws what it begins with."""
        if step == 0 and self._options.sample_at_first:
            self._draw("e000000", 0)
        elif step and self._options.sample_every_n_epochs:
            self._draw("e000000", step)

    def after_epoch(self, epoch: int, step: int) -> None:
        """At the end of an epoch."""
        every = self._options.sample_every_n_epochs
        if every and epoch % every == 0:
            self._draw(f"e{epoch:06d}", step)

    def after_step(self, step: int) -> None:
        """After a step; where epochs are asked for, steps are not heeded."""
        every = self._options.sample_every_n_steps
        if every and not self._options.sample_every_n_epochs and step % every == 0:
            self._draw(f"{step:06d}", step)

    def _draw(self, when: str, step: int) -> None:
        if self._prompts:
            print(f"\ngenerating sample images at step: {step}", flush=True)
            self._folder.mkdir(parents=True, exist_ok=True)
        for place, prompt in enumerate(self._prompts):
            seed = "" if prompt.get("seed") is None else f"_{prompt['seed']}"
            stamp = time.strftime("%Y%m%d%H%M%S")
            name = f"{self._options.output_name}_{when}_{place:02d}_{stamp}{seed}.png"
            (self._folder / name).write_bytes(png(picture(prompt, step)))


def picture(prompt: dict[str, Any], step: int) -> Picture:
    """Height x width x 3: two colours of the prompt and its seed, and a rehearsal's words."""
    width, height = prompt.get("width", 512), prompt.get("height", 512)
    told = f"{prompt['prompt']} {prompt.get('negative_prompt')} {prompt.get('seed')}"
    generator = np.random.default_rng(zlib.crc32(told.encode("utf-8", "replace")))
    above, below = generator.integers(40, 200, (2, 1, 1, 3))
    share = np.linspace(0, 1, height).reshape(height, 1, 1)
    pixels = np.broadcast_to(above * (1 - share) + below * share, (height, width, 3))
    drawn = pixels.astype(np.uint8)
    scale = max(width // 80, 1)
    for row, text in enumerate(("REHEARSAL", f"STEP {step}")):
        _write(drawn, text, 4 * scale, 4 * scale + row * SPACING * scale, scale)
    return drawn


def _write(picture: Picture, text: str, left: int, top: int, scale: int) -> None:
    dots = written(text).repeat(scale, axis=0).repeat(scale, axis=1)
    part = picture[top : top + dots.shape[0], left : left + dots.shape[1]]
    part[dots[: part.shape[0], : part.shape[1]]] = 255


def png(pixels: Picture) -> bytes:
    """The picture as a PNG of 8 bits a colour. https://www.w3.org/TR/png/"""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(rows.tobytes())
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
