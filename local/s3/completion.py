"""CompleteMultipartUpload: the object keeps the parts as its extents, nothing is moved."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from local.http_server import Response
from local.s3 import checksums, xml
from local.s3.call import Call
from local.s3.errors import S3Error
from local.s3.multipart import upload_of
from local.s3.objects import ENCRYPTION, xml_response
from local.s3.payload import receive_document
from local.s3.records import Checksum, Part, StoredObject, Upload, now

SMALLEST_PART = 5 << 20


@dataclass(frozen=True)
class NamedPart:
    """A part as the completing request names it."""

    number: int
    etag: str
    checksum: str | None


def complete_upload(call: Call) -> Response:
    """Make the object of the parts that the request names."""
    body = receive_document(call.request, call.identity, checksum=False)  # it is the object's
    upload, uploads = upload_of(call), call.service.uploads
    stored = {part.number: part for part in uploads.parts(upload.upload_id)}
    parts = _chosen(_named(body), stored, upload)
    new = StoredObject(
        key=call.key,
        extents=tuple(part.extent for part in parts),
        etag=_etag(parts),
        modified=now(),
        headers=upload.headers,
        checksum=_checksum(call, upload, parts),
        parts=len(parts),
    )
    used = {part.number for part in parts}
    unused = [part.extent.blob for number, part in stored.items() if number not in used]
    call.keep(new, "CompleteMultipartUpload", also=lambda: uploads.forget(upload.upload_id))
    call.service.store.blobs.remove(unused)
    content = {
        "Location": f"http://{call.request.headers['host']}{call.request.raw_path}",
        "Bucket": call.bucket,
        "Key": call.key,
        "ETag": new.quoted_etag,
    }
    if new.checksum:
        content |= {new.checksum.element: new.checksum.value, "ChecksumType": new.checksum.kind}
    return xml_response("CompleteMultipartUploadResult", content, ENCRYPTION)


def _named(body: bytes) -> list[NamedPart]:
    root = xml.parse(body, "CompleteMultipartUpload")
    named = [_named_part(one) for one in xml.children(root, "Part")]
    if not named:
        raise S3Error("MalformedXML", "You must specify at least one part")
    numbers = [one.number for one in named]
    if numbers != sorted(set(numbers)):
        raise S3Error(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        )
    return named


def _named_part(element: ET.Element) -> NamedPart:
    number = xml.child_text(element, "PartNumber") or ""
    if not number.isdecimal():
        raise S3Error("MalformedXML", "A part needs its PartNumber")
    found = (xml.child_text(element, f"Checksum{one.upper()}") for one in checksums.ALGORITHMS)
    etag = (xml.child_text(element, "ETag") or "").strip('"')
    return NamedPart(int(number), etag, next((one for one in found if one), None))


def _chosen(named: list[NamedPart], stored: Mapping[int, Part], upload: Upload) -> list[Part]:
    parts = [_matching(one, stored.get(one.number), upload) for one in named]
    for part in parts[:-1]:
        if part.extent.size < SMALLEST_PART:
            raise S3Error(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                ETag=part.etag,
                MinSizeAllowed=str(SMALLEST_PART),
                PartNumber=str(part.number),
                ProposedSize=str(part.extent.size),
            )
    return parts


def _matching(named: NamedPart, part: Part | None, upload: Upload) -> Part:
    if upload.kind == "COMPOSITE" and upload.algorithm and named.checksum is None:
        raise S3Error(
            "InvalidRequest",
            f"The upload was created using a {upload.algorithm} checksum. The complete request "
            f"must include the checksum for each part. It was missing for part {named.number} in "
            "the request.",
        )
    stored_checksum = part.checksum.value if part and part.checksum else None
    if part is None or part.etag != named.etag or named.checksum not in (None, stored_checksum):
        raise S3Error(
            "InvalidPart",
            "One or more of the specified parts could not be found. The part may not have been "
            "uploaded, or the specified entity tag may not match the part's entity tag.",
            UploadId=upload.upload_id,
            PartNumber=str(named.number),
            ETag=named.etag,
        )
    return part


def _etag(parts: list[Part]) -> str:
    joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"


def _checksum(call: Call, upload: Upload, parts: list[Part]) -> Checksum | None:
    if upload.algorithm is None:
        return None
    if upload.kind == "COMPOSITE":
        return checksums.composite(upload.algorithm, parts)
    sent = call.request.value(checksums.PREFIX + upload.algorithm)
    return checksums.full_object(upload.algorithm, sent, parts) if sent else None
