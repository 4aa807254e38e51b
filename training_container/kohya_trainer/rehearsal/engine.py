"""The rehearsal's training loop, in the order in which sd-scripts does things."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kohya_trainer.rehearsal.bar import Bar
from kohya_trainer.rehearsal.images import Group, Images
from kohya_trainer.rehearsal.metadata import make_metadata
from kohya_trainer.rehearsal.network import Layer, text_encoder_layers, unet_layers
from kohya_trainer.rehearsal.options import Options
from kohya_trainer.rehearsal.plan import Plan, make_plan, rate_factor
from kohya_trainer.rehearsal.samples import Sampler
from kohya_trainer.rehearsal.saving import LoraFile
from kohya_trainer.rehearsal.state import begin_from, restore, save
from kohya_trainer.rehearsal.task import Factors, noisy, speed
from kohya_trainer.rehearsal.weights import READABLE
from kohya_trainer.safetensors_file import family, read_header
from kohya_trainer.tfevents import EventWriter

LEARNING_LAYERS = 8
LEARNING_NUMBERS = 400_000
"""So few layers and numbers learn that a step takes about a millisecond on one core."""

Batch = NDArray[Any]


class Rehearsal:
    """One run: what learns, where it is saved, what is logged."""

    def __init__(self, options: Options, images: Images, step_seconds: float = 0.0) -> None:
        self._options = options
        self._step_seconds = step_seconds
        self._images = images
        self.plan = make_plan(options, images.batches)
        model = Path(options.pretrained_model_name_or_path)
        tensors = read_header(model).tensors
        kind = family(tensors)
        layers = _layers(options, unet_layers(tensors, kind), text_encoder_layers(tensors))
        self._factors = [_factors(layer, model, options) for layer in choose(layers, options)]
        self._file = LoraFile(options, layers, self._factors)
        self._metadata = make_metadata(options, kind, self.plan, images)
        self._generator = np.random.default_rng(options.seed % 2**32)
        self._losses = _Losses()
        self._sampler = Sampler(options)
        if options.network_weights:
            begin_from(Path(options.network_weights), self._factors)
        if options.resume:
            restore(Path(options.resume), self._factors, self._generator)

    def run(self) -> None:
        """Train and save."""
        announce(self.plan, self._options, self._images, len(self._factors))
        folder = Path(self._options.logging_dir) / time.strftime("%Y%m%d%H%M%S")
        self._events = EventWriter(folder / "network_train")
        self._bar = Bar(self.plan.steps)
        step = self._options.initial_step
        self._sampler.begin(step)
        for epoch in range(step // self.plan.steps_per_epoch + 1, self.plan.epochs + 1):
            print(f"\nepoch {epoch}/{self.plan.epochs}\n", flush=True)
            step = self._epoch(epoch, step)
            self._events.add(epoch, {"loss/epoch_average": self._losses.average})
            if self.plan.saves_after(epoch):
                self._save(f"-{epoch:06d}", step, epoch)
                self._save_state(f"-{epoch:06d}", step, epoch)
            self._sampler.after_epoch(epoch, step)
        self._bar.close()
        self._events.close()
        self._save_state("", step, self.plan.epochs)
        self._save("", step, self.plan.epochs)
        print("model saved.", flush=True)

    def _epoch(self, epoch: int, step: int) -> int:
        for index, batch in enumerate(self._batches()):
            step += 1
            self._step(index, step, batch)
            self._sampler.after_step(step)
            every = self._options.save_every_n_steps
            if every and step % every == 0:
                self._save(f"-step{step:08d}", step, epoch - 1)
                self._save_state(f"-step{step:08d}", step, epoch)
            if step >= self.plan.steps:
                break
        return step

    def _batches(self) -> Iterator[Batch]:
        """What each step learns from: as many batches, of any dataset, as are accumulated."""
        batches = [one for group in self._images.groups for one in self._dealt(group)]
        if len(self._images.groups) > 1:
            batches = [batches[index] for index in self._generator.permutation(len(batches))]
        size = self._options.gradient_accumulation_steps
        starts = range(0, len(batches), size)
        return (np.concatenate(batches[start : start + size]) for start in starts)

    def _dealt(self, group: Group) -> Iterator[Batch]:
        order, size = self._generator.permutation(group.order), group.batch_size
        return (order[start : start + size] for start in range(0, len(order), size))

    def _step(self, index: int, step: int, batch: Batch) -> None:
        factor = rate_factor(self._options, step - 1, self.plan.steps)
        rates = {name: rate * factor for name, rate in self._options.rates.items()}
        pace = speed(max(rates.values()))
        pairs = [self._images.vectors(int(image)) for image in batch]
        pictures = np.stack([picture for picture, _ in pairs], axis=1)
        captions = np.stack([caption for _, caption in pairs], axis=1)
        inputs = noisy(self._generator, pictures)
        wanted = captions - pictures
        losses = [factors.learn(inputs, wanted, pace) for factors in self._factors]
        loss = sum(losses) / len(losses)
        average = self._losses.add(index, loss)
        logged = {f"lr/{name}": rate for name, rate in rates.items()}
        self._events.add(step, {"loss/current": loss, "loss/average": average} | logged)
        self._bar.draw(step - self._options.initial_step, average)
        if self._step_seconds:
            time.sleep(self._step_seconds)

    def _save(self, suffix: str, step: int, epoch: int) -> None:
        folder = Path(self._options.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self._options.output_name}{suffix}.safetensors"
        print(f"\nsaving checkpoint: {path}", flush=True)
        self._file.save(path, self._metadata.at(step, epoch))

    def _save_state(self, suffix: str, step: int, epoch: int) -> None:
        if not self._options.save_state:
            return
        folder = Path(self._options.output_dir) / f"{self._options.output_name}{suffix}-state"
        folder.mkdir(parents=True, exist_ok=True)
        self._file.save(folder / "model.safetensors", {})
        save(folder, self._factors, self._generator, step, epoch)


class _Losses:
    """The mean over the last epoch's worth of steps, as sd-scripts' LossRecorder keeps it."""

    def __init__(self) -> None:
        self._list: list[float] = []
        self._total = 0.0

    @property
    def average(self) -> float:
        return self._total / len(self._list) if self._list else 0.0

    def add(self, index: int, loss: float) -> float:
        while len(self._list) <= index:
            self._list.append(0.0)
        self._total += loss - self._list[index]
        self._list[index] = loss
        return self.average


def choose(layers: Sequence[Layer], options: Options) -> list[Layer]:
    """The layers that learn: attention layers, spread evenly, as many as the bounds allow."""
    usable = [layer for layer in layers if layer.weight.dtype in READABLE]
    attention = [layer for layer in usable if "attn" in layer.name] or usable
    count = min(LEARNING_LAYERS, len(attention))
    spread = [attention[(2 * i + 1) * len(attention) // (2 * count)] for i in range(count)]
    chosen, numbers = spread[:1], 0
    for layer in spread:
        numbers += options.network_dim * (layer.rows + layer.columns)
        if layer not in chosen and numbers <= LEARNING_NUMBERS:
            chosen.append(layer)
    return chosen


def announce(plan: Plan, options: Options, images: Images, learning: int) -> None:
    """Say what sd-scripts says at the start, and that this is a rehearsal."""
    print(f"REHEARSAL: {learning} layers learn a small task; this LoRA draws nothing")
    if options.without_effect:
        print(f"REHEARSAL: without effect here: {', '.join(options.without_effect)}")
    print("running training / 学習開始")
    print(f"  num train images * repeats / 学習画像の数×繰り返し回数: {images.train_images}")
    print(f"  num reg images / 正則化画像の数: {images.reg_images}")
    print(f"  num batches per epoch / 1epochのバッチ数: {plan.batches_per_epoch}")
    print(f"  num epochs / epoch数: {plan.epochs}")
    sizes = ", ".join(str(group.batch_size) for group in images.groups)
    print(f"  batch size per device / バッチサイズ: {sizes}")
    print(f"  total optimization steps / 学習ステップ数: {plan.steps}", flush=True)


def _layers(options: Options, unet: list[Layer], text: list[Layer]) -> list[Layer]:
    if options.network_train_unet_only:
        return unet
    return text if options.network_train_text_encoder_only else text + unet


def _factors(layer: Layer, model: Path, options: Options) -> Factors:
    alpha = options.network_alpha or options.network_dim
    return Factors(layer, model, options.network_dim, alpha, options.seed)
