"""The sizes of uploaded images, read from their first bytes in S3, many at a time."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from lambdas.datasets import repository
from lambdas.datasets.image_size import (
    BYTES_NEEDED,
    KIND_OF_SUFFIX,
    CutShort,
    Kind,
    NotTheImage,
    Size,
    kind_of,
    size_for_sd_scripts,
)
from lambdas.datasets.schema import Dataset, File, is_image, suffix_of

MOST_MEASURED = 1000
"""More images take longer than a request may."""

_THREADS = 16
_AT_MOST = 1024 * 1024  # of a JPEG with much metadata in front of its size


@dataclass(frozen=True)
class Measured:
    """Sizes as a report has them, null where one can't be told; and what is no image, with why."""

    sizes: list[list[int]] | None = None
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Image:
    name: str
    size: Size | None = None
    fault: str | None = None


def measure(workspace: str, dataset: Dataset, files: Sequence[File]) -> Measured:
    """Read the sizes of a dataset's images, at most 1,000; of more none is read."""
    names = [file.name for file in files if is_image(file.name)]
    if not 0 < len(names) <= MOST_MEASURED:
        return Measured()
    with ThreadPoolExecutor(min(_THREADS, len(names))) as threads:
        images = list(threads.map(partial(_image, workspace, dataset), names))
    sizes = Counter(image.size for image in images if image.size)
    told = [[*size, count] for size, count in sorted(sizes.items())]
    return Measured(
        sizes=told if sizes.total() == len(images) else None,
        unreadable={image.name: image.fault for image in images if image.fault},
    )


def _image(workspace: str, dataset: Dataset, name: str) -> _Image:
    kind = KIND_OF_SUFFIX[suffix_of(name)]
    try:
        return _Image(name, _size(workspace, dataset, name, kind))
    except NotTheImage as error:
        fault = f"{error}: export it as {kind}"
    except CutShort as error:
        fault = f"{error}: it was cut off, so take the whole file"
    return _Image(name, fault=f"{fault}, and make the dataset anew")


def _size(workspace: str, dataset: Dataset, name: str, expected: Kind) -> Size | None:
    for count in (BYTES_NEEDED[expected], _AT_MOST):
        span = repository.read_first_bytes(workspace, dataset, name, count)
        # As sd-scripts does, by the content: a JPEG called .png is common and trains as well.
        kind = kind_of(span.data) or expected
        try:
            return size_for_sd_scripts(span.data, kind)
        except CutShort:
            if span.total_size <= len(span.data):
                raise
    return None
