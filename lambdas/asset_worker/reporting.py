"""The report of a dataset, put together when each image was looked at."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from lambdas.asset_worker import duplicates, findings, repository, subset_reports
from lambdas.asset_worker.leases import Lease
from lambdas.asset_worker.repository import FINDINGS_IN_RECORD
from lambdas.core.bucket import StoredObject
from lambdas.datasets.images import Image
from lambdas.datasets.report_schema import SEVERITIES, Finding, Report
from lambdas.datasets.schema import Dataset, DeclaredFile, is_image, stem_of

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
    _end(workspace, dataset, lease, _of_all(dataset, files, objects, images))


def anew(
    dataset: Dataset,
    files: Sequence[DeclaredFile],
    objects: Mapping[str, StoredObject],
    known: Mapping[str, Image],
) -> tuple[Report | None, bytes]:
    """Return the report on what is known, in short and whole; None where not all was looked at."""
    there = [file for file in files if is_image(file.name) and file.name in objects]
    if any(file.id not in known for file in there):
        return None, b""
    images = [known[file.id] for file in there]
    return _forms(_of_all(dataset, files, objects, images))


def give_up(workspace: str, dataset: Dataset, lease: Lease, files: Sequence[DeclaredFile]) -> None:
    """End a check that breaks off again and again. Raises Lost."""
    _end(workspace, dataset, lease, _report(files, [findings.not_checked()], None, ()))


def _of_all(
    dataset: Dataset,
    files: Sequence[DeclaredFile],
    objects: Mapping[str, StoredObject],
    images: Sequence[Image],
) -> Report:
    subsets = subset_reports.of(dataset.subsets, files, images)
    found = _ordered(chain(_findings(files, objects, images), subset_reports.findings_of(subsets)))
    whole = _report(files, found, subset_reports.sizes_of(images), images)
    return whole.model_copy(update={"subsets": subsets})


def _end(workspace: str, dataset: Dataset, lease: Lease, whole: Report) -> None:
    repository.settle(workspace, dataset, lease, *_forms(whole))


def _forms(whole: Report) -> tuple[Report, bytes]:
    """Return a report as the record has it, and as the bucket has it."""
    few = whole.sizes is not None and len(whole.sizes) <= SIZES_IN_RECORD
    in_record = whole.model_copy(
        update={
            "findings": whole.findings[:FINDINGS_IN_RECORD],
            "sizes": whole.sizes if few else None,
            "subsets": subset_reports.shortened(whole.subsets, SIZES_IN_RECORD),
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
    counted = Counter(one.severity for one in found)
    return Report(
        images=sum(is_image(file.name) for file in files),
        captions=len(subset_reports.captions_of(files, looked_at)),
        errors=counted["error"],
        warnings=counted["warning"],
        infos=counted["info"],
        findings=found,
        counts=Counter(one.code for one in found),
        sizes=sizes,
    )
