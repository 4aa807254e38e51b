"""Storing what a job made, when its program has ended."""

from pathlib import Path

from local.sagemaker.describe import artifacts_uri, uncompressed
from local.sagemaker.job import Job
from local.sagemaker.transfer import Transfer


def store_output(job: Job, base: Path, transfer: Transfer, *, model: bool) -> None:
    """Store /opt/ml/output/data, and /opt/ml/model if wanted. Raises TransferError.

    Source: "Uncompressed model output" in the SageMaker developer guide.
    """
    target = artifacts_uri(job)
    folders = {"data": base / "output" / "data"} | ({"model": base / "model"} if model else {})
    for name, folder in folders.items():
        if uncompressed(job):
            transfer.upload_folder(folder, target / name)
        elif any(folder.iterdir()):
            archive = "model.tar.gz" if name == "model" else "output.tar.gz"
            transfer.upload_archive(folder, target / archive, base / archive)
