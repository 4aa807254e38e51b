"""Calls on DynamoDB's items that go to moto without HTTP between: a fifth of the time."""

import json
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError, ParamValidationError
from botocore.parsers import create_parser
from botocore.validate import ParamValidator
from moto.core import DEFAULT_ACCOUNT_ID

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
