"""Calls that go to moto by a shorter way: the tests make a hundred thousand of them.

Those on DynamoDB's items go without HTTP between, for a fifth of the time. The others are not
signed, since nobody here looks at a signature, and find moto's code for their URL by the host alone.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import moto.backend_index
import moto.backends
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ParamValidationError
from botocore.parsers import create_parser
from botocore.signers import RequestSigner
from botocore.useragent import UserAgentString
from botocore.validate import ParamValidator
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.exceptions import HTTPException
from moto.core.request import normalize_request

from local import dynamo, quick_moto

_VALIDATOR = ParamValidator()
_PARSER = create_parser("json")


def on_items(
    table: dynamo.KeptTable, client: BaseClient, operation: str, request: dict[str, Any]
) -> dict[str, Any]:
    """Carry out a call as botocore and moto would; a failed transaction leaves all as it was."""
    model = client.meta.service_model.operation_model(operation)
    report = _VALIDATOR.validate(request, model.input_shape)
    if report.has_errors():
        raise ParamValidationError(report=report.generate_report())
    put_back = dynamo.before(table, operation, request)
    sent = json.loads(json.dumps(request))
    answer = quick_moto.answer(operation, sent, DEFAULT_ACCOUNT_ID, "us-east-1")
    if answer.status == 200:
        metadata = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
        return json.loads(answer.body) | {"ResponseMetadata": metadata}
    put_back()
    raise _error(client, operation, answer)


def _error(client: BaseClient, operation: str, answer: quick_moto.ItemAnswer) -> ClientError:
    raw = {"status_code": answer.status, "headers": {}, "body": answer.body.encode()}
    service = client.meta.service_model
    parsed = _PARSER.parse(raw, service.operation_model(operation).output_shape)
    code = parsed["Error"]["Code"]
    if shape := service.shape_for_error_code(code):
        parsed |= _PARSER.parse(raw, shape)  # the reasons why a transaction was canceled
    return client.exceptions.from_code(code)(parsed, operation)


@contextmanager
def short_way() -> Iterator[None]:
    """Let requests of HTTP go unsigned and straight to moto's code; presigned URLs stay signed."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RequestSigner, "handler", _look_signed)
        patched.setattr(UserAgentString, "to_string", lambda _: "tests")
        patched.setattr(BotocoreStubber, "process_request", _answered)
        yield


def _look_signed(_: RequestSigner, request: AWSRequest, **__: object) -> None:
    """moto reads the region of it, and whether it is there."""
    scope = "testing/20260101/us-east-1/any/aws4_request"
    request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, Signature=none"


def _answered(_: BotocoreStubber, sent: AWSPreparedRequest) -> tuple[int, Any, Any]:
    request = normalize_request(sent)
    url = sent.url.split("?")[0]
    act = next(act for pattern, act in _code_for(urlsplit(url).netloc) if pattern.match(url))
    try:
        return act(request, request.raw_url, request.headers)
    except HTTPException as error:
        return error.code, error.get_headers(), error.get_body()


@cache
def _code_for(host: str) -> list[tuple[re.Pattern[str], Callable[..., Any]]]:
    """Return moto's functions for the URLs of a host."""
    bases = moto.backend_index.backend_url_patterns
    service = next(name for name, base in bases if base.match(f"https://{host}/"))
    backend = moto.backends.get_backend(service)[DEFAULT_ACCOUNT_ID]
    urls = backend["us-east-1" if "us-east-1" in backend else "aws"].urls
    return [(re.compile(pattern), act) for pattern, act in urls.items()]
