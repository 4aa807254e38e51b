"""What the gateway itself answers, every type of it as a problem (RFC 9457) that browsers can read.

A template here knows simple variables only, no VTL, and escapes nothing:
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html
So the authorizer's `code` and `detail` may hold no quotation mark and no backslash.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType

CHALLENGE = {"WWW-Authenticate": "Bearer"}
_EXPOSED = ("Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate")
REQUESTS_A_SECOND = 100
REQUESTS_AT_ONCE = 200
# What the gateway knows of its limit (draft-ietf-httpapi-ratelimit-headers-10): which it is, for
# all workspaces together, and that nothing is left of it for a second.
THROTTLED = {
    "Retry-After": "5",
    "RateLimit-Policy": f'"deployment";q={REQUESTS_A_SECOND};w=1',
    "RateLimit": '"deployment";r=0;t=1',
}


@dataclass(frozen=True)
class Answer:
    """One gateway response: status, code, and a sentence that says what to do."""

    status: int
    code: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)

    def rendered(self, origin: str) -> dict[str, object]:
        """The gateway's form of it, readable for pages of `origin`."""
        headers = {
            "Access-Control-Allow-Origin": origin,
            "Cache-Control": "no-store",
            "Access-Control-Expose-Headers": ",".join(_EXPOSED),
            # The template is kept under application/json, which any Accept falls back to.
            "Content-Type": "application/problem+json",
            **self.headers,
        }
        return {
            "statusCode": self.status,
            "responseParameters": {
                f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()
            },
            "responseTemplates": {"application/json": json.dumps(self._problem())},
        }

    def _problem(self) -> dict[str, object]:
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "errors": [],
            "request_id": "$context.requestId",
        }


BAD_REQUEST = Answer(400, "bad_request", "The request cannot be read; check its form and headers.")
NOT_FOUND = Answer(404, "route_not_found", "No such path here; /v1/docs lists the paths.")
UNSIGNED = Answer(
    401,
    "unauthorized",
    "Send the header Authorization: Bearer lsk_... alone; AWS signatures are not read here.",
    headers=CHALLENGE,
)
BROKEN = Answer(
    500, "internal_error", "The service failed; try again, and report the request_id if it stays."
)
SLOW_DOWN = Answer(
    429, "too_many_requests", "Too many requests; wait a few seconds, then try again."
)

ANSWERS = MappingProxyType(
    {
        "UNAUTHORIZED": Answer(
            401,
            "unauthorized",
            "Send a token as the header Authorization: Bearer lsk_...; an admin of your "
            "workspace makes one with POST /tokens.",
            headers=CHALLENGE,
        ),
        # The authorizer's Deny says why: unknown, revoked or expired.
        "ACCESS_DENIED": Answer(
            401,
            "$context.authorizer.code",
            "$context.authorizer.detail",
            headers=CHALLENGE,
        ),
        "INVALID_API_KEY": NOT_FOUND,
        "MISSING_AUTHENTICATION_TOKEN": NOT_FOUND,
        "RESOURCE_NOT_FOUND": NOT_FOUND,
        "EXPIRED_TOKEN": UNSIGNED,
        "INVALID_SIGNATURE": UNSIGNED,
        "BAD_REQUEST_BODY": BAD_REQUEST,
        "BAD_REQUEST_PARAMETERS": BAD_REQUEST,
        "WAF_FILTERED": Answer(
            403, "blocked", "A firewall rule of this deployment refused the request; ask its owner."
        ),
        "REQUEST_TOO_LARGE": Answer(
            413,
            "request_too_large",
            "A request may have 10 MB; send files through the upload URLs instead.",
        ),
        "UNSUPPORTED_MEDIA_TYPE": Answer(
            415,
            "unsupported_media_type",
            "Send JSON with Content-Type: application/json, uncompressed or as gzip.",
        ),
        "THROTTLED": Answer(SLOW_DOWN.status, SLOW_DOWN.code, SLOW_DOWN.detail, headers=THROTTLED),
        "QUOTA_EXCEEDED": Answer(
            SLOW_DOWN.status, SLOW_DOWN.code, SLOW_DOWN.detail, headers={"Retry-After": "60"}
        ),
        "INTEGRATION_TIMEOUT": Answer(
            504,
            "timeout",
            "The answer took longer than 29 s; send the same request again with the same "
            "Idempotency-Key.",
        ),
        "INTEGRATION_FAILURE": BROKEN,
        "AUTHORIZER_FAILURE": BROKEN,
        "AUTHORIZER_CONFIGURATION_ERROR": BROKEN,
        "API_CONFIGURATION_ERROR": BROKEN,
        # Every other type is set above, for a status given here becomes theirs too.
        "DEFAULT_4XX": BAD_REQUEST,
        "DEFAULT_5XX": BROKEN,
    }
)


def gateway_responses(origins: Sequence[str]) -> dict[str, object]:
    """The value of `x-amazon-apigateway-gateway-responses`.

    A gateway response can't choose: where several origins may read answers any may read these,
    which tell nothing but that the request did not come through.
    """
    origin = origins[0] if len(origins) == 1 else "*"
    return {response_type: answer.rendered(origin) for response_type, answer in ANSWERS.items()}
