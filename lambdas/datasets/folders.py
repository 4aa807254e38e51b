"""What lies in a folder in S3, sorted into datasets: folders like `100_demo`, as Kohya has them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lambdas.core.bucket import StoredObject
from lambdas.core.errors import Fault, Unprocessable
from lambdas.datasets.declaring import declared
from lambdas.datasets.places import Place
from lambdas.datasets.schema import (
    CAPTION_SUFFIX,
    IMAGE_SUFFIXES,
    MOST_BYTES,
    MOST_FILES,
    DeclaredFile,
    File,
    check_file_name,
    check_files,
    check_prefix,
    is_image,
    suffix_of,
)

MOST_FOLDERS = 16
"""As many datasets as a training takes."""
_MOST_FAULTS = 100


@dataclass(frozen=True)
class Folder:
    """A folder that becomes a dataset: its prefix, its place and its files."""

    prefix: str
    place: Place
    files: tuple[DeclaredFile, ...]


@dataclass(frozen=True)
class Sorted:
    """Folders that become datasets, and how many files belong to none."""

    folders: tuple[Folder, ...]
    passed_over: int


def sort(place: Place, found: Iterable[StoredObject], prefix: str | None) -> Sorted:
    """Sort what lies in a place into datasets; with `prefix` it is one itself.

    Raises Unprocessable with every file that will not do, or when there are no images.
    """
    stored = [one for one in found if not one.key.endswith("/")]
    by_folder: dict[str, list[StoredObject]] = defaultdict(list)
    for one in stored:
        folder, _, name = one.key.removeprefix(place.key).rpartition("/")
        if _belongs(name):
            by_folder[folder].append(one)
    chosen = _chosen(place, by_folder, prefix)
    _must_be_some(place, chosen)
    faults: list[Fault] = []
    folders = tuple(_folder(place, name, chosen[name], by_folder, faults) for name in chosen)
    if faults:
        raise Unprocessable(
            "These files can't be imported as they are.", faults=faults[:_MOST_FAULTS]
        )
    taken = sum(len(folder.files) for folder in folders)
    return Sorted(folders, len(stored) - taken)


def _belongs(name: str) -> bool:
    return not name.startswith(".") and suffix_of(name) in IMAGE_SUFFIXES | {CAPTION_SUFFIX}


def _chosen(
    place: Place, by_folder: dict[str, list[StoredObject]], prefix: str | None
) -> dict[str, str]:
    """Return the folders that have images, "" for the place itself, with their prefixes."""
    with_images = {
        folder
        for folder, found in by_folder.items()
        if any(is_image(one.key) for one in found) and "/" not in folder
    }
    own = prefix or _as_prefix(place.name)
    if own and "" in with_images:
        return {"": own}
    if prefix:
        return {}
    named = {folder: _as_prefix(folder) for folder in sorted(with_images)}
    return {folder: found for folder, found in named.items() if found}


def _as_prefix(name: str) -> str | None:
    try:
        return check_prefix(name)
    except ValueError:
        return None


def _must_be_some(place: Place, chosen: dict[str, str]) -> None:
    if not chosen:
        what = f"{place.uri} has no images in a folder like 100_demo."
        advice = "name a folder that holds images; if it isn't called like 100_demo, give prefix"
        raise Unprocessable(what, code="nothing_to_import", faults=[Fault("/s3_uri", advice)])
    if len(chosen) > MOST_FOLDERS:
        raise Unprocessable(
            f"{place.uri} has {len(chosen)} folders; at most {MOST_FOLDERS} are imported at once.",
            faults=[Fault("/s3_uri", "import them one by one")],
        )


def _folder(
    place: Place,
    name: str,
    prefix: str,
    by_folder: dict[str, list[StoredObject]],
    faults: list[Fault],
) -> Folder:
    where = Place(place.bucket, f"{place.key}{name}/" if name else place.key)
    files, sources = [], {}
    for one in by_folder[name]:
        try:
            file = _file(one.key.removeprefix(where.key), one.size)
        except ValueError as error:
            faults.append(Fault("/s3_uri", f"{one.key}: {error}"))
            continue
        files.append(file)
        sources[file.name] = one
    faults += _faults_of_all(where, files)
    return Folder(prefix, where, tuple(_with_source(one, sources) for one in declared(files)))


def _file(name: str, size: int) -> File:
    if size > MOST_BYTES:
        raise ValueError(f"has {size} bytes, and {MOST_BYTES} are the most")
    return File.model_construct(name=check_file_name(name), size=size)


def _faults_of_all(where: Place, files: Sequence[File]) -> list[Fault]:
    if len(files) > MOST_FILES:
        return [Fault("/s3_uri", f"{where.uri} has {len(files)} files; {MOST_FILES} are the most")]
    try:
        check_files(list(files))
    except ValueError as error:
        return [Fault("/s3_uri", f"{where.uri}: {error}")]
    return []


def _with_source(file: DeclaredFile, sources: dict[str, StoredObject]) -> DeclaredFile:
    source = sources[file.name]
    return file.model_copy(update={"source": source.key, "source_etag": source.etag})
