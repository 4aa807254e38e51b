"""The folders of a dataset: mostly one, several where folders like `100_demo` were imported."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lambdas.core.errors import Fault, pointer
from lambdas.datasets.report_schema import Report

MOST_SUBSETS = 16


class Subset(BaseModel):
    """A folder of a dataset, seen so often within one epoch."""

    model_config = ConfigDict(frozen=True)

    prefix: str = Field(description="The folder's name.", examples=["10_tusiji"])
    repeats: int = Field(description="How often each of its images is seen within one epoch.")
    subject: str = Field(description="What stands behind the underscore of the prefix.")


@dataclass(frozen=True)
class Filled:
    """A subset that has images, and what the report tells of it; `number` is its place."""

    number: int
    subset: Subset
    images: int
    sizes: list[list[int]] | None


def subset_of(prefix: str) -> Subset:
    """Return the subset that a checked prefix stands for."""
    repeats, _, subject = prefix.partition("_")
    return Subset(prefix=prefix, repeats=int(repeats), subject=subject)


def fields_of(subsets: Sequence[Subset]) -> dict[str, Any]:
    """Return what a dataset tells of its subsets: of a single one as its own, too."""
    own = subsets[0].model_dump() if len(subsets) == 1 else dict.fromkeys(Subset.model_fields)
    return {**own, "subsets": list(subsets)}


def folder_of(name: str) -> str:
    """Return the folder in a file's name, empty where there is none."""
    return name.rpartition("/")[0]


def filled(subsets: Sequence[Subset], report: Report) -> list[Filled]:
    """Return the subsets that have images, with what a report tells of them."""
    if len(subsets) == 1:
        return [Filled(0, subsets[0], report.images, report.sizes)]
    told = {one.prefix: one for one in report.subsets}
    return [
        Filled(number, one, told[one.prefix].images, told[one.prefix].sizes)
        for number, one in enumerate(subsets)
        if one.prefix in told and told[one.prefix].images
    ]


def misplaced(subsets: Sequence[Subset], names: Sequence[str]) -> Iterator[Fault]:
    """Yield the files that lie in none of a dataset's subsets."""
    folders = [one.prefix for one in subsets]
    several = len(folders) > 1
    for index, name in enumerate(names):
        folder = folder_of(name)
        where = pointer("files", index, "name")
        if several and not folder:
            text = f"needs its folder in front, {folders[0]}/{name} say: the dataset has several"
            yield Fault(where, text)
        elif several and folder not in folders:
            text = f"{folder} is no folder of this dataset: put it into one of {', '.join(folders)}"
            yield Fault(where, text)
        elif folder and not several:
            plain = name.rpartition("/")[2]
            text = f"has a folder, and the dataset has only one: write {plain} alone"
            yield Fault(where, text)
