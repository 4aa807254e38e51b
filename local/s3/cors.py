"""A bucket's CORS rules, as CloudFormation writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from local.http_server import Request, Response
from local.s3.errors import S3Error


@dataclass(frozen=True)
class CorsRule:
    """Which origins may send which methods, and what they may read of the answer."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    max_age: int | None

    @classmethod
    def read(cls, rule: Mapping[str, Any]) -> "CorsRule":
        """Read one of CloudFormation's CorsRules."""
        return cls(
            origins=tuple(rule["AllowedOrigins"]),
            methods=tuple(rule["AllowedMethods"]),
            headers=tuple(one.lower() for one in rule.get("AllowedHeaders", ())),
            exposed=tuple(rule.get("ExposedHeaders", ())),
            max_age=rule.get("MaxAge"),
        )

    def allows(self, origin: str, method: str, headers: Sequence[str]) -> bool:
        """Return whether a request of that kind matches."""
        return (
            any(_matches(origin, one) for one in self.origins)
            and method in self.methods
            and all(any(_matches(name, one) for one in self.headers) for name in headers)
        )

    def answer(self, origin: str) -> dict[str, str]:
        """Return the headers for an answer to that origin."""
        every = "*" in self.origins
        found = {
            "Access-Control-Allow-Origin": "*" if every else origin,
            "Access-Control-Allow-Methods": ", ".join(self.methods),
            "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        }
        if self.exposed:
            found["Access-Control-Expose-Headers"] = ", ".join(self.exposed)
        if self.max_age is not None:
            found["Access-Control-Max-Age"] = str(self.max_age)
        if not every:
            found["Access-Control-Allow-Credentials"] = "true"
        return found


def headers_for(rules: Sequence[CorsRule], request: Request) -> dict[str, str]:
    """Return the CORS headers of an ordinary answer; none when no rule matches."""
    origin = request.headers.get("origin")
    if origin is None:
        return {}
    found = next((rule for rule in rules if rule.allows(origin, request.method, ())), None)
    return found.answer(origin) if found else {}


def preflight(rules: Sequence[CorsRule], request: Request) -> Response:
    """Answer an OPTIONS request. Raises S3Error AccessForbidden when no rule matches."""
    origin = request.headers.get("origin")
    method = request.headers.get("access-control-request-method")
    if origin is None or method is None:
        raise S3Error("InvalidRequest", "Insufficient information. Origin request header needed.")
    asked = request.headers.get("access-control-request-headers", "")
    names = [name.strip().lower() for name in asked.split(",") if name.strip()]
    rule = next((one for one in rules if one.allows(origin, method, names)), None)
    if rule is None:
        raise S3Error(
            "AccessForbidden", "CORSResponse: This CORS request is not allowed.", Method=method
        )
    headers = rule.answer(origin)
    if names:
        headers["Access-Control-Allow-Headers"] = ", ".join(names)
    return Response(200, headers)


def _matches(text: str, pattern: str) -> bool:
    return fnmatchcase(text, pattern.replace("[", "[[]").replace("?", "[?]"))
