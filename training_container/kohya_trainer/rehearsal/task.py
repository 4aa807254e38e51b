"""What a rehearsal learns: to make a layer answer an image as it would answer its caption.

For a layer with weight W, an image f and a caption c (small vectors, spread to the layer's width
by a fixed random matrix P) the factors minimise

    || (W + up @ down * alpha / rank) P (f + noise)  -  W P (c + noise) ||^2

by Adam, over a few attention layers of the base model. The loss is given relative to what doing
nothing would cost, so it starts near 1; different images, and noise whose strength is drawn anew
each step as a diffusion timestep is, make it flicker.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kohya_trainer.rehearsal.images import FEATURES
from kohya_trainer.rehearsal.network import Layer
from kohya_trainer.rehearsal.weights import Matrix, read_weight

Generator = np.random.Generator

GAIN = 800.0
"""Rates are made for a diffusion model's thousands of steps; this task must show its course in
tens. A rate of 1e-4 becomes a speed of 0.08: about that part of the way in one step. The rate that
is logged is the user's."""
MAX_SPEED = 0.15
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Factors:
    """The LoRA of one layer: ``down`` (rank x columns), ``up`` (rows x rank), both learning."""

    def __init__(self, layer: Layer, model: Path, rank: int, alpha: float, seed: int) -> None:
        self.layer = layer
        self.down = initial_down(layer, rank, seed)
        self.up: Matrix = np.zeros((layer.rows, rank), np.float32)
        self._scale = np.float32(alpha / rank)
        spread = np.random.default_rng(zlib.crc32(layer.name.encode()))
        self._spread = spread.standard_normal((layer.columns, FEATURES)).astype(np.float32)
        weight = read_weight(model, layer) @ self._spread
        self._weight: Matrix = weight / (np.sqrt(np.mean(weight**2)) + 1e-8)
        self._adam = (_Adam(self.down), _Adam(self.up))

    def arrays(self) -> dict[str, Matrix]:
        """Everything that learning changes, by name: what a state keeps."""
        adam = {
            f"{part}.{name}": values
            for part, one in zip(("down", "up"), self._adam, strict=True)
            for name, values in one.arrays().items()
        }
        return {"down": self.down, "up": self.up, **adam}

    def restore(self, kept: Mapping[str, Matrix], steps: int) -> None:
        """Take back what a state kept after so many steps."""
        for name, values in self.arrays().items():
            values[...] = kept[name]
        for adam in self._adam:
            adam.steps = steps

    def begin_from(self, down: Matrix, up: Matrix) -> None:
        """Start from another LoRA's factors."""
        self.down[...], self.up[...] = down, up

    def learn(self, inputs: Matrix, wanted: Matrix, speed: float) -> float:
        """One step on a batch of columns; returns the loss before it.

        inputs are what the layer sees; wanted is the change of input that has the same effect.
        Adam moves every entry by the same amount, so the speed is divided by what a row sums up.
        """
        spread = self._spread @ inputs
        hidden = self.down @ spread
        target = self._weight @ wanted
        error = self._scale * (self.up @ hidden) - target
        doing_nothing = np.mean(target**2) + 1e-8
        slope = error * (2 * self._scale / (error.size * doing_nothing))
        up_slope = slope @ hidden.T
        down_slope = (self.up.T @ slope) @ spread.T
        self._adam[0].step(self.down, down_slope, speed / self.layer.columns)
        self._adam[1].step(self.up, up_slope, 2 * speed / (float(self._scale) * len(self.down)))
        return float(np.mean(error**2) / doing_nothing)


class _Adam:
    """Adam with bias correction, in place. https://arxiv.org/abs/1412.6980"""

    def __init__(self, like: Matrix) -> None:
        self._mean = np.zeros_like(like)
        self._square = np.zeros_like(like)
        self.steps = 0

    def arrays(self) -> dict[str, Matrix]:
        return {"mean": self._mean, "square": self._square}

    def step(self, values: Matrix, slope: Matrix, rate: float) -> None:
        self.steps += 1
        self._mean += (1 - BETA1) * (slope - self._mean)
        self._square += (1 - BETA2) * (slope * slope - self._square)
        correction = np.sqrt(1 - BETA2**self.steps) / (1 - BETA1**self.steps)
        values -= (rate * correction) * self._mean / (np.sqrt(self._square) + EPSILON)


def initial_down(layer: Layer, rank: int, seed: int) -> Matrix:
    """What sd-scripts starts ``down`` with: uniform, as torch's kaiming_uniform with a = sqrt 5."""
    bound = 1 / np.sqrt(layer.columns)
    generator = np.random.default_rng([seed % 2**32, zlib.crc32(layer.name.encode())])
    return generator.uniform(-bound, bound, (rank, layer.columns)).astype(np.float32)


def speed(rate: float) -> float:
    """The speed of this task at a learning rate; rates near 1 are those of Prodigy and the like."""
    return min(rate * GAIN, MAX_SPEED)


def noisy(generator: Generator, columns: NDArray[Any]) -> Matrix:
    """The columns, each drowned in noise to a degree of its own."""
    degree = 0.8 * generator.random((1, columns.shape[1]), np.float32)
    noise = generator.standard_normal(columns.shape, np.float32)
    return np.asarray(np.sqrt(1 - degree**2) * columns + degree * noise, np.float32)
