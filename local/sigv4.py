"""AWS Signature Version 4, the verifying side: Authorization headers and presigned URLs.

Source: "Authenticating Requests (AWS Signature Version 4)" in the S3 API reference.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_to_bytes

from local.credentials import secret_access_key
from local.http_server import Request, query_pairs

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
CLOCK_SKEW = timedelta(minutes=15)
LONGEST_EXPIRY = 604_800
AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=([^,]+), *SignedHeaders=([^,]+), *Signature=([0-9a-f]{{64}})"
)


class SignatureError(Exception):
    """A request that AWS would not accept as signed; carries S3's error code and status."""

    def __init__(self, code: str, message: str, status: int = 403, **details: str) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.details = code, message, status, details


@dataclass(frozen=True)
class Claim:
    """What a request says of its own signature."""

    key_id: str
    scope: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    payload: str
    expires: int | None = None

    @property
    def moment(self) -> datetime:
        """When it was signed. Raises SignatureError."""
        try:
            return datetime.strptime(self.timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError as exc:
            raise SignatureError(
                "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
            ) from exc


@dataclass(frozen=True)
class Identity:
    """Who signed a request, and what the signature says of the body."""

    access_key_id: str
    payload: str
    signature: str
    timestamp: str
    scope: str
    signing_key: bytes


@dataclass(frozen=True)
class Verifier:
    """Checks requests to one service."""

    secret: str
    region: str
    service: str

    def verify(self, request: Request, now: datetime, payload: str | None = None) -> Identity:
        """Return who signed the request. Raises SignatureError.

        `payload` is the body's SHA-256 where the service does not ask for it in a header.
        """
        claim = self._claim(request, payload)
        self._check_scope(claim)
        _check_time(claim, now)
        _check_headers(claim, request)
        key = self._signing_key(claim)
        expected = sign(key, _string_to_sign(claim, _canonical(request, claim)))
        if not hmac.compare_digest(expected, claim.signature):
            raise SignatureError(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. "
                "Check your key and signing method.",
                AWSAccessKeyId=claim.key_id,
            )
        return Identity(
            claim.key_id, claim.payload, claim.signature, claim.timestamp, claim.scope, key
        )

    def _claim(self, request: Request, payload: str | None) -> Claim:
        if "authorization" in request.headers:
            return _header_claim(request, payload)
        if "X-Amz-Algorithm" in request.query:
            return _query_claim(request)
        raise SignatureError("AccessDenied", "Access Denied")

    def _check_scope(self, claim: Claim) -> None:
        expected = f"{claim.timestamp[:8]}/{self.region}/{self.service}/aws4_request"
        if claim.scope != expected:
            raise SignatureError(
                "AuthorizationHeaderMalformed",
                f"The credential scope is '{claim.scope}'; expecting '{expected}'",
                400,
                Region=self.region,
            )
        if not claim.key_id.startswith("LOCAL"):
            raise SignatureError(
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
                AWSAccessKeyId=claim.key_id,
            )

    def _signing_key(self, claim: Claim) -> bytes:
        key = f"AWS4{secret_access_key(self.secret, claim.key_id)}".encode()
        for part in claim.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


def sign(key: bytes, text: str) -> str:
    """Return the signature of a string to sign, in hex."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _header_claim(request: Request, payload: str | None) -> Claim:
    found = AUTHORIZATION.fullmatch(request.headers["authorization"].strip())
    if not found:
        raise SignatureError(
            "AuthorizationHeaderMalformed", "The authorization header is malformed", 400
        )
    payload = request.headers.get("x-amz-content-sha256", payload)
    if payload is None:
        raise SignatureError(
            "InvalidRequest",
            "Missing required header for this request: x-amz-content-sha256",
            400,
        )
    key_id, _, scope = found[1].partition("/")
    headers = tuple(found[2].split(";"))
    return Claim(key_id, scope, headers, found[3], request.headers.get("x-amz-date", ""), payload)


def _query_claim(request: Request) -> Claim:
    query = request.query
    try:
        expires = int(query["X-Amz-Expires"])
        key_id, _, scope = query["X-Amz-Credential"].partition("/")
        claim = Claim(
            key_id,
            scope,
            tuple(query["X-Amz-SignedHeaders"].split(";")),
            query["X-Amz-Signature"],
            query["X-Amz-Date"],
            query.get("X-Amz-Content-Sha256", UNSIGNED),
            expires,
        )
    except (KeyError, ValueError) as exc:
        raise _query_error("Query-string authentication version 4 needs its parameters") from exc
    if query["X-Amz-Algorithm"] != ALGORITHM or not 0 < expires <= LONGEST_EXPIRY:
        raise _query_error("X-Amz-Expires must be between 1 and 604800 seconds")
    return claim


def _query_error(message: str) -> SignatureError:
    return SignatureError("AuthorizationQueryParametersError", message, 400)


def _check_time(claim: Claim, now: datetime) -> None:
    signed = claim.moment
    if claim.expires is None:
        if abs(now - signed) > CLOCK_SKEW:
            raise SignatureError(
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
                RequestTime=claim.timestamp,
                ServerTime=now.isoformat(),
            )
        return
    if signed - now > CLOCK_SKEW:
        raise SignatureError("AccessDenied", "Request is not valid yet")
    end = signed + timedelta(seconds=claim.expires)
    if now > end:
        raise SignatureError(
            "AccessDenied",
            "Request has expired",
            Expires=end.isoformat(),
            ServerTime=now.isoformat(),
        )


def _check_headers(claim: Claim, request: Request) -> None:
    if "host" not in claim.signed_headers:
        raise SignatureError("SignatureDoesNotMatch", "The Host header must be signed")
    amazon = [name for name in request.headers if name.startswith("x-amz-")]
    loose = [name for name in amazon if name not in claim.signed_headers]
    if loose:
        raise SignatureError(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(loose),
        )


def _string_to_sign(claim: Claim, canonical: str) -> str:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return "\n".join([ALGORITHM, claim.timestamp, claim.scope, digest])


def _canonical(request: Request, claim: Claim) -> str:
    pairs = [pair for pair in query_pairs(request.raw_query) if pair[0] != "X-Amz-Signature"]
    encoded = sorted((_encode(name), _encode(value)) for name, value in pairs)
    headers = [f"{name}:{_trimmed(request, name)}\n" for name in claim.signed_headers]
    return "\n".join(
        [
            request.method,
            quote(unquote_to_bytes(request.raw_path), safe="/~"),
            "&".join(f"{name}={value}" for name, value in encoded),
            "".join(headers),
            ";".join(claim.signed_headers),
            claim.payload,
        ]
    )


def _encode(text: str) -> str:
    return quote(text, safe="~")


def _trimmed(request: Request, name: str) -> str:
    return " ".join(request.headers.get(name, "").split())
