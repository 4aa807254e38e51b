"""The routes of datasets."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from lambdas.core import http, revisions
from lambdas.core.caller import CurrentCaller
from lambdas.core.http import IdempotencyKey
from lambdas.core.idempotency import Attempt
from lambdas.core.pages import Cursor, Limit, Page
from lambdas.core.revisions import IfMatch
from lambdas.datasets import (
    caption_routes,
    deriving,
    exporting,
    importing,
    review_routes,
    service,
)
from lambdas.datasets.library_schema import (
    DatasetChanges,
    DatasetExport,
    Imported,
    NewCrop,
    NewImport,
)
from lambdas.datasets.report_schema import DatasetReport
from lambdas.datasets.schema import (
    Dataset,
    DatasetImage,
    NewDataset,
)
from lambdas.datasets.uploads_schema import DatasetUploads, MoreUploads

app = http.resolver()

ExportLimit = Annotated[int, Query(ge=1, le=500, description="How many files to answer at most.")]

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
    """List datasets, newest first.

    All of the workspace, with their status.
    """
    return service.page(caller, limit, cursor)


@app.post("/datasets/import", status_code=202, tags=["Datasets"], operation_id="importDataset")
def import_dataset(
    caller: CurrentCaller, body: NewImport, idempotency_key: IdempotencyKey = None
) -> Response[Imported]:
    """Import a dataset from S3.

    `aws s3 sync 100_demo s3://bucket/workspace/inbox/100_demo` puts a folder into the workspace's
    inbox; this makes a dataset of it. Folders like 100_demo in a folder, at most 16, become one
    dataset whose `subsets` they are. What lies there at the moment is imported, and copies are
    made: it may be deleted from the inbox when the dataset is no longer `preparing`. Afterwards it
    is checked like any other.
    """
    attempt = Attempt.of(caller.workspace, idempotency_key, "POST /datasets/import", body)
    made, replayed = importing.import_folder(caller, body, attempt)
    return http.accepted(app, made, f"/datasets/{made.dataset.id}", replayed=replayed)


@app.get("/datasets/<dataset_id>", tags=["Datasets"], operation_id="getDataset")
def get_dataset(caller: CurrentCaller, dataset_id: str) -> Response[Dataset]:
    """Read a dataset.

    The ETag in the answer's headers says how it stands, for `If-Match`.
    """
    dataset = service.get(caller, dataset_id)
    return revisions.tagged(dataset, dataset.revision)


@app.patch("/datasets/<dataset_id>", tags=["Datasets"], operation_id="updateDataset")
def update_dataset(
    caller: CurrentCaller, dataset_id: str, body: DatasetChanges, if_match: IfMatch = None
) -> Response[Dataset]:
    """Change a dataset's name, description or tags.

    With `If-Match` only as long as nobody else has changed it.
    """
    dataset = service.change(caller, dataset_id, body, if_match)
    return revisions.tagged(dataset, dataset.revision)


@app.delete(
    "/datasets/<dataset_id>", status_code=202, tags=["Datasets"], operation_id="deleteDataset"
)
def delete_dataset(caller: CurrentCaller, dataset_id: str) -> Dataset:
    """Delete a dataset and its files.

    Refused while a training uses it. It is `deleting` until all is gone, which takes some seconds,
    up to two minutes where it was just being worked on, and can be read until then; its name is
    free as soon as its removal has begun.
    """
    return service.delete(caller, dataset_id)


@app.post(
    "/datasets/<dataset_id>/crop", status_code=202, tags=["Datasets"], operation_id="cropDataset"
)
def crop_dataset(
    caller: CurrentCaller, dataset_id: str, body: NewCrop, idempotency_key: IdempotencyKey = None
) -> Response[Dataset]:
    """Crop a dataset into a new one.

    Captions come along, and the original stays as it is. Images are turned as their EXIF
    orientation says. The new dataset is `preparing`, then checked like any other; one with images
    that can't be cropped, animated ones say, is `invalid`, and its report names them:
    completing it goes on without them.
    """
    attempt = Attempt.of(
        caller.workspace, idempotency_key, f"POST /datasets/{dataset_id}/crop", body
    )
    made, replayed = deriving.crop(caller, dataset_id, body, attempt)
    return http.accepted(app, made, f"/datasets/{made.id}", replayed=replayed)


@app.get("/datasets/<dataset_id>/export", tags=["Datasets"], operation_id="exportDataset")
def export_dataset(
    caller: CurrentCaller, dataset_id: str, limit: ExportLimit = 500, cursor: Cursor = None
) -> DatasetExport:
    """Export a dataset.

    Its manifest: each file with size, checksums and a URL to download it, which lives an hour at
    most.
    """
    return exporting.page(caller, dataset_id, limit, cursor)


@app.post("/datasets/<dataset_id>/uploads", tags=["Datasets"], operation_id="createDatasetUploads")
def create_dataset_uploads(
    caller: CurrentCaller,
    dataset_id: str,
    body: Annotated[MoreUploads | None, Body()] = None,
    idempotency_key: IdempotencyKey = None,
) -> DatasetUploads:
    """Ask for uploads.

    Fresh URLs for what has not been uploaded, so that an interrupted upload goes on; with `files`
    also for more files, and with `remove` without those. So a dataset that is `invalid` is
    corrected. In one of several subsets the names begin with a folder: 100_demo/demo1.png.
    """
    route = f"POST /datasets/{dataset_id}/uploads"
    attempt = Attempt.of(caller.workspace, idempotency_key, route, body)
    return service.uploads(caller, dataset_id, body or MoreUploads(), attempt)


@app.post(
    "/datasets/<dataset_id>/complete",
    status_code=202,
    tags=["Datasets"],
    operation_id="completeDataset",
)
def complete_dataset(
    caller: CurrentCaller, dataset_id: str, idempotency_key: IdempotencyKey = None
) -> Dataset:
    """Complete a dataset.

    Refuses it while files are missing, else has every image decoded and every caption read. Ask
    for the dataset until it is no longer `validating`: it is `ready` then, or `invalid`, and its
    `report` says why. After a correction complete it again; only what is new is looked at.
    """
    route = f"POST /datasets/{dataset_id}/complete"
    attempt = Attempt.of(caller.workspace, idempotency_key, route)
    return service.complete(caller, dataset_id, attempt)


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


app.include_router(caption_routes.router)
app.include_router(review_routes.router)
handler = http.handler_of(app)
