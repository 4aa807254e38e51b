"""S3's errors: code, HTTP status, message.

Source: "Error responses" in the S3 API reference.
"""

STATUS = {
    "AccessDenied": 403,
    "AccessForbidden": 403,
    "BadDigest": 400,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidArgument": 400,
    "InvalidDigest": 400,
    "InvalidPart": 400,
    "InvalidPartOrder": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidURI": 400,
    "KeyTooLongError": 400,
    "MalformedXML": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "NotImplemented": 501,
    "PreconditionFailed": 412,
    "SignatureDoesNotMatch": 403,
    "XAmzContentChecksumMismatch": 400,
    "XAmzContentSHA256Mismatch": 400,
}


class S3Error(Exception):
    """A refusal that S3 would answer; the details become further XML elements."""

    def __init__(self, code: str, message: str, **details: str) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.details = code, message, STATUS[code], details


class NotModified(Exception):
    """The client's copy is still the current one."""

    def __init__(self, etag: str) -> None:
        super().__init__(etag)
        self.etag = etag


def access_denied() -> S3Error:
    """Return the refusal of somebody who may not do that."""
    return S3Error("AccessDenied", "Access Denied")


def no_such_key(key: str) -> S3Error:
    """Return the refusal of a key that is not there."""
    return S3Error("NoSuchKey", "The specified key does not exist.", Key=key)


def no_such_upload(upload_id: str) -> S3Error:
    """Return the refusal of a multipart upload that is not there."""
    return S3Error(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may "
        "have been aborted or completed.",
        UploadId=upload_id,
    )


def precondition_failed(condition: str) -> S3Error:
    """Return the refusal of a request whose If-… header does not hold."""
    return S3Error(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        Condition=condition,
    )
