"""The dataset config of sd-scripts: folders that share buckets and batches are one dataset."""

from collections.abc import Mapping, Sequence
from typing import Any

from kohya_trainer.failure import TrainingFailed
from kohya_trainer.inputs import ImageFolder
from kohya_trainer.toml_writer import Value, table, tables

_NAMES = {"train_batch_size": "batch_size"}
"""What the dataset config calls otherwise than the command line (library/config_util.py:259)."""


def dataset_config(folders: Sequence[ImageFolder]) -> str:
    """A dataset for the folders whose dataset options are equal, a subset for each folder.

    Repeats are explicit, never read from a name. Raises TrainingFailed (bad_option) for an option
    that cannot be written.
    """
    return "\n".join(
        "[[datasets]]\n"
        + table(_written(members[0].dataset.dataset_options))
        + tables("datasets.subsets", [_subset(folder) for folder in members])
        for members in _together(folders)
    )


def _together(folders: Sequence[ImageFolder]) -> list[list[ImageFolder]]:
    found: list[list[ImageFolder]] = []
    for folder in folders:
        for members in found:
            if members[0].dataset.dataset_options == folder.dataset.dataset_options:
                members.append(folder)
                break
        else:
            found.append([folder])
    return found


def _subset(folder: ImageFolder) -> dict[str, Value]:
    dataset = folder.dataset
    subset: dict[str, Value] = {
        "image_dir": str(folder.path),
        "num_repeats": dataset.repeats,
        "caption_extension": ".txt",
    }
    if dataset.caption_policy == "subject":
        subset["class_tokens"] = dataset.subject
    if dataset.regularisation:
        subset["is_reg"] = True
    return subset | _written(dataset.options)


def _written(options: Mapping[str, Any]) -> dict[str, Value]:
    return {_NAMES.get(name, name): _value(name, value) for name, value in options.items()}


def _value(name: str, value: Any) -> Value:
    """Numbers that the command line takes as "2.0,4.0" are an array in the dataset config."""
    try:
        if name == "resolution":
            return [int(side) for side in str(value).split(",")]
        if name == "face_crop_aug_range":
            return [float(end) for end in str(value).split(",")]
    except ValueError as exc:
        raise TrainingFailed(
            "bad_option",
            f"The option {name} of a dataset is {value!r}, which are not two numbers.",
            'Write it as "512,768" or "2.0,4.0" and start the training again.',
        ) from exc
    checked: Value = value
    return checked
