"""The files that a dataset is to have: declared, added to and left out."""

from collections.abc import Sequence

from lambdas.core.errors import Fault, Unprocessable, pointer
from lambdas.core.ids import new_ids
from lambdas.datasets.schema import MOST_FILES, Dataset, DeclaredFile, File, check_files
from lambdas.datasets.subset_schema import misplaced
from lambdas.datasets.uploads_schema import MoreUploads


def declared(files: Sequence[File]) -> list[DeclaredFile]:
    """Give files their ids: they sort as the names do."""
    names = sorted(file.name for file in files)
    ids = dict(zip(names, new_ids("img", len(names)), strict=True))
    return [DeclaredFile(name=file.name, size=file.size, id=ids[file.name]) for file in files]


def changed(
    dataset: Dataset, files: Sequence[DeclaredFile], request: MoreUploads
) -> list[DeclaredFile]:
    """Return a dataset's files without those that are removed and with those that are added.

    Raises Unprocessable with every name that will not do.
    """
    known = {file.name: file for file in files}
    removed = set(request.remove)
    rest = {name: file for name, file in known.items() if name not in removed}
    faults = [
        Fault(pointer("remove", index), f"the dataset has no file {name}")
        for index, name in enumerate(request.remove)
        if name not in known
    ]
    faults += [
        Fault(
            pointer("files", index, "size"),
            f"{file.name} was declared with {rest[file.name].size} bytes: give this one another "
            "name, or name it in remove, too",
        )
        for index, file in enumerate(request.files)
        if file.name in rest and rest[file.name].size != file.size
    ]
    faults += misplaced(dataset.subsets, [file.name for file in request.files])
    if faults:
        raise Unprocessable("The dataset's files can't be changed like this.", faults=faults)
    added = declared([file for file in request.files if file.name not in rest])
    return _checked([*rest.values(), *added])


def _checked(files: list[DeclaredFile]) -> list[DeclaredFile]:
    try:
        check_files(files)
    except ValueError as error:
        raise Unprocessable(
            "With these files the dataset would not do.", faults=[Fault("/files", str(error))]
        ) from error
    if len(files) > MOST_FILES:
        raise Unprocessable(
            f"A dataset has at most {MOST_FILES} files; this makes {len(files)}.",
            faults=[Fault("/files", f"{len(files) - MOST_FILES} too many: make a second dataset")],
        )
    return files
