"""What can keep an image, or a whole dataset, from being cropped or imported."""

from lambdas.datasets.report_schema import Finding


def animated(file: str) -> Finding:
    """Return the finding for an animation, which is not cropped."""
    return Finding(
        severity="error",
        code="animated",
        file=file,
        message="is animated and was left out: only stills are cropped",
        remedy="POST /datasets/{id}/complete goes on without it; for a still of it ask "
        "POST /datasets/{id}/uploads.",
    )


def gone(file: str) -> Finding:
    """Return the finding for an image that the original dataset lacks."""
    return Finding(
        severity="error",
        code="not_uploaded",
        file=file,
        message="is no longer there in the original dataset and was left out",
        remedy="POST /datasets/{id}/complete goes on without it.",
    )


def not_prepared() -> Finding:
    """Return the finding for a dataset whose crop or import broke off again and again."""
    return Finding(
        severity="error",
        code="not_prepared",
        file=None,
        message="Making this dataset broke off several times without getting further.",
        remedy="Delete it and try again; if it stays, tell whoever runs this service.",
    )
