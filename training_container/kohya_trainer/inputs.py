"""Check, before anything costs time, that what the job names is there and fits."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kohya_trainer.continued import check_continued
from kohya_trainer.failure import TrainingFailed
from kohya_trainer.job import Dataset, Family, Job, LoraInit
from kohya_trainer.paths import Paths
from kohya_trainer.safetensors_file import Header, NotSafetensors, family, read_header
from kohya_trainer.states import State

_LOWER = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
IMAGE_ENDINGS = _LOWER + tuple(ending.upper() for ending in _LOWER)
"""What sd-scripts takes for an image; ``.Png`` is none (library/train_util.py:104)."""

_FAMILY_NAMES = {"sd_1_5": "SD 1.5", "sd_xl": "SDXL", "other": "neither SD 1.5 nor SDXL"}


@dataclass(frozen=True)
class ImageFolder:
    """A dataset's folder with what was counted in it."""

    dataset: Dataset
    path: Path
    images: int
    captions: int


@dataclass(frozen=True)
class Inputs:
    """The base model's file, the folders of images, and what the training goes on from.

    init is a finished LoRA that the user wants continued, state a saved state of this training or
    of the one that it continues.
    """

    model: Path
    folders: tuple[ImageFolder, ...]
    init: Path | None = None
    state: State | None = None


def check_inputs(job: Job, paths: Paths) -> Inputs:
    """Find model and images; raises TrainingFailed with the code that says what is wrong."""
    model = paths.channel(job.model.channel) / job.model.file_name
    _check_model(model, job.family)
    init = _lora(job, paths)
    if init:
        check_continued(init, job)
    folders = tuple(count(dataset, paths) for dataset in job.datasets)
    if not job.captioning:
        require_captions(folders)
    return Inputs(model, folders, init)


def _lora(job: Job, paths: Paths) -> Path | None:
    init = job.init
    return paths.channel(init.channel) / init.file_name if isinstance(init, LoraInit) else None


def image_paths(folder: Path) -> Iterator[Path]:
    """The images that sd-scripts will find in the folder, in no order."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(IMAGE_ENDINGS) and not entry.name.startswith("."):
                yield Path(entry.path)


def _check_model(path: Path, wanted: Family) -> None:
    found = family(_header(path).tensors)
    if found != wanted:
        raise TrainingFailed(
            "wrong_model_family",
            f"{path.name} is {_FAMILY_NAMES[found]}, the training asks for "
            f"{_FAMILY_NAMES[wanted]}.",
            "Choose a base model of the family that fm_type names, or change fm_type.",
        )


def _header(path: Path) -> Header:
    try:
        header = read_header(path)
        actual = path.stat().st_size
    except FileNotFoundError as exc:
        raise _unreadable(path, "is not in its channel") from exc
    except (NotSafetensors, OSError) as exc:
        raise _unreadable(path, f"cannot be read: {exc}") from exc
    if actual != header.file_size:
        raise _unreadable(path, f"has {actual} bytes, its header says {header.file_size}")
    return header


def _unreadable(path: Path, why: str) -> TrainingFailed:
    return TrainingFailed(
        "unreadable_model",
        f"The base model {path.name} {why}.",
        "Upload the base model again and start a new training.",
    )


def count(dataset: Dataset, paths: Paths) -> ImageFolder:
    """Count images and captions; raises TrainingFailed (empty_dataset) when there is no image."""
    path = paths.channel(dataset.channel) / dataset.folder
    if not path.is_dir():
        raise _empty(dataset)
    images = list(image_paths(path))
    if not images:
        raise _empty(dataset)
    captioned = sum(_usable_caption(image.with_suffix(".txt")) for image in images)
    return ImageFolder(dataset, path, len(images), captioned)


def require_captions(folders: Iterable[ImageFolder]) -> None:
    """Raise TrainingFailed (missing_caption) when a dataset wants captions and has too few."""
    for folder in folders:
        if folder.dataset.caption_policy == "required" and folder.captions < folder.images:
            raise TrainingFailed(
                "missing_caption",
                f"{folder.images - folder.captions} of {folder.images} images in "
                f"{folder.dataset.folder} have no caption.",
                "Add a .txt file of the same name beside each image, or train with another "
                "caption policy or with captioning (a lower threshold, or tags to prepend).",
            )


def _usable_caption(path: Path) -> bool:
    """True when the caption is there. An empty file gets a line end: sd-scripts stops at 0 bytes.

    library/train_util.py:1964
    """
    try:
        if path.stat().st_size == 0:
            path.write_text("\n", encoding="utf-8")
    except FileNotFoundError:
        return False
    return True


def _empty(dataset: Dataset) -> TrainingFailed:
    return TrainingFailed(
        "empty_dataset",
        f"The dataset folder {dataset.folder} holds no image.",
        "Upload images (png, jpg, jpeg, webp, bmp; the ending all small or all capital letters) "
        "and complete the dataset.",
    )
