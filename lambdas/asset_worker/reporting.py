"""The report of a dataset, put together when each image was looked at."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lambdas.asset_worker import duplicates, findings, repository
from lambdas.asset_worker.leases import Lease
from lambdas.core.bucket import StoredObject
from lambdas.datasets.images import Image
from lambdas.datasets.report_schema import SEVERITIES, Finding, Report
from lambdas.datasets.schema import Dataset, DeclaredFile, is_image, stem_of

FINDINGS_IN_RECORD = 20
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
    _end(workspace, dataset, lease, _report(files, found, _sizes(images)))


def give_up(workspace: str, dataset: Dataset, lease: Lease, files: Sequence[DeclaredFile]) -> None:
    """End a check that breaks off again and again. Raises Lost."""
    _end(workspace, dataset, lease, _report(files, [findings.not_checked()], None))


def _end(workspace: str, dataset: Dataset, lease: Lease, whole: Report) -> None:
    few = whole.sizes is not None and len(whole.sizes) <= SIZES_IN_RECORD
    in_record = whole.model_copy(
        update={
            "findings": whole.findings[:FINDINGS_IN_RECORD],
            "sizes": whole.sizes if few else None,
        }
    )
    text = json.dumps(whole.model_dump(mode="json"), ensure_ascii=False)
    repository.settle(workspace, dataset, lease, in_record, text.encode())


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
    files: Sequence[DeclaredFile], found: list[Finding], sizes: list[list[int]] | None
) -> Report:
    images = sum(is_image(file.name) for file in files)
    counted = Counter(one.severity for one in found)
    return Report(
        images=images,
        captions=len(files) - images,
        errors=counted["error"],
        warnings=counted["warning"],
        infos=counted["info"],
        findings=found,
        sizes=sizes,
    )


def _sizes(images: Sequence[Image]) -> list[list[int]] | None:
    counted: Counter[tuple[int, int]] = Counter()
    for image in images:
        if image.width is None or image.height is None:
            return None
        counted[image.width, image.height] += 1
    return [[*size, count] for size, count in sorted(counted.items())] or None
