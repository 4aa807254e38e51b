"""What the check counts, of a whole dataset and of each of its subsets."""

from collections import Counter
from collections.abc import Iterator, Sequence

from lambdas.asset_worker import findings
from lambdas.datasets.images import Image
from lambdas.datasets.report_schema import Finding, SubsetReport
from lambdas.datasets.schema import DeclaredFile, caption_of, is_image
from lambdas.datasets.subset_schema import Subset, folder_of


def of(
    subsets: Sequence[Subset], files: Sequence[DeclaredFile], images: Sequence[Image]
) -> list[SubsetReport]:
    """Return what is in each subset where there are several; `images` are those looked at."""
    if len(subsets) == 1:
        return []
    captions = Counter(map(folder_of, captions_of(files, images)))
    declared = Counter(folder_of(file.name) for file in files if is_image(file.name))
    return [
        SubsetReport(
            prefix=one.prefix,
            images=declared[one.prefix],
            captions=captions[one.prefix],
            sizes=sizes_of([image for image in images if folder_of(image.name) == one.prefix]),
        )
        for one in subsets
    ]


def findings_of(reports: Sequence[SubsetReport]) -> Iterator[Finding]:
    """Yield the subsets that nothing can be learnt from; where all are, the dataset is told."""
    if any(one.images for one in reports):
        yield from (findings.empty_subset(one.prefix) for one in reports if not one.images)


def shortened(reports: Sequence[SubsetReport], most: int) -> list[SubsetReport]:
    """Return the reports as a record has them: without sizes when there are too many of them."""
    if sum(len(one.sizes or ()) for one in reports) <= most:
        return list(reports)
    return [one.model_copy(update={"sizes": None}) for one in reports]


def captions_of(files: Sequence[DeclaredFile], images: Sequence[Image]) -> set[str]:
    """Return the names of all captions."""
    # A caption that was written through the API is not among the declared files.
    written = {caption_of(one.name) for one in images if one.caption is not None}
    return written | {file.name for file in files if not is_image(file.name)}


def sizes_of(images: Sequence[Image]) -> list[list[int]] | None:
    """Return width, height and how many images have them; None where one can't be told."""
    counted: Counter[tuple[int, int]] = Counter()
    for image in images:
        if image.width is None or image.height is None:
            return None
        counted[image.width, image.height] += 1
    return [[*size, count] for size, count in sorted(counted.items())] or None
