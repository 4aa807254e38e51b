"""CopyObject, and what UploadPartCopy shares with it."""

from collections.abc import Mapping
from urllib.parse import unquote

from local.http_server import Response
from local.s3 import checksums, conditions
from local.s3.blobs import Blobs, Extent, Slice
from local.s3.call import Call
from local.s3.errors import S3Error
from local.s3.objects import ENCRYPTION, metadata, timestamp, xml_response
from local.s3.payload import MAX_PUT
from local.s3.records import Checksum, StoredObject, now


def copy_object(call: Call) -> Response:
    """Make a copy without moving a byte: the blobs are linked."""
    store = call.service.store
    bucket, key = copy_source(call)
    with call.readable(bucket, key) as source:
        conditions.check_read(call.request.headers, source, "x-amz-copy-source-")
        headers = _metadata(call, bucket, source)
        etag, checksum = _digests(source, store.blobs)
        extents = tuple(Extent(store.blobs.link(one.blob), one.size) for one in source.extents)
    new = StoredObject(call.key, extents, etag, now(), headers, checksum)
    with store.blobs.given_up_on_error([one.blob for one in extents]):
        call.keep(new, "CopyObject")
    content = {"LastModified": timestamp(new), "ETag": new.quoted_etag}
    if checksum:
        content |= {checksum.element: checksum.value, "ChecksumType": checksum.kind}
    return xml_response("CopyObjectResult", content, ENCRYPTION)


def copy_source(call: Call) -> tuple[str, str]:
    """Return bucket and key of x-amz-copy-source, which the caller may read. Raises S3Error."""
    header = call.request.headers["x-amz-copy-source"].partition("?")[0]
    bucket, _, key = unquote(header).removeprefix("/").partition("/")
    if not key:
        raise S3Error("InvalidArgument", "Copy Source must mention the source bucket and key")
    if bucket not in call.service.buckets:
        raise S3Error("NoSuchBucket", "The specified bucket does not exist", BucketName=bucket)
    call.require("s3:GetObject", bucket, key)
    return bucket, key


def _metadata(call: Call, bucket: str, source: StoredObject) -> Mapping[str, str]:
    if source.size > MAX_PUT:
        raise S3Error(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy "
            f"source: {MAX_PUT}",
        )
    if call.request.headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE":
        return metadata(call)
    if (bucket, source.key) == (call.bucket, call.key):
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself "
            "without changing the object's metadata.",
        )
    return source.headers


def _digests(source: StoredObject, blobs: Blobs) -> tuple[str, Checksum | None]:
    """Return ETag and checksum of the copy: of the bytes, also where the source's are of parts."""
    if not source.parts:
        return source.etag, source.checksum
    algorithm = source.checksum.algorithm if source.checksum else None
    md5, additional = checksums.md5(), checksums.digest_for(algorithm)
    for piece in Slice(blobs, source.extents, 0, source.size).read():
        md5.update(piece)
        if additional:
            additional.update(piece)
    checksum = checksums.of(algorithm, additional) if algorithm and additional else None
    return md5.digest().hex(), checksum
