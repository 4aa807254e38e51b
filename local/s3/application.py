"""From an HTTP request to an S3 operation and back."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from secrets import token_hex

from local.http_server import Request, Response
from local.s3 import buckets, completion, copying, cors, multipart, objects, xml
from local.s3.call import Call, Service
from local.s3.errors import NotModified, S3Error
from local.sigv4 import SignatureError, Verifier

LOG = logging.getLogger("local.s3")
MAX_KEY = 1024
NOT_OFFERED = (
    "acl",
    "attributes",
    "cors",
    "encryption",
    "legal-hold",
    "lifecycle",
    "notification",
    "object-lock",
    "policy",
    "retention",
    "restore",
    "select",
    "tagging",
    "torrent",
    "versioning",
    "versions",
    "website",
)


@dataclass(frozen=True)
class Operation:
    """One S3 operation: how a request asks for it and which permission it takes."""

    method: str
    level: str
    run: Callable[[Call], Response]
    action: str
    query: tuple[str, ...] = ()
    header: str | None = None

    def answers(self, request: Request, level: str) -> bool:
        """Return whether the request asks for this operation."""
        return (
            request.method == self.method
            and level == self.level
            and all(name in request.query for name in self.query)
            and (self.header is None or self.header in request.headers)
        )


COPY = "x-amz-copy-source"
PART = ("partNumber", "uploadId")
OPERATIONS = (  # the first that answers; so the special ones come first
    Operation("GET", "service", buckets.list_buckets, "s3:ListAllMyBuckets"),
    Operation("HEAD", "bucket", buckets.head_bucket, "s3:ListBucket"),
    Operation("GET", "bucket", buckets.bucket_location, "s3:GetBucketLocation", ("location",)),
    Operation(
        "GET", "bucket", multipart.list_uploads, "s3:ListBucketMultipartUploads", ("uploads",)
    ),
    Operation("GET", "bucket", buckets.list_objects_v2, "s3:ListBucket", ("list-type",)),
    Operation("GET", "bucket", buckets.list_objects, "s3:ListBucket"),
    Operation("POST", "bucket", objects.delete_objects, "", ("delete",)),
    Operation("PUT", "object", multipart.upload_part_copy, "s3:PutObject", PART, COPY),
    Operation("PUT", "object", multipart.upload_part, "s3:PutObject", PART),
    Operation("PUT", "object", copying.copy_object, "s3:PutObject", (), COPY),
    Operation("PUT", "object", objects.put_object, "s3:PutObject"),
    Operation("GET", "object", multipart.list_parts, "s3:ListMultipartUploadParts", ("uploadId",)),
    Operation("GET", "object", objects.get_object, "s3:GetObject"),
    Operation("HEAD", "object", objects.get_object, "s3:GetObject"),
    Operation("POST", "object", multipart.create_upload, "s3:PutObject", ("uploads",)),
    Operation("POST", "object", completion.complete_upload, "s3:PutObject", ("uploadId",)),
    Operation("DELETE", "object", multipart.abort_upload, "s3:AbortMultipartUpload", ("uploadId",)),
    Operation("DELETE", "object", objects.delete_object, "s3:DeleteObject"),
)


@dataclass(frozen=True)
class S3Application:
    """Answers requests in path style: /bucket/key."""

    service: Service
    verifier: Verifier

    def __call__(self, request: Request) -> Response:
        """Answer one request; whatever goes wrong becomes S3's XML."""
        request_id = token_hex(8).upper()
        bucket, key = "", ""
        try:
            bucket, key = split(request)
            answer = self._answer(request, bucket, key, request_id)
        except (S3Error, SignatureError) as error:
            answer = _refusal(error, request, request_id)
        except NotModified as known:
            answer = Response(304, {"ETag": known.etag})
        except ConnectionError:
            raise
        except Exception:
            LOG.exception("%s %s failed", request.method, request.raw_path)
            answer = _internal_error(request, request_id)
        return self._completed(answer, request, bucket, request_id)

    def _answer(self, request: Request, bucket: str, key: str, request_id: str) -> Response:
        known = self.service.buckets.get(bucket)
        if request.method == "OPTIONS":
            return cors.preflight(known.cors if known else (), request)
        identity = self.verifier.verify(request, datetime.now(UTC))
        if bucket and not known:
            raise S3Error("NoSuchBucket", "The specified bucket does not exist", BucketName=bucket)
        operation = _operation(request, "object" if key else "bucket" if bucket else "service")
        call = Call(self.service, request, identity, bucket, key, request_id)
        if operation.action:
            call.require(operation.action, bucket or "*", key)
        return operation.run(call)

    def _completed(
        self, answer: Response, request: Request, bucket: str, request_id: str
    ) -> Response:
        headers = {
            "x-amz-request-id": request_id,
            "Date": format_datetime(datetime.now(UTC), usegmt=True),
            "Server": "AmazonS3",
            **answer.headers,
        }
        if request.method != "OPTIONS" and (known := self.service.buckets.get(bucket)):
            headers |= cors.headers_for(known.cors, request)
        return replace(answer, headers=headers)


def split(request: Request) -> tuple[str, str]:
    """Return bucket and key of a path. Raises S3Error."""
    try:
        bucket, _, key = request.path.removeprefix("/").partition("/")
    except UnicodeDecodeError as exc:
        raise S3Error("InvalidURI", "Couldn't parse the specified URI.") from exc
    size = len(key.encode())
    if size > MAX_KEY:
        raise S3Error(
            "KeyTooLongError", "Your key is too long", Size=str(size), MaxSizeAllowed=str(MAX_KEY)
        )
    return bucket, key


def _operation(request: Request, level: str) -> Operation:
    found = next((one for one in OPERATIONS if one.answers(request, level)), None)
    if found is None:
        raise S3Error(
            "MethodNotAllowed", "The specified method is not allowed against this resource."
        )
    unknown = next((name for name in NOT_OFFERED if name in request.query), None)
    if request.method in ("GET", "HEAD") and "partNumber" in request.query:
        unknown = "partNumber"
    if unknown:
        raise S3Error("NotImplemented", f"Local mode has no '{unknown}'.")
    return found


def _refusal(error: S3Error | SignatureError, request: Request, request_id: str) -> Response:
    content = {
        "Code": error.code,
        "Message": error.message,
        **error.details,
        "Resource": request.raw_path,
        "RequestId": request_id,
    }
    body = xml.document("Error", content, namespace=False)
    headers = {"Content-Type": "application/xml"}
    if error.code == "InvalidRange":
        headers["Content-Range"] = f"bytes */{error.details['ActualObjectSize']}"
    return Response(error.status, headers, body)


def _internal_error(request: Request, request_id: str) -> Response:
    message = "We encountered an internal error. Please try again."
    return _refusal(S3Error("InternalError", message), request, request_id)
