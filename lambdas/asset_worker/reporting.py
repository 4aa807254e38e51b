"""The report of a dataset, put together when each image was looked at."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lambdas.asset_worker import duplicates, findings, repository
from lambdas.asset_worker.leases import Lease
from lambdas.asset_worker.repository import FINDINGS_IN_RECORD
from lambdas.core.bucket import StoredObject
from lambdas.datasets.images import Image
from lambdas.datasets.report_schema import SEVERITIES, Finding, Report
from lambdas.datasets.schema import Dataset, DeclaredFile, caption_of, is_image, stem_of

SIZES_IN_RECORD = 1000


def settle(
    workspace: str,
    dataset: Dataset,
    lease: Lease,
    files: Sequence[DeclaredFile],
    objects: Mapping[str, StoredObject],
    known: Mapping[str, Image],
) -> None:
    """End a check with what was found. Raises Lost."""
    images = [known[file.id] for file in files if is_image(file.name) and file.name in objects]
    found = _ordered(_findings(files, objects, images))
    _end(workspace, dataset, lease, _report(files, found, _sizes(images), images))


def anew(
    files: Sequence[DeclaredFile],
    objects: Mapping[str, StoredObject],
    known: Mapping[str, Image],
) -> tuple[Report | None, bytes]:
    """Return the report on what is known, in short and whole; None where not all was looked at."""
    there = [file for file in files if is_image(file.name) and file.name in objects]
    if any(file.id not in known for file in there):
        return None, b""
    images = [known[file.id] for file in there]
    found = _ordered(_findings(files, objects, images))
    return _forms(_report(files, found, _sizes(images), images))


def give_up(workspace: str, dataset: Dataset, lease: Lease, files: Sequence[DeclaredFile]) -> None:
    """End a check that breaks off again and again. Raises Lost."""
    _end(workspace, dataset, lease, _report(files, [findings.not_checked()], None, ()))


def _end(workspace: str, dataset: Dataset, lease: Lease, whole: Report) -> None:
    repository.settle(workspace, dataset, lease, *_forms(whole))


def _forms(whole: Report) -> tuple[Report, bytes]:
    """Return a report as the record has it, and as the bucket has it."""
    few = whole.sizes is not None and len(whole.sizes) <= SIZES_IN_RECORD
    in_record = whole.model_copy(
        update={
            "findings": whole.findings[:FINDINGS_IN_RECORD],
            "sizes": whole.sizes if few else None,
        }
    )
    text = json.dumps(whole.model_dump(mode="json"), ensure_ascii=False)
    return in_record, text.encode()


def _findings(
    files: Sequence[DeclaredFile], objects: Mapping[str, StoredObject], images: Sequence[Image]
) -> Iterator[Finding]:
    if not any(is_image(file.name) for file in files):
        yield findings.no_images()
    stems = {stem_of(file.name) for file in files if is_image(file.name)}
    for file in files:
        if file.name not in objects:
            yield findings.not_uploaded(file.name)
        elif not is_image(file.name) and stem_of(file.name) not in stems:
            yield findings.caption_without_image(file.name)
    for image in images:
        yield from (*image.findings, *image.caption_findings)
    yield from duplicates.find(images)


def _ordered(found: Iterator[Finding]) -> list[Finding]:
    return sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.file or "", one.code))


def _report(
    files: Sequence[DeclaredFile],
    found: list[Finding],
    sizes: list[list[int]] | None,
    looked_at: Sequence[Image],
) -> Report:
    images = sum(is_image(file.name) for file in files)
    # A caption that was written through the API is not among the declared files.
    written = {caption_of(one.name) for one in looked_at if one.caption is not None}
    captions = written | {file.name for file in files if not is_image(file.name)}
    counted = Counter(one.severity for one in found)
    return Report(
        images=images,
        captions=len(captions),
        errors=counted["error"],
        warnings=counted["warning"],
        infos=counted["info"],
        findings=found,
        counts=Counter(one.code for one in found),
        sizes=sizes,
    )


def _sizes(images: Sequence[Image]) -> list[list[int]] | None:
    counted: Counter[tuple[int, int]] = Counter()
    for image in images:
        if image.width is None or image.height is None:
            return None
        counted[image.width, image.height] += 1
    return [[*size, count] for size, count in sorted(counted.items())] or None
