"""What lies in a folder in S3, sorted into subsets: folders like `100_demo`, as Kohya has them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
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
from lambdas.datasets.subset_schema import MOST_SUBSETS, Subset, subset_of

_MOST_FAULTS = 100


@dataclass(frozen=True)
class Sorted:
    """What a place holds of a dataset, and how many files belong to none.

    `place` is the folder itself where there is one; the names of files begin with that of theirs
    where there are several.
    """

    place: Place
    subsets: tuple[Subset, ...]
    files: tuple[DeclaredFile, ...]
    passed_over: int


def sort(place: Place, found: Iterable[StoredObject], prefix: str | None) -> Sorted:
    """Sort what lies in a place into a dataset's subsets; with `prefix` it is one itself.

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
    faults = list(_same_names(place, chosen))
    several = len(chosen) > 1
    sources: list[_Source] = []
    for name in chosen:
        folder = f"{chosen[name]}/" if several else ""
        sources += _sources(_below(place, name), folder, by_folder[name], faults)
    faults += _faults_of_all(place, [one.file for one in sources])
    if faults:
        raise Unprocessable(
            "These files can't be imported as they are.", faults=faults[:_MOST_FAULTS]
        )
    return Sorted(
        place if several else _below(place, *chosen),
        tuple(subset_of(one) for one in chosen.values()),
        tuple(_declared(sources)),
        len(stored) - len(sources),
    )


@dataclass(frozen=True)
class _Source:
    """A file that is to be, and what it is to be a copy of."""

    file: File
    stored: StoredObject


def _below(place: Place, folder: str) -> Place:
    return Place(place.bucket, f"{place.key}{folder}/") if folder else place


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
    if len(chosen) > MOST_SUBSETS:
        text = f"import them one by one, or at most {MOST_SUBSETS} at once"
        raise Unprocessable(
            f"{place.uri} has {len(chosen)} folders; a dataset has at most {MOST_SUBSETS}.",
            faults=[Fault("/s3_uri", text)],
        )


def _same_names(place: Place, chosen: dict[str, str]) -> Iterator[Fault]:
    """Yield what is written otherwise in S3 and is the same folder in NFC."""
    counted = Counter(chosen.values())
    for prefix, count in counted.items():
        if count > 1:
            text = f"{place.uri}: {count} folders are called {prefix} in NFC: rename all but one"
            yield Fault("/s3_uri", text)


def _sources(
    where: Place, folder: str, stored: Sequence[StoredObject], faults: list[Fault]
) -> Iterator[_Source]:
    for one in stored:
        try:
            name = check_file_name(one.key.removeprefix(where.key))
            if one.size > MOST_BYTES:
                raise ValueError(f"has {one.size} bytes, and {MOST_BYTES} are the most")
        except ValueError as error:
            faults.append(Fault("/s3_uri", f"{one.key}: {error}"))
            continue
        yield _Source(File.model_construct(name=f"{folder}{name}", size=one.size), one)


def _faults_of_all(place: Place, files: Sequence[File]) -> list[Fault]:
    if len(files) > MOST_FILES:
        return [Fault("/s3_uri", f"{place.uri} has {len(files)} files; {MOST_FILES} are the most")]
    try:
        check_files(list(files))
    except ValueError as error:
        return [Fault("/s3_uri", f"{place.uri}: {error}")]
    return []


def _declared(sources: Sequence[_Source]) -> Iterator[DeclaredFile]:
    of_name = {one.file.name: one.stored for one in sources}
    for file in declared([one.file for one in sources]):
        stored = of_name[file.name]
        yield file.model_copy(update={"source": stored.key, "source_etag": stored.etag})
