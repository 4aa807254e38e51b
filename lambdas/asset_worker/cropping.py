"""One image cropped: bytes in, bytes out, in bounded memory and in the format of its name."""

import io
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import PIL.Image
import PIL.ImageOps
from PIL.Image import Image as Picture
from PIL.Image import Resampling

from lambdas.asset_worker import crop_findings, findings
from lambdas.asset_worker.image_size import (
    KIND_OF_SUFFIX,
    CutShort,
    Kind,
    NotTheImage,
    Size,
    kind_of,
    read_size,
)
from lambdas.asset_worker.pictures import BROKEN, FORMATS, PIXELS, orientation_of
from lambdas.datasets.origin_schema import CropMode
from lambdas.datasets.report_schema import Finding
from lambdas.datasets.schema import suffix_of
from lambdas.trainings.buckets import BucketSettings, CannotBucket, chooser

_LEAST = 256  # as the presets of trainings have it, like all of _bucket_of
_PROFILED = {"RGB", "RGBA", "L", "LA"}  # where a colour profile still fits after conversion
_SAVED_AS: dict[Kind, tuple[str, dict[str, Any]]] = {
    "JPEG": ("JPEG", {"quality": 95, "subsampling": 0}),
    "PNG": ("PNG", {}),
    "BMP": ("BMP", {}),
    "WebP": ("WEBP", {"quality": 95}),
}


@dataclass(frozen=True)
class Crop:
    """How a dataset is cropped."""

    resolution: int
    mode: CropMode

    def size_for(self, size: Size) -> Size:
        """Return what an image of some size becomes, at most that size.

        Raises CannotBucket for one that is too small.
        """
        if self.mode == "fit":
            return Size(*chooser(_buckets(self.resolution))(size))
        side = min(self.resolution, *size)
        return Size(side, side)


class CannotCrop(Exception):
    """An image stays out of the crop; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def cropped(file: str, data: bytes, crop: Crop) -> bytes:
    """Return an image cropped; one that is as it should be already comes back as it is.

    Raises CannotCrop.
    """
    kind = kind_of(data)
    if kind is None:
        raise CannotCrop(findings.not_an_image(file, "is no image"))
    try:
        stored = read_size(data, kind)
    except (NotTheImage, CutShort) as error:
        raise CannotCrop(findings.undecodable(file, str(error))) from error
    if stored.width * stored.height > findings.MOST_PIXELS:
        raise CannotCrop(findings.too_many_pixels(file, *stored))
    # Twice, since turning and converting make a second image of the size.
    with PIXELS.holding(2 * stored.width * stored.height):
        try:
            return _cropped(file, data, kind, crop)
        except CannotBucket as error:
            raise CannotCrop(findings.too_small(file, *stored)) from error
        except BROKEN as error:
            raise CannotCrop(findings.undecodable(file, "can't be decoded")) from error


def _cropped(file: str, data: bytes, kind: Kind, crop: Crop) -> bytes:
    wanted = KIND_OF_SUFFIX[suffix_of(file)]
    with PIL.Image.open(io.BytesIO(data), formats=FORMATS[kind]) as picture:
        if getattr(picture, "n_frames", 1) > 1 and kind in {"PNG", "WebP"}:
            raise CannotCrop(crop_findings.animated(file))
        picture.load()
        turned = orientation_of(picture) != 1
        upright = _upright(picture) if turned else picture
        size = crop.size_for(Size(*upright.size))
        if size == upright.size and kind == wanted and not turned:
            return data
        profile = picture.info.get("icc_profile") if picture.mode in _PROFILED else None
        # A lossless WebP, and what was no WebP at all, loses nothing.
        exact = kind != "JPEG" and not (kind == "WebP" and data[12:16] == b"VP8 ")
        return _encoded(_cut(_plain(upright, wanted), size), wanted, profile, exact=exact)


def _upright(picture: Picture) -> Picture:
    with suppress(*BROKEN):  # broken metadata turn nothing
        return PIL.ImageOps.exif_transpose(picture) or picture
    return picture


def _plain(picture: Picture, kind: Kind) -> Picture:
    """Return the image in colours that can be scaled, and that the format has."""
    if picture.mode.startswith("I"):  # 16 bits
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    clear = kind in {"PNG", "WebP"} and (
        "A" in picture.getbands() or "transparency" in picture.info
    )
    if clear:
        return picture if picture.mode in {"RGBA", "LA"} else picture.convert("RGBA")
    if picture.mode in {"1", "L", "LA"}:
        return picture.convert("L")
    return picture.convert("RGB")


def _cut(picture: Picture, size: Size) -> Picture:
    """Scale an image down until it just covers the size, and cut off evenly what is over."""
    scale = max(size.width / picture.width, size.height / picture.height)
    width, height = size.width / scale, size.height / scale
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    box = (left, top, min(left + width, picture.width), min(top + height, picture.height))
    return picture.resize(size, Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _encoded(picture: Picture, kind: Kind, profile: bytes | None, *, exact: bool) -> bytes:
    form, options = _SAVED_AS[kind]
    if kind == "WebP":
        # With a profile it would be an extended WebP, of which sd-scripts misreads the size.
        options, profile = {**options, "lossless": exact}, None
    file = io.BytesIO()
    picture.info.clear()  # nothing of the original's metadata is kept
    picture.save(file, form, **options, **({"icc_profile": profile} if profile else {}))
    return file.getvalue()


def _buckets(resolution: int) -> BucketSettings:
    return BucketSettings(
        resolution=(resolution, resolution),
        enable_bucket=True,
        min_bucket_reso=min(_LEAST, resolution),
        max_bucket_reso=resolution * 2,
        bucket_no_upscale=True,
    )
