"""Where the images of a dataset fall at a resolution, reckoned as trainings reckon it.

With the options that trainings have unless they are given others.
"""

from collections.abc import Sequence
from typing import Any

from lambdas.datasets.report_schema import BucketOfImages
from lambdas.datasets.subset_schema import Filled
from lambdas.trainings.arithmetic import BucketedDataset, Sizes, Subset, lay_out, schedule
from lambdas.trainings.buckets import BucketSettings, CannotBucket

_LEAST = 256  # as the presets of trainings have it, like all below


def at(resolution: int, folders: Sequence[Filled]) -> dict[str, Any]:
    """Return `buckets` and `steps_per_epoch` of a report; None where they can't be told."""
    unknown: dict[str, Any] = {"buckets": None, "steps_per_epoch": None}
    subsets = [
        Subset(tuple(Sizes(*size) for size in one.sizes), one.subset.repeats)
        for one in folders
        if one.sizes
    ]
    if not subsets or len(subsets) < len(folders):
        return unknown
    settings = BucketSettings(
        resolution=(resolution, resolution),
        enable_bucket=True,
        min_bucket_reso=min(_LEAST, resolution),
        max_bucket_reso=resolution * 2,
        bucket_reso_steps=64,
        bucket_no_upscale=True,
    )
    try:
        layout = lay_out(BucketedDataset(tuple(subsets), settings))
    except CannotBucket:
        return unknown
    return {
        "buckets": [
            BucketOfImages(resolution=list(one.resolution), images=one.images, samples=one.samples)
            for one in layout.buckets
        ],
        "steps_per_epoch": schedule(layout.batches).steps_per_epoch,
    }
