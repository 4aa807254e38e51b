"""PutObject, GetObject, HeadObject, DeleteObject, DeleteObjects."""

import re
from collections.abc import Mapping
from email.utils import format_datetime

from local.http_server import Request, Response
from local.s3 import conditions, xml
from local.s3.blobs import Slice
from local.s3.call import Call
from local.s3.errors import S3Error
from local.s3.payload import receive, receive_document
from local.s3.records import TAGGING, StoredObject, now

SYSTEM_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
)
OVERRIDES = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
ENCRYPTION = {"x-amz-server-side-encryption": "AES256"}
LATIN = re.compile(r"[\x20-\xff]*")
MAX_USER_METADATA = 2048
MAX_KEYS_TO_DELETE = 1000


def put_object(call: Call) -> Response:
    """Store the body under the key."""
    request, store = call.request, call.service.store
    call.check_write(store.get(call.bucket, call.key))  # now, to spare the upload, and at the end
    headers = metadata(call)
    received = receive(request, call.identity, store.blobs)
    new = StoredObject(
        call.key, (received.extent,), received.etag, now(), headers, received.checksum
    )
    with store.blobs.given_up_on_error([received.extent.blob]):
        call.keep(new, "PutObject")
    return Response(200, {"ETag": new.quoted_etag, **checksum_headers(new), **ENCRYPTION})


def get_object(call: Call) -> Response:
    """Answer the object or a range of it; the server leaves the bytes out for HEAD."""
    store = call.service.store
    found = store.hold(call.bucket, call.key)
    if found is None:
        raise call.missing(call.bucket, call.key)
    try:
        return _answer(call, found)
    except BaseException:
        store.let_go(found)
        raise


def delete_object(call: Call) -> Response:
    """Remove the object; one that is not there is no error."""
    _delete(call, call.key)
    return Response(204)


def delete_objects(call: Call) -> Response:
    """Remove up to 1000 objects and say of each how it went."""
    root = xml.parse(receive_document(call.request, call.identity), "Delete")
    keys = [xml.child_text(one, "Key") or "" for one in xml.children(root, "Object")]
    if not 0 < len(keys) <= MAX_KEYS_TO_DELETE:
        raise S3Error("MalformedXML", "Between 1 and 1000 keys can be deleted at once")
    refused = [key for key in keys if not call.may("s3:DeleteObject", call.bucket, key)]
    for key in set(keys).difference(refused):
        _delete(call, key)
    quiet = xml.child_text(root, "Quiet") == "true"
    gone = [] if quiet else [{"Key": key} for key in keys if key not in refused]
    errors = [{"Key": key, "Code": "AccessDenied", "Message": "Access Denied"} for key in refused]
    return xml_response("DeleteResult", {"Deleted": gone, "Error": errors})


def metadata(call: Call) -> Mapping[str, str]:
    """Return the metadata and tags that a call gives its object. Raises S3Error."""
    request = call.request
    found = {name: request.headers[name] for name in SYSTEM_HEADERS if name in request.headers}
    encodings = [one.strip() for one in found.pop("content-encoding", "").split(",")]
    if rest := [one for one in encodings if one and one != "aws-chunked"]:
        found["content-encoding"] = ",".join(rest)
    named = [*request.headers.items(), *request.query.items()]
    user = {name.lower(): one for name, one in named if name.lower().startswith("x-amz-meta-")}
    if sum(len(name) - 11 + len(one) for name, one in user.items()) > MAX_USER_METADATA:
        raise S3Error("InvalidArgument", "Your metadata headers exceed the maximum allowed size")
    return {"content-type": "binary/octet-stream"} | found | user | _tagging(call)


def _tagging(call: Call) -> dict[str, str]:
    tags = call.request.value(TAGGING)
    if not tags:
        return {}
    call.require("s3:PutObjectTagging", call.bucket, call.key)
    return {TAGGING: tags}


def checksum_headers(found: StoredObject) -> dict[str, str]:
    """Return the headers that carry an object's additional checksum."""
    if found.checksum is None:
        return {}
    return {found.checksum.header: found.checksum.value, "x-amz-checksum-type": found.checksum.kind}


def timestamp(found: StoredObject) -> str:
    """Return the time of change as S3's XML writes it."""
    return found.modified.strftime("%Y-%m-%dT%H:%M:%S.") + f"{found.modified:%f}"[:3] + "Z"


def xml_response(
    root: str, content: Mapping[str, xml.Value], headers: Mapping[str, str] | None = None
) -> Response:
    """Return an XML document as an answer."""
    body = xml.document(root, content)
    return Response(200, {"Content-Type": "application/xml", **(headers or {})}, body)


def _answer(call: Call, found: StoredObject) -> Response:
    headers = call.request.headers
    conditions.check_read(headers, found)
    wanted = conditions.byte_range(headers, found)
    first, length = (wanted.first, wanted.length) if wanted else (0, found.size)
    content = Slice(call.service.store.blobs, found.extents, first, length)
    answer = _headers(call, found)
    if wanted:
        answer["Content-Range"] = f"bytes {wanted.first}-{wanted.last}/{found.size}"
    answer["Content-Length"] = str(length)
    return Response(206 if wanted else 200, answer, content=content)


def _headers(call: Call, found: StoredObject) -> dict[str, str]:
    answer = {
        "Last-Modified": format_datetime(found.modified, usegmt=True),
        "ETag": found.quoted_etag,
        "Accept-Ranges": "bytes",
        **{name: value for name, value in found.headers.items() if name != TAGGING},
        **_overrides(call.request),
        **ENCRYPTION,
    }
    if found.tags:
        answer["x-amz-tagging-count"] = str(len(found.tags))
    whole = "range" not in call.request.headers
    if whole and call.request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
        answer |= checksum_headers(found)
    return answer


def _overrides(request: Request) -> dict[str, str]:
    """Return the headers that a presigned GET sets by response-… parameters. Raises S3Error."""
    asked = {name: request.query.get(f"response-{name}") for name in OVERRIDES}
    found = {name: value for name, value in asked.items() if value is not None}
    for name, value in found.items():
        if not value.isprintable() or not LATIN.fullmatch(value):
            raise S3Error(
                "InvalidArgument",
                "Header value cannot be represented using ISO-8859-1.",
                ArgumentName=f"response-{name}",
                ArgumentValue=value,
            )
    return found


def _delete(call: Call, key: str) -> None:
    announcer, origin = call.service.announcer, call.origin
    call.service.store.delete(
        call.bucket, key, lambda before: announcer.deleted(origin, before.key)
    )
