"""Models in the table, their files in the bucket."""

from collections.abc import Sequence
from datetime import timedelta

from botocore.exceptions import ClientError

from lambdas.core import aws, bucket, clock, presign, stored, table
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict, NotFound, ServiceError, Unprocessable
from lambdas.core.idempotency import Attempt
from lambdas.core.ids import looks_like_id
from lambdas.core.names import name_taken
from lambdas.core.presign import SignedDownload
from lambdas.core.settings import Settings
from lambdas.core.table import Key, Put
from lambdas.models import safetensors
from lambdas.models.safetensors import Header
from lambdas.models.schema import FmType, Model, ModelType, PartUpload, Upload, UploadedPart
from lambdas.models.upload_schema import ArrivedPart

# As long as the bucket's lifecycle rule lets an unfinished upload stand.
UPLOAD_LIFE = timedelta(days=7)
OPEN_SHARD = "open#model"
_REFUSED_PARTS = {
    "InvalidPart": "A part was not found or has another ETag: send each ETag as S3 answered it.",
    "InvalidPartOrder": "A part number stands twice.",
    "EntityTooSmall": "A part is missing or smaller than part_size.",
}


def key_of(workspace: str, model_id: str) -> Key:
    """Return where a model's item lies."""
    return Key(f"{workspace}#model", model_id)


def name_key(workspace: str, name: str) -> Key:
    """Return where the lock on a model's name lies; its `id` is the model's."""
    return Key(f"{workspace}#model#name", name)


def folder_of(workspace: str, model_id: str) -> str:
    """Return the prefix under which a model's one file lies in the bucket."""
    return f"{workspace}/models/{model_id}/"


def file_key(workspace: str, model: Model) -> str:
    """Return where a model's file lies in the bucket."""
    return f"{folder_of(workspace, model.id)}{model.file_name}"


def from_item(item: Item) -> Model:
    """Turn a model's item into a model."""
    return Model.model_validate(item)


def put_of(workspace: str, model: Model, upload: Upload | None = None) -> Put:
    """Return the write that keeps a new model."""
    key = key_of(workspace, model.id)
    item: Item = {"pk": key.pk, "sk": key.sk, "facet": f"{workspace}#model#{model.type}"}
    if upload:
        item["upload"] = upload.model_dump(mode="json")
        item |= {"open_shard": OPEN_SHARD, "next_check_at": clock.text(clock.now() + UPLOAD_LIFE)}
    return Put(item | model.model_dump(mode="json"))


def family_row(workspace: str, model: Model) -> Put:
    """Return the write by which a ready model is found by its type and family together.

    An item stands under one facet only, and a model's own is its type.
    """
    key = family_key(workspace, model.id)
    facet = _family_facet(workspace, model.type, model.fm_type or "other")
    return Put({"pk": key.pk, "sk": key.sk, "facet": facet}, condition=None)


def family_key(workspace: str, model_id: str) -> Key:
    """Return where the row lies by which a model is found by type and family."""
    return Key(f"{workspace}#model#family", model_id)


def _family_facet(workspace: str, model_type: ModelType, fm_type: FmType) -> str:
    return f"{workspace}#model#{model_type}#{fm_type}"


def get(workspace: str, model_id: str) -> Model:
    """Return a model.

    Raises NotFound.
    """
    return from_item(item_of(workspace, model_id))


def get_upload(workspace: str, model_id: str) -> tuple[Model, Upload | None]:
    """Return a model and the upload that its bytes come by; None once it has ended.

    Raises NotFound.
    """
    item = item_of(workspace, model_id)
    return from_item(item), upload_from(item)


def upload_from(item: Item) -> Upload | None:
    """Return the upload that a model's item tells of; None once it has ended."""
    upload = item.get("upload")
    return None if upload is None else Upload.model_validate(upload)


def item_of(workspace: str, model_id: str) -> Item:
    """Return a model's item.

    Raises NotFound.
    """
    item = table.get(key_of(workspace, model_id)) if looks_like_id(model_id, "mdl") else None
    if item is None:
        raise NotFound(f"There is no model {model_id} in this workspace.")
    return item


def page(workspace: str, model_type: str | None, limit: int, after: str | None) -> table.Page:
    """Return one page of models, newest first."""
    if model_type is None:
        return table.query(f"{workspace}#model", limit=limit, after=after)
    start = Key(f"{workspace}#model", after) if after else None
    return table.query_facet(f"{workspace}#model#{model_type}", limit=limit, after=start)


def page_of_family(
    workspace: str, model_type: ModelType, fm_type: FmType, limit: int, after: str | None
) -> table.Page:
    """Return one page of the ready models of a type and a family, newest first."""
    start = family_key(workspace, after) if after else None
    facet = _family_facet(workspace, model_type, fm_type)
    rows = table.query_facet(facet, limit=limit, after=start)
    keys = [key_of(workspace, str(row["sk"])) for row in rows.items]
    found = table.batch_get(keys) if keys else {}
    return table.Page(tuple(found[key] for key in keys if key in found), rows.last)


