"""The S3 endpoint, as browsers see it."""

from typing import Any

import httpx
import pytest
from endpoints import BUCKET, Endpoint
from s3_support import presigned, xml_code


def preflight(endpoint: Endpoint, origin: str, method: str, headers: str) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return httpx.options(f"{endpoint.url}/{BUCKET}/any", headers=asked)


def test_a_preflight_is_answered_by_the_buckets_rules(endpoint: Endpoint) -> None:
    origin = "https://console.example"
    answer = preflight(endpoint, origin, "PUT", "Content-Type, If-None-Match")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-methods"] == "GET, PUT, HEAD"
    assert answer.headers["access-control-allow-headers"] == "content-type, if-none-match"
    assert answer.headers["access-control-max-age"] == "600"
    assert preflight(endpoint, "http://127.0.0.1:8080", "GET", "").status_code == 200


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [
        ("https://evil.example", "PUT", ""),
        ("https://console.example", "DELETE", ""),
        ("https://console.example", "PUT", "x-amz-acl"),
    ],
)
def test_a_preflight_that_no_rule_allows_is_403(
    endpoint: Endpoint, origin: str, method: str, headers: str
) -> None:
    assert xml_code(preflight(endpoint, origin, method, headers)) == (403, "AccessForbidden")


def test_answers_to_browsers_expose_the_etag_even_when_they_refuse(s3: Any, key: str) -> None:
    origin = {"Origin": "https://console.example"}
    url = presigned(s3, "put_object", key, ContentLength=1)
    for body, status in ((b"x", 200), (b"xx", 403)):
        answer = httpx.put(url, content=body, headers=origin)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "https://console.example"
        assert answer.headers["access-control-expose-headers"] == "ETag"
    assert "access-control-allow-origin" not in httpx.put(url, content=b"x").headers
