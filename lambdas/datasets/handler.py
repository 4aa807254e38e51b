"""The routes of datasets."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from lambdas.core import http
from lambdas.core.caller import CurrentCaller
from lambdas.core.http import IdempotencyKey
from lambdas.core.idempotency import Attempt
from lambdas.core.pages import Cursor, Limit, Page
from lambdas.datasets import service
from lambdas.datasets.schema import Dataset, DatasetUploads, MoreUploads, NewDataset

app = http.resolver()


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
    also for more files.
    """
    return service.uploads(caller, dataset_id, body or MoreUploads())


@app.post("/datasets/<dataset_id>/complete", tags=["Datasets"], operation_id="completeDataset")
def complete_dataset(caller: CurrentCaller, dataset_id: str) -> Dataset:
    """Complete a dataset.

    Checks that every file came, that images and captions pair and that images are images; then
    it is `ready`.
    """
    return service.complete(caller, dataset_id)


handler = http.handler_of(app)