def start_upload(workspace: str, model: Model, part_size: int) -> Upload:
    """Begin a multipart upload; S3 forgets it by itself when it is abandoned."""
    answer = aws.s3().create_multipart_upload(
        Bucket=_bucket(), Key=file_key(workspace, model), ContentType="application/octet-stream"
    )
    return Upload(
        upload_id=answer["UploadId"], part_size=part_size, expires_at=clock.now() + UPLOAD_LIFE
    )


def insert(workspace: str, model: Model, upload: Upload, attempt: Attempt) -> str | None:
    """Keep a new model, its name and the idempotency record as one.

    Returns the id of the model that another attempt with the same key made first. Raises Conflict
    when the name is in use. This upload is ended then; where the answer of the database was lost it
    goes on, since the model may have been kept.
    """
    try:
        made_first = attempt.transact(
            model.id,
            lock_of(workspace, model.name, model.id),
            put_of(workspace, model, upload),
            taken=name_taken("model", model.name),
            sizes=stored.new(workspace, {model.id: model.size}),
        )
    except ServiceError:
        abort(workspace, model, upload)
        raise
    if made_first is not None:
        abort(workspace, model, upload)
    return made_first


def lock_of(workspace: str, name: str, model_id: str) -> Put:
    """Return the write that takes a name for a model."""
    key = name_key(workspace, name)
    return Put({"pk": key.pk, "sk": key.sk, "id": model_id})


def signed_part(workspace: str, model: Model, upload: Upload, part_number: int) -> PartUpload:
    """Sign the upload of one part."""
    size = upload.size_of(part_number, model.size)
    signed = presign.put_part(file_key(workspace, model), upload.upload_id, part_number, size)
    return PartUpload(part_number=part_number, size=size, upload=signed)


def signed_download(workspace: str, model: Model) -> SignedDownload:
    """Sign the download of a model's file."""
    return presign.get(file_key(workspace, model), model.file_name)


def join_parts(workspace: str, model: Model, upload: Upload, parts: Sequence[UploadedPart]) -> None:
    """Make one object of the parts; when that was done before, nothing happens.

    Raises Unprocessable when S3 does not accept the parts.
    """
    ordered = sorted(parts, key=lambda part: part.part_number)
    try:
        aws.s3().complete_multipart_upload(
            Bucket=_bucket(),
            Key=file_key(workspace, model),
            UploadId=upload.upload_id,
            MultipartUpload={
                "Parts": [{"PartNumber": part.part_number, "ETag": part.etag} for part in ordered]
            },
        )
    except ClientError as error:
        code = aws.error_code(error)
        if code == "NoSuchUpload":
            return
        if code not in _REFUSED_PARTS:
            raise
        raise Unprocessable(_REFUSED_PARTS[code], code="parts_refused") from error


def read_header(key: str) -> Header:
    """Read the safetensors header of an object in at most two ranged reads.

    Raises NotSafetensors, and Conflict when there is no such object, or not yet.
    """

    def read(first: int, last: int) -> tuple[bytes, int]:
        span = bucket.read_span(key, first, last)
        if span is None:
            raise _not_there()
        return span.data, span.total_size

    return safetensors.read_header(read)


def read_whole(workspace: str, model: Model) -> tuple[Header, str]:
    """Read a model's file in one go; return its header and its SHA-256.

    Raises NotSafetensors, and Conflict when there is no such object, or not yet.
    """
    with bucket.opened(file_key(workspace, model)) as stream:
        if stream is None:
            raise _not_there()
        # The header's reads follow each other without a gap, so they can come from a stream.
        header = safetensors.read_header(
            lambda first, last: (stream.read(last - first + 1), stream.total_size)
        )
        return header, stream.digest_of_all()


def arrived_parts(workspace: str, model: Model, upload: Upload) -> list[ArrivedPart] | None:
    """Return the parts that S3 has whole; None when it has no such upload."""
    stored = bucket.parts_of_upload(file_key(workspace, model), upload.upload_id)
    if stored is None:
        return None
    return [
        ArrivedPart(part_number=part.number, size=part.size, etag=part.etag)
        for part in stored
        if part.size == upload.size_of(part.number, model.size)
    ]


def abort(workspace: str, model: Model, upload: Upload) -> None:
    """End an upload and give up its parts; one that has ended is as well."""
    bucket.abort_upload(file_key(workspace, model), upload.upload_id)


def clear(workspace: str, model: Model, upload: Upload | None) -> None:
    """Remove all bytes of a model, those of an upload under way too; none there is as well."""
    if upload:
        abort(workspace, model, upload)
    bucket.delete(file_key(workspace, model))


def _not_there() -> Conflict:
    return Conflict(
        "The file is not there, or not yet: S3 may still be joining its parts. Try again in a "
        "minute; if it stays so, make the model anew.",
        code="not_uploaded",
        headers={"Retry-After": "60"},
    )


def _bucket() -> str:
    return Settings.load().bucket_name
