"""AWS JSON 1.1 over HTTP, to the operations and back."""

import hashlib
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import uuid4

import botocore.session
from botocore.model import ServiceModel, StructureShape

from local.http_server import Request, Response
from local.sagemaker import validation
from local.sagemaker.errors import ApiError
from local.sagemaker.operations import Operations
from local.sigv4 import SignatureError, Verifier

LOG = logging.getLogger("local.sagemaker")
CONTENT_TYPE = "application/x-amz-json-1.1"
MAX_BODY = 4 << 20
INTERRUPT = "/local/interrupt"
Operation = Callable[[str, dict[str, Any]], dict[str, Any]]


class SageMakerApplication:
    """Answers requests; what the service model says of them is checked first."""

    def __init__(self, operations: Operations, verifier: Verifier) -> None:
        self._operations, self._verifier = operations, verifier
        self._offered: dict[str, Operation] = {
            "CreateTrainingJob": operations.create_training_job,
            "DescribeTrainingJob": operations.describe_training_job,
            "StopTrainingJob": operations.stop_training_job,
            "ListTrainingJobs": operations.list_training_jobs,
            "AddTags": operations.add_tags,
            "ListTags": operations.list_tags,
        }

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        try:
            return _answer(self._dispatch(request))
        except ApiError as error:
            return _refusal(error)
        except SignatureError as error:
            return _refusal(ApiError(_kind(error), error.message, error.status))
        except ConnectionError:
            raise
        except Exception:
            LOG.exception("%s failed", request.headers.get("x-amz-target", request.raw_path))
            return _refusal(ApiError("InternalFailure", "An internal error happened.", 500))

    def warm_up(self) -> None:
        """Load the service model, which takes a moment."""
        _ = self._model

    @cached_property
    def _model(self) -> ServiceModel:
        return botocore.session.get_session().get_service_model("sagemaker")

    def _dispatch(self, request: Request) -> dict[str, Any]:
        if (request.method, request.raw_path) == ("POST", INTERRUPT):
            self._operations.interrupt(request.query.get("name", ""))
            return {}
        body = _body(request)
        digest = hashlib.sha256(body).hexdigest()
        identity = self._verifier.verify(request, datetime.now(UTC), digest)
        name = request.headers.get("x-amz-target", "").removeprefix("SageMaker.")
        if name not in self._offered:
            raise ApiError("UnknownOperationException", f"Local mode has no operation {name!r}.")
        content = _json(body)
        shape = self._model.operation_model(name).input_shape
        assert isinstance(shape, StructureShape)
        validation.check(shape, content)
        return self._offered[name](identity.access_key_id, content)


def _body(request: Request) -> bytes:
    try:
        return request.body.read_all(MAX_BODY)
    except ValueError as exc:
        raise ApiError("RequestEntityTooLargeException", str(exc), 413) from exc


def _json(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body or b"{}")
    except ValueError as exc:
        raise ApiError("SerializationException", "The body is not JSON.") from exc
    if not isinstance(content, dict):
        raise ApiError("SerializationException", "The body is not a JSON object.")
    return {name: value for name, value in content.items() if value is not None}


def _kind(error: SignatureError) -> str:
    return {
        "SignatureDoesNotMatch": "InvalidSignatureException",
        "RequestTimeTooSkewed": "InvalidSignatureException",
        "InvalidAccessKeyId": "UnrecognizedClientException",
        "AccessDenied": "MissingAuthenticationTokenException",
    }.get(error.code, "IncompleteSignatureException")


def _answer(content: dict[str, Any], status: int = 200) -> Response:
    headers = {"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": str(uuid4())}
    return Response(status, headers, json.dumps(content, ensure_ascii=False).encode())


def _refusal(error: ApiError) -> Response:
    return _answer({"__type": error.kind, "message": error.message}, error.status)
