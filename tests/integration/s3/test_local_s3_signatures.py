"""The S3 endpoint: what is signed, and what is not taken."""

import hashlib
import time
import urllib.parse
from datetime import UTC, datetime, timedelta
from typing import Any

import endpoints
import httpx
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from endpoints import BUCKET, REGION, SECRET, Endpoint
from s3_support import NAMES, code, fetched, presigned, signed, xml_code

from local.credentials import OPERATOR, secret_access_key


def test_an_anonymous_request_is_refused(endpoint: Endpoint) -> None:
    assert xml_code(httpx.get(f"{endpoint.url}/{BUCKET}/x")) == (403, "AccessDenied")
    assert xml_code(httpx.put(f"{endpoint.url}/{BUCKET}/x", content=b"")) == (403, "AccessDenied")


def test_a_wrong_secret_and_an_unknown_key_are_refused(endpoint: Endpoint) -> None:
    other = endpoints.client("s3", endpoint, "AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(ClientError) as error:
        other.list_objects_v2(Bucket=BUCKET)
    assert code(error) == (403, "InvalidAccessKeyId")
    wrong = signed(endpoint, "GET", f"/{BUCKET}/x", secret="00" * 32)
    assert xml_code(wrong) == (403, "SignatureDoesNotMatch")


def test_a_presigned_url_works_until_it_expires(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    url = presigned(s3, "get_object", key, seconds=1)
    assert httpx.get(url).content == b"x"
    time.sleep(2.1)
    late = httpx.get(url)
    assert xml_code(late) == (403, "AccessDenied")
    assert "Request has expired" in late.text


@pytest.mark.parametrize(
    "tamper",
    [
        lambda url: url.replace("/object?", "/other?"),
        lambda url: url.replace("X-Amz-Expires=60", "X-Amz-Expires=600"),
        lambda url: url + "&response-content-type=text/html",
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.replace("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=host%3Brange"),
    ],
)
def test_a_changed_presigned_url_is_refused(s3: Any, key: str, tamper: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    url = presigned(s3, "get_object", key)
    assert httpx.get(url).status_code == 200
    assert xml_code(httpx.get(tamper(url))) == (403, "SignatureDoesNotMatch")


def test_a_presigned_url_is_for_one_method(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    url = presigned(s3, "get_object", key)
    for method in ("PUT", "DELETE", "HEAD"):
        assert httpx.request(method, url).status_code == 403
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"x"


def test_an_expiry_beyond_a_week_is_refused(s3: Any, key: str) -> None:
    url = presigned(s3, "get_object", key, seconds=604_801)
    assert xml_code(httpx.get(url)) == (400, "AuthorizationQueryParametersError")


def test_a_presigned_put_takes_the_signed_length_and_no_other(s3: Any, key: str) -> None:
    url = presigned(s3, "put_object", key, ContentLength=3, IfNoneMatch="*")
    header = {"If-None-Match": "*"}
    for body in (b"ab", b"abcd", b""):
        wrong = httpx.put(url, content=body, headers=header)
        assert xml_code(wrong) == (403, "SignatureDoesNotMatch")
    missing = httpx.put(url, content=b"abc")
    assert xml_code(missing) == (403, "SignatureDoesNotMatch")
    assert httpx.put(url, content=b"abc", headers=header).status_code == 200
    again = httpx.put(url, content=b"xyz", headers=header)
    assert xml_code(again) == (412, "PreconditionFailed")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"abc"


def test_an_amz_header_that_was_not_signed_is_refused(s3: Any, key: str) -> None:
    url = presigned(s3, "put_object", key)
    answer = httpx.put(url, content=b"x", headers={"x-amz-meta-owner": "me"})
    assert xml_code(answer) == (403, "AccessDenied")
    assert "x-amz-meta-owner" in answer.text


def test_a_presigned_get_can_name_the_download(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    disposition = "attachment; filename*=UTF-8''%E7%8C%AB.safetensors"
    url = presigned(
        s3,
        "get_object",
        key,
        ResponseContentDisposition=disposition,
        ResponseContentType="application/octet-stream",
    )
    answer = httpx.get(url)
    assert answer.headers["content-disposition"] == disposition
    assert answer.headers["content-type"] == "application/octet-stream"


def test_a_request_of_another_time_is_refused(endpoint: Endpoint) -> None:
    for minutes in (-16, 16):
        moment = datetime.now(UTC) + timedelta(minutes=minutes)
        answer = signed(endpoint, "GET", f"/{BUCKET}", moment=moment)
        assert xml_code(answer) == (403, "RequestTimeTooSkewed")
    assert signed(endpoint, "GET", f"/{BUCKET}").status_code == 200


def test_a_request_for_another_region_or_service_is_refused(endpoint: Endpoint) -> None:
    for wrong in ({"region": "eu-west-1"}, {"service": "sagemaker"}):
        answer = signed(endpoint, "GET", f"/{BUCKET}", **wrong)
        assert xml_code(answer) == (400, "AuthorizationHeaderMalformed")


def test_a_body_that_is_not_the_signed_one_is_refused(endpoint: Endpoint, s3: Any) -> None:
    payload = hashlib.sha256(b"signed").hexdigest()
    answer = signed(endpoint, "PUT", f"/{BUCKET}/swapped", b"sent!!", payload=payload)
    assert xml_code(answer) == (400, "XAmzContentSHA256Mismatch")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=BUCKET, Key="swapped")
    assert code(error) == (404, "NoSuchKey")


@pytest.mark.parametrize("name", NAMES)
def test_botocores_signers_agree_with_ours(endpoint: Endpoint, s3: Any, name: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=name, Body=b"x")
    credentials = Credentials(OPERATOR, secret_access_key(SECRET, OPERATOR))
    url = f"{endpoint.url}/{BUCKET}/{urllib.parse.quote(name, safe='/~')}"
    for signer in (
        S3SigV4Auth(credentials, "s3", REGION),
        S3SigV4QueryAuth(credentials, "s3", REGION, expires=30),
    ):
        request = AWSRequest("GET", url, headers={"x-amz-meta-note": "two   spaces "})
        signer.add_auth(request)
        assert fetched(request.url, **dict(request.headers))[0] == 200


def test_a_download_name_that_no_header_can_hold_is_refused(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    for name in ("猫.png", "a\r\nSet-Cookie: b=c"):
        url = presigned(s3, "get_object", key, ResponseContentDisposition=name)
        answer = httpx.get(url)
        assert xml_code(answer) == (400, "InvalidArgument")
        assert "set-cookie" not in answer.headers
