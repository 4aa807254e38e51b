"""The routes of datasets."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from lambdas.core import http
from lambdas.core.caller import CurrentCaller
from lambdas.core.http import IdempotencyKey
from lambdas.core.idempotency import Attempt
from lambdas.core.pages import Cursor, Limit, Page
from lambdas.datasets import service
from lambdas.datasets.report_schema import DatasetReport
from lambdas.datasets.schema import (
    Dataset,
    DatasetImage,
    DatasetUploads,
    MoreUploads,
    NewDataset,
)

app = http.resolver()

AtResolution = Annotated[
    int,
    Query(ge=64, le=2048, description="Reckon buckets for this `resolution`, 1024 for SDXL say."),
]


@app.post("/datasets", status_code=201, tags=["Datasets"], operation_id="createDataset")
def create_dataset(
    caller: CurrentCaller, body: NewDataset, idempotency_key: IdempotencyKey = None
) -> Response[DatasetUploads]:
    """Create a dataset.

    Answers a presigned upload for each file, at most 500; the bytes go straight to S3.
    """
    attempt = Attempt.of(caller.workspace, idempotency_key, "POST /datasets", body)
    made, replayed = service.create(caller, body, attempt)
    return http.created(app, made, made.dataset.id, replayed=replayed)


@app.get("/datasets", tags=["Datasets"], operation_id="listDatasets")
def list_datasets(caller: CurrentCaller, limit: Limit = 50, cursor: Cursor = None) -> Page[Dataset]:
    """List datasets, newest first."""
    return service.page(caller, limit, cursor)


@app.get("/datasets/<dataset_id>", tags=["Datasets"], operation_id="getDataset")
def get_dataset(caller: CurrentCaller, dataset_id: str) -> Dataset:
    """Read a dataset."""
    return service.get(caller, dataset_id)


@app.post("/datasets/<dataset_id>/uploads", tags=["Datasets"], operation_id="createDatasetUploads")
def create_dataset_uploads(
    caller: CurrentCaller, dataset_id: str, body: Annotated[MoreUploads | None, Body()] = None
) -> DatasetUploads:
    """Ask for uploads.

    Fresh URLs for what has not been uploaded, so that an interrupted upload goes on; with `files`
    also for more files, and with `remove` without those. So a dataset that is `invalid` is
    corrected.
    """
    return service.uploads(caller, dataset_id, body or MoreUploads())


@app.post(
    "/datasets/<dataset_id>/complete",
    status_code=202,
    tags=["Datasets"],
    operation_id="completeDataset",
)
def complete_dataset(caller: CurrentCaller, dataset_id: str) -> Dataset:
    """Complete a dataset.

    Refuses it while files are missing, else has every image decoded and every caption read. Ask
    for the dataset until it is no longer `validating`: it is `ready` then, or `invalid`, and its
    `report` says why. After a correction complete it again; only what is new is looked at.
    """
    return service.complete(caller, dataset_id)


@app.get("/datasets/<dataset_id>/report", tags=["Datasets"], operation_id="getDatasetReport")
def get_dataset_report(
    caller: CurrentCaller, dataset_id: str, resolution: AtResolution = 512
) -> DatasetReport:
    """Read the report of a dataset.

    All that its check found, and the buckets that its images fall into at a resolution.
    """
    return service.report(caller, dataset_id, resolution)


@app.get("/datasets/<dataset_id>/images", tags=["Datasets"], operation_id="listDatasetImages")
def list_dataset_images(
    caller: CurrentCaller, dataset_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[DatasetImage]:
    """List the images of a dataset.

    With captions and previews, in the order of their names as they were declared; empty until
    they were checked.
    """
    return service.image_page(caller, dataset_id, limit, cursor)


handler = http.handler_of(app)
