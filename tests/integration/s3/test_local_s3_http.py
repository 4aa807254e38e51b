"""The S3 endpoint, as curl and sockets see it."""

import http.client
import socket
import time
import urllib.parse
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from endpoints import BUCKET, Endpoint
from s3_support import code, exchange, presigned, request_line, signed, xml_code


def test_a_put_without_a_length_is_411(s3: Any, endpoint: Endpoint, key: str) -> None:
    line = request_line(presigned(s3, "put_object", key), "PUT")
    answer = exchange(endpoint, f"{line}Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert b"MissingContentLength" in answer


def test_a_plain_chunked_put_is_not_implemented(s3: Any, key: str) -> None:
    url = presigned(s3, "put_object", key)
    answer = httpx.put(url, content=iter([b"a", b"b"]))
    assert xml_code(answer) == (501, "NotImplemented")


def test_a_client_that_expects_it_gets_100_continue(s3: Any, endpoint: Endpoint, key: str) -> None:
    line = request_line(presigned(s3, "put_object", key), "PUT")
    head = f"{line}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=5) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"body")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"body"


def test_a_refused_upload_is_not_asked_for_its_body(endpoint: Endpoint) -> None:
    head = f"PUT /{BUCKET}/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n"
    answer = exchange(endpoint, f"{head}Expect: 100-continue\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"Connection: close" in answer


def test_a_refused_upload_without_expect_sees_its_answer(endpoint: Endpoint) -> None:
    head = f"PUT /{BUCKET}/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=5) as connection:
        connection.sendall(head.encode())
        for _ in range(9):
            connection.sendall(b"x" * 1_000_000)
            time.sleep(0.02)
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"Connection: close" in answer


def test_a_connection_serves_many_requests_even_refused_ones(s3: Any, endpoint: Endpoint) -> None:
    s3.put_object(Bucket=BUCKET, Key="kept", Body=b"x")
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port)
    connection.connect()
    before = connection.sock
    sent = urllib.parse.urlsplit(presigned(s3, "get_object", "kept"))
    for _ in range(3):
        connection.request("PUT", f"/{BUCKET}/no", body=b"small")
        assert connection.getresponse().read().count(b"AccessDenied") == 1
        connection.request("GET", f"{sent.path}?{sent.query}")
        assert connection.getresponse().read() == b"x"
    assert connection.sock is before
    connection.close()


def test_head_has_no_body(s3: Any, endpoint: Endpoint, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"12345")
    line = request_line(presigned(s3, "head_object", key), "HEAD")
    answer = exchange(endpoint, f"{line}Connection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Length: 5" in head
    assert body == b""
    with pytest.raises(ClientError) as error:
        s3.head_object(Bucket=BUCKET, Key=f"{key}/none")
    assert code(error)[0] == 404


def test_an_unknown_method_is_405(s3: Any, endpoint: Endpoint) -> None:
    assert xml_code(signed(endpoint, "PATCH", f"/{BUCKET}/x")) == (405, "MethodNotAllowed")
