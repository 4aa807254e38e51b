"""What captioning means for the datasets and options of a training."""

from collections.abc import Mapping, Sequence
from typing import Any

from lambdas.core.errors import Fault
from lambdas.datasets.report_schema import Report
from lambdas.datasets.schema import Dataset
from lambdas.trainings.captioning_schema import Captioning


def is_usable(dataset: Dataset, captioning: Captioning | None) -> bool:
    """Say whether a dataset can be trained on: ready, or lacking only what captioning brings."""
    return dataset.status == "ready" or (captioning is not None and _lacks_only_captions(dataset))


def remedy(dataset: Dataset) -> str:
    """Return why a dataset can't be trained on and what would do."""
    if _lacks_only_captions(dataset):
        return f"{dataset.name} lacks captions: upload them and complete it, or set captioning"
    if dataset.status in ("preparing", "validating"):
        return f"{dataset.name} is {dataset.status}: wait until it is ready"
    return f"{dataset.name} is {dataset.status}: complete it first"


def warnings(
    captioning: Captioning | None, datasets: Sequence[Dataset | None], params: Mapping[str, Any]
) -> tuple[Fault, ...]:
    """Return what would start with this captioning and is hardly what is meant."""
    if captioning is None:
        return ()
    return (*_nothing_to_do(captioning, datasets), *_shuffled(captioning, params))


def without_caption(report: Report) -> int:
    """Return how many images have no caption, or an empty one."""
    if not report.counts:  # nothing was found, or it was made before findings were counted
        return max(report.images - report.captions, 0)
    return sum(report.counts.get(code, 0) for code in ("missing_caption", "caption_empty"))


def _lacks_only_captions(dataset: Dataset) -> bool:
    report = dataset.report
    return (
        dataset.status == "invalid"
        and dataset.caption_policy == "required"  # else a caption that lacks is no error
        and report is not None
        and 0 < report.errors == without_caption(report)
    )


def _nothing_to_do(captioning: Captioning, datasets: Sequence[Dataset | None]) -> list[Fault]:
    reports = [dataset.report for dataset in datasets if dataset and dataset.report]
    if captioning.existing != "keep" or any(map(without_caption, reports)):
        return []
    return [
        Fault(
            "/captioning/existing",
            "is keep and every image has a caption, so only empty ones are proposed: set append or "
            "replace, or leave captioning out",
        )
    ]


def _shuffled(captioning: Captioning, params: Mapping[str, Any]) -> list[Fault]:
    first = len(captioning.prepend)
    if not params.get("shuffle_caption") or params.get("keep_tokens", 0) >= first:
        return []
    return [
        Fault(
            "/captioning/prepend",
            f"does not stay in front, since shuffle_caption is set: set keep_tokens to {first}",
        )
    ]
