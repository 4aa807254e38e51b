"""Which bucket of sd-scripts an image falls into.

Reckoned as sd-scripts does at the pinned commit, float by float: a bucket that is off by one step
moves a batch. `train_util` below is its library/train_util.py, `model_util` library/model_util.py.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_OPTIONS = (
    "enable_bucket",
    "min_bucket_reso",
    "max_bucket_reso",
    "bucket_reso_steps",
    "bucket_no_upscale",
)

Resolution = tuple[int, int]
"""Width and height in pixels."""


class CannotBucket(ValueError):
    """sd-scripts would stop on this; `option` is the option to change, None where it is an image.

    The text goes on after the option's or the dataset's name.
    """

    def __init__(self, option: str | None, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True)
class BucketSettings:
    """The options that decide over buckets, with sd-scripts' own defaults.

    `step_of_family` must divide `bucket_reso_steps`: 64 for SD 1.5 (train_network.py:175), 32 for
    SDXL (sdxl_train_network.py:43).
    """

    resolution: Resolution
    enable_bucket: bool = False
    min_bucket_reso: int = 256
    max_bucket_reso: int = 1024
    bucket_reso_steps: int = 64
    bucket_no_upscale: bool = False
    step_of_family: int = 64


def settings_from(params: Mapping[str, Any], fm_type: str) -> BucketSettings:
    """Return the settings that the options of a training amount to."""
    sides = [int(side) for side in str(params["resolution"]).split(",")]
    given = {name: params[name] for name in _OPTIONS if name in params}
    return BucketSettings(
        resolution=(sides[0], sides[-1]), step_of_family=32 if fm_type == "sd_xl" else 64, **given
    )


def chooser(settings: BucketSettings) -> Callable[[Resolution], Resolution]:
    """Return the function from an image's size to its bucket.

    Raises CannotBucket for settings that sd-scripts refuses, and the function for an image that has
    no bucket.
    """
    if min(settings.resolution) < 1:
        raise CannotBucket("resolution", "must be at least 1 pixel each way")
    if not settings.enable_bucket:
        return lambda size: _must_have_pixels(size) and settings.resolution  # train_util:1048
    smallest, largest = _bounds(settings)
    if settings.bucket_no_upscale:
        return lambda size: _shrunk(_must_have_pixels(size), settings)
    predefined = predefined_resolutions(
        settings.resolution, smallest, largest, settings.bucket_reso_steps
    )
    # By shape, so that a search need not look at each; of one shape the first as in `predefined`.
    by_shape = sorted(predefined, key=_ratio)
    ratios = list(map(_ratio, by_shape))
    known = frozenset(predefined)
    return lambda size: (
        size if _must_have_pixels(size) in known else _nearest(_ratio(size), by_shape, ratios)
    )


def _bounds(settings: BucketSettings) -> tuple[int, int]:
    """Return the smallest and largest side, rounded outwards to steps (train_util:747)."""
    steps = settings.bucket_reso_steps
    if steps < 1 or steps % settings.step_of_family:
        raise CannotBucket(
            "bucket_reso_steps", f"must be a multiple of {settings.step_of_family}, not {steps}"
        )
    smallest = settings.min_bucket_reso - settings.min_bucket_reso % steps
    largest = settings.max_bucket_reso + -settings.max_bucket_reso % steps
    if min(settings.resolution) < smallest:
        raise CannotBucket(
            "min_bucket_reso",
            f"is {settings.min_bucket_reso}, more than the smaller side of the resolution, "
            f"{min(settings.resolution)}: lower it or raise resolution",
        )
    if max(settings.resolution) > largest:
        raise CannotBucket(
            "max_bucket_reso",
            f"is {settings.max_bucket_reso}, less than the larger side of the resolution, "
            f"{max(settings.resolution)}: raise it or lower resolution",
        )
    return smallest, largest


def predefined_resolutions(
    resolution: Resolution, smallest: int, largest: int, steps: int
) -> list[Resolution]:
    """Return the buckets that images are scaled to, in order (model_util:1316).

    Raises CannotBucket where sd-scripts would divide by zero.
    """
    area = resolution[0] * resolution[1]
    square = int(math.sqrt(area) // steps) * steps
    if smallest < 1:
        raise CannotBucket(
            "min_bucket_reso",
            f"must be at least bucket_reso_steps, {steps}, and none of it is left",
        )
    if square < 1:
        raise CannotBucket(
            "bucket_reso_steps", f"is {steps}, too much for the resolution: lower it"
        )
    found = {(square, square)}
    for width in range(smallest, largest + 1, steps):
        height = min(largest, area // width // steps * steps)
        if height < smallest:
            break  # sd-scripts goes on to no end: heights only fall
        found |= {(width, height), (height, width)}
    return sorted(found)


def _must_have_pixels(size: Resolution) -> Resolution:
    if min(size) < 1:
        raise CannotBucket(None, f"has an image of {size[0]}x{size[1]} pixels: take it out")
    return size


def _ratio(size: Resolution) -> float:
    return size[0] / size[1]


def _nearest(ratio: float, by_shape: list[Resolution], ratios: list[float]) -> Resolution:
    """Return the bucket of the nearest aspect ratio (train_util:286).

    Of two as near numpy's argmin takes the one of lesser width and height.
    """
    after = bisect_left(ratios, ratio)
    near = [after] if after < len(ratios) else []
    if after > 0:
        near.append(bisect_left(ratios, ratios[after - 1]))
    return min((abs(ratios[one] - ratio), by_shape[one]) for one in near)[1]


def _shrunk(size: Resolution, settings: BucketSettings) -> Resolution:
    """Return the bucket cut from the image, shrunk first where it has too many pixels
    (train_util:308)."""
    steps = settings.bucket_reso_steps
    area = settings.resolution[0] * settings.resolution[1]
    fitted = _fitted(size, area, steps) if size[0] * size[1] > area else size
    bucket = (fitted[0] - fitted[0] % steps, fitted[1] - fitted[1] % steps)
    if min(bucket) < 1:
        raise _too_small(size, steps)
    return bucket


def _fitted(size: Resolution, area: int, steps: int) -> Resolution:
    """Return the size that an image is shrunk to: one side a multiple of `steps`, whichever leaves
    the aspect ratio closer (train_util:310)."""
    ratio = size[0] / size[1]
    width = math.sqrt(area * ratio)
    height = area / width
    by_width = _round_down(width, steps)
    by_height = _round_down(height, steps)
    height_to_width = _round_down(by_width / ratio, steps)
    width_to_height = _round_down(by_height * ratio, steps)
    if height_to_width < 1 or by_height < 1 or abs(width / height - ratio) >= 1e-2:
        raise _too_small(size, steps)
    if abs(by_width / height_to_width - ratio) < abs(width_to_height / by_height - ratio):
        return by_width, int(by_width / ratio + 0.5)
    return int(by_height * ratio + 0.5), by_height


def _round_down(side: float, steps: int) -> int:
    """Round to whole pixels, halves up, then down to a multiple of `steps` (train_util:282)."""
    pixels = int(side + 0.5)
    return pixels - pixels % steps


def _too_small(size: Resolution, steps: int) -> CannotBucket:
    return CannotBucket(
        None,
        f"has an image of {size[0]}x{size[1]} pixels, and with bucket_no_upscale a side must have "
        f"at least bucket_reso_steps, {steps}, once the image is shrunk to the resolution: take it "
        "out, crop it, or set bucket_no_upscale = false",
    )
