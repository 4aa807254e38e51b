"""The folders that a request's datasets are: one for most, one for each subset for some."""

from collections.abc import Sequence
from dataclasses import dataclass

from lambdas.datasets.schema import Dataset
from lambdas.datasets.subset_schema import Filled, filled


@dataclass(frozen=True)
class Folder:
    """A folder to train on: to sd-scripts a subset.

    `entry` is the place of its dataset in the request; `dataset` and `filled` are None where there
    is no such dataset, or it was not checked.
    """

    entry: int
    dataset: Dataset | None = None
    filled: Filled | None = None

    @property
    def subset(self) -> int | None:
        """Which of its dataset's subsets it is, None where that has one alone."""
        if self.dataset is None or self.filled is None or len(self.dataset.subsets) == 1:
            return None
        return self.filled.number

    @property
    def sizes(self) -> list[list[int]] | None:
        """The sizes of its images with their counts, None where they weren't read."""
        return self.filled.sizes if self.filled else None


def folders_of(found: Sequence[Dataset | None]) -> tuple[Folder, ...]:
    """Return the folders of all entries, in their order; a subset without images is passed over."""
    return tuple(
        folder for entry, dataset in enumerate(found) for folder in _folders_of(entry, dataset)
    )


def _folders_of(entry: int, dataset: Dataset | None) -> list[Folder]:
    there = filled(dataset.subsets, dataset.report) if dataset and dataset.report else []
    return [Folder(entry, dataset, one) for one in there] or [Folder(entry, dataset)]
