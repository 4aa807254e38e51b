"""Multipart uploads up to their completion."""

from local.http_server import Response
from local.s3 import checksums, conditions, xml
from local.s3.blobs import Extent, Slice
from local.s3.call import Call
from local.s3.copying import copy_source
from local.s3.errors import S3Error
from local.s3.objects import ENCRYPTION, metadata, xml_response
from local.s3.payload import receive
from local.s3.records import Checksum, Part, Upload, now
from local.s3.uploads import new_upload_id

MOST_PARTS = 10_000


def create_upload(call: Call) -> Response:
    """Begin a multipart upload."""
    algorithm = call.request.value("x-amz-checksum-algorithm")
    kind = _checksum_type(call, algorithm)
    if algorithm and algorithm.lower() not in checksums.ALGORITHMS:
        raise S3Error("InvalidRequest", "Checksum algorithm provided is unsupported.")
    new = Upload(
        new_upload_id(),
        call.bucket,
        call.key,
        now(),
        metadata(call),
        algorithm.lower() if algorithm else None,
        kind,
    )
    call.service.uploads.create(new)
    headers = dict(ENCRYPTION)
    if algorithm and kind:
        headers |= {"x-amz-checksum-algorithm": algorithm.upper(), "x-amz-checksum-type": kind}
    content = {"Bucket": call.bucket, "Key": call.key, "UploadId": new.upload_id}
    return xml_response("InitiateMultipartUploadResult", content, headers)


def upload_part(call: Call) -> Response:
    """Take in one part."""
    upload, number = upload_of(call), _part_number(call)
    received = receive(call.request, call.identity, call.service.store.blobs)
    blobs = call.service.store.blobs
    with blobs.given_up_on_error([received.extent.blob]):
        _check_algorithm(upload, received.checksum)
        part = Part(number, received.extent, received.etag, now(), received.checksum)
        call.service.uploads.put_part(upload, part)
    headers = {"ETag": f'"{part.etag}"', **ENCRYPTION}
    if part.checksum:
        headers[part.checksum.header] = part.checksum.value
    return Response(200, headers)


def upload_part_copy(call: Call) -> Response:
    """Make a part from an object or a range of one."""
    upload, number = upload_of(call), _part_number(call)
    blobs = call.service.store.blobs
    bucket, key = copy_source(call)
    with call.readable(bucket, key) as source:
        conditions.check_read(call.request.headers, source, "x-amz-copy-source-")
        wanted = {"range": call.request.headers.get("x-amz-copy-source-range", "")}
        chosen = conditions.byte_range(wanted, source)
        first, length = (chosen.first, chosen.length) if chosen else (0, source.size)
        extent, etag = _copied(call, Slice(blobs, source.extents, first, length))
    with blobs.given_up_on_error([extent.blob]):
        part = Part(number, extent, etag, now())
        call.service.uploads.put_part(upload, part)
    content = {"LastModified": _iso(part), "ETag": f'"{etag}"'}
    return xml_response("CopyPartResult", content, ENCRYPTION)


def abort_upload(call: Call) -> Response:
    """Give up an upload and its parts."""
    call.service.uploads.abort(upload_of(call))
    return Response(204)


def list_parts(call: Call) -> Response:
    """List the parts of an upload by number, a page at a time."""
    upload, query = upload_of(call), call.request.query
    marker, most = int(query.get("part-number-marker") or 0), int(query.get("max-parts") or 1000)
    later = [part for part in call.service.uploads.parts(upload.upload_id) if part.number > marker]
    page = later[: min(most, 1000)]
    content: dict[str, xml.Value] = {
        "Bucket": call.bucket,
        "Key": call.key,
        "UploadId": upload.upload_id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": most,
        "IsTruncated": len(later) > len(page),
        "ChecksumAlgorithm": upload.algorithm.upper() if upload.algorithm else None,
        "ChecksumType": upload.kind,
        "Part": [_listed(part) for part in page],
        "StorageClass": "STANDARD",
    }
    return xml_response("ListPartsResult", content)


def list_uploads(call: Call) -> Response:
    """List the uploads under way in a bucket."""
    prefix = call.request.query.get("prefix", "")
    found = call.service.uploads.of_bucket(call.bucket, prefix)
    listed: list[xml.Value] = [
        {
            "Key": upload.key,
            "UploadId": upload.upload_id,
            "StorageClass": "STANDARD",
            "Initiated": upload.started.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        for upload in found
    ]
    content: dict[str, xml.Value] = {
        "Bucket": call.bucket,
        "Prefix": prefix,
        "MaxUploads": len(found),
        "IsTruncated": False,
        "Upload": listed,
    }
    return xml_response("ListMultipartUploadsResult", content)


def upload_of(call: Call) -> Upload:
    """Return the upload that a call names. Raises S3Error NoSuchUpload."""
    return call.service.uploads.get(call.bucket, call.key, call.request.query["uploadId"])


def _checksum_type(call: Call, algorithm: str | None) -> str | None:
    if algorithm is None:
        return None
    usual = "FULL_OBJECT" if algorithm.upper() == "CRC64NVME" else "COMPOSITE"
    return call.request.value("x-amz-checksum-type") or usual


def _part_number(call: Call) -> int:
    text = call.request.query["partNumber"]
    if not text.isdecimal() or not 1 <= int(text) <= MOST_PARTS:
        raise S3Error(
            "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive"
        )
    return int(text)


def _check_algorithm(upload: Upload, checksum: Checksum | None) -> None:
    """Refuse a part without the checksum that its upload was begun with.

    The reverse is taken: boto3 adds a checksum to every part and none to the upload.
    """
    actual = checksum.algorithm if checksum else None
    needed = upload.kind == "COMPOSITE" or (upload.algorithm and actual)
    if needed and actual != upload.algorithm:
        raise S3Error(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm}, "
            f"actual checksum Type: {actual or 'null'}",
        )


def _copied(call: Call, piece: Slice) -> tuple[Extent, str]:
    md5 = checksums.md5()
    with call.service.store.blobs.writing() as (blob, file):
        for data in piece.read():
            md5.update(data)
            file.write(data)
    return Extent(blob, piece.length), md5.digest().hex()


def _listed(part: Part) -> dict[str, xml.Value]:
    found: dict[str, xml.Value] = {
        "PartNumber": part.number,
        "LastModified": _iso(part),
        "ETag": f'"{part.etag}"',
        "Size": part.extent.size,
    }
    if part.checksum:
        found[part.checksum.element] = part.checksum.value
    return found


def _iso(part: Part) -> str:
    return part.modified.strftime("%Y-%m-%dT%H:%M:%S.000Z")
