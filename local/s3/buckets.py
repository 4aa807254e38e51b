"""Operations on buckets: listing their objects, and the little that clients ask before."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from local.http_server import Response
from local.s3 import xml
from local.s3.call import Call
from local.s3.errors import S3Error
from local.s3.objects import timestamp, xml_response
from local.s3.records import StoredObject
from local.s3.store import Store

MOST_KEYS = 1000
LAST_CHARACTER = "\U0010ffff"


@dataclass
class Page:
    """One page of a listing."""

    objects: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""
    truncated: bool = False


def list_buckets(call: Call) -> Response:
    """List the buckets of the template."""
    found: list[xml.Value] = [{"Name": name} for name in sorted(call.service.buckets)]
    return xml_response("ListAllMyBucketsResult", {"Buckets": {"Bucket": found}})


def head_bucket(call: Call) -> Response:
    """Say that the bucket is there."""
    return Response(200, {"x-amz-bucket-region": call.service.region})


def bucket_location(call: Call) -> Response:
    """Answer the region; us-east-1 is an empty constraint."""
    region = "" if call.service.region == "us-east-1" else call.service.region
    text = f'<LocationConstraint xmlns="{xml.NAMESPACE}">{region}</LocationConstraint>'
    return Response(200, {"Content-Type": "application/xml"}, text.encode())


def list_objects_v2(call: Call) -> Response:
    """List keys in the order of their UTF-8 bytes."""
    query = call.request.query
    token, start = query.get("continuation-token"), query.get("start-after", "")
    page = _page(call, _decoded(token) if token is not None else start)
    content: dict[str, xml.Value] = {
        **_common(call, page),
        "KeyCount": len(page.objects) + len(page.prefixes),
        "ContinuationToken": token,
        "NextContinuationToken": _encoded(page.last) if page.truncated else None,
        "StartAfter": _shown(call, start) if start else None,
    }
    return xml_response("ListBucketResult", content)


def list_objects(call: Call) -> Response:
    """List keys as the first version of the operation did."""
    marker = call.request.query.get("marker", "")
    page = _page(call, marker)
    content: dict[str, xml.Value] = {
        **_common(call, page),
        "Marker": _shown(call, marker),
        "NextMarker": _shown(call, page.last) if page.truncated else None,
    }
    return xml_response("ListBucketResult", content)


def _common(call: Call, page: Page) -> dict[str, xml.Value]:
    query = call.request.query
    delimiter = query.get("delimiter")
    contents: list[xml.Value] = [_listed(call, one) for one in page.objects]
    prefixes: list[xml.Value] = [{"Prefix": _shown(call, one)} for one in page.prefixes]
    return {
        "Name": call.bucket,
        "Prefix": _shown(call, query.get("prefix", "")),
        "Delimiter": _shown(call, delimiter) if delimiter else None,
        "MaxKeys": _most(call),
        "EncodingType": query.get("encoding-type"),
        "IsTruncated": page.truncated,
        "Contents": contents,
        "CommonPrefixes": prefixes,
    }


def _listed(call: Call, found: StoredObject) -> dict[str, xml.Value]:
    return {
        "Key": _shown(call, found.key),
        "LastModified": timestamp(found),
        "ETag": found.quoted_etag,
        "ChecksumAlgorithm": found.checksum.algorithm.upper() if found.checksum else None,
        "ChecksumType": found.checksum.kind if found.checksum else None,
        "Size": found.size,
        "StorageClass": "STANDARD",
    }


def _page(call: Call, after: str) -> Page:
    query, most, page = call.request.query, _most(call), Page()
    found = _entries(
        call.service.store,
        call.bucket,
        query.get("prefix", ""),
        query.get("delimiter", ""),
        after,
        most,
    )
    for entry in found if most else ():
        if len(page.objects) + len(page.prefixes) == most:
            page.truncated = True
            break
        if isinstance(entry, str):
            page.prefixes.append(entry)
            page.last = entry
        else:
            page.objects.append(entry)
            page.last = entry.key
    return page


def _entries(
    store: Store, bucket: str, prefix: str, delimiter: str, after: str, most: int
) -> Iterator[StoredObject | str]:
    """Give objects and common prefixes in order; what a common prefix covers is leapt over."""
    first, end = _start(prefix, delimiter, after), following(prefix)
    while batch := store.keys_from(bucket, first, end, most + 1):
        for found in batch:
            if found.key < first:
                continue
            common = _common_prefix(found.key, prefix, delimiter)
            yield found if common is None else common
            first = found.key + "\0" if common is None else following(common) or LAST_CHARACTER


def _start(prefix: str, delimiter: str, after: str) -> str:
    if not after:
        return prefix
    covered = _common_prefix(after, prefix, delimiter)
    start = following(covered) if covered == after and covered else after + "\0"
    return max(prefix, start or LAST_CHARACTER)


def _common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter or not key.startswith(prefix):
        return None
    position = key.find(delimiter, len(prefix))
    return None if position < 0 else key[: position + len(delimiter)]


def following(prefix: str) -> str | None:
    """Return the first string after all that begin with the prefix; None when there is none."""
    trimmed = prefix.rstrip(LAST_CHARACTER)
    if not trimmed:
        return None
    code = ord(trimmed[-1]) + 1
    return trimmed[:-1] + chr(0xE000 if code == 0xD800 else code)


def _most(call: Call) -> int:
    text = call.request.query.get("max-keys", str(MOST_KEYS))
    if not text.isdecimal():
        raise S3Error("InvalidArgument", "Argument maxKeys must be an integer", ArgumentValue=text)
    return min(int(text), MOST_KEYS)


def _shown(call: Call, text: str) -> str:
    url = call.request.query.get("encoding-type") == "url"
    return quote(text, safe="/*-._") if url else text


def _encoded(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _decoded(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from exc
