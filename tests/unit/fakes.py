"""What the unit tests stand on: a recorder of AWS calls, a SageMaker in memory, a small client."""

import json
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

EVERY_CALL = "LORASTACK_TEST_EVERY_CALL"


def kill_points(calls: int) -> list[int]:
    """Which of so many calls a process dies before: every third and the last one.

    `make fault-test` asks for all: minutes that the default suite does not have.
    """
    step = 1 if os.environ.get(EVERY_CALL) else 3
    return sorted({*range(0, calls, step), calls - 1})


class Killed(BaseException):
    """The process dies here; no handler of ours may catch it."""


@dataclass
class AwsCalls:
    """Every call that goes to AWS, in order.

    `kill_before` lets the process die before the n-th; the answers of `lost` never come, though the
    call was carried out; `refused` has the errors that operations are answered with, one a call.
    Threads may call at once: each call has a number of its own, and moto, which is not made for
    threads, carries out one at a time.
    """

    made: list[str] = field(default_factory=list)
    kill_before: int | None = None
    lost: set[str] = field(default_factory=set)
    refused: dict[str, list[ClientError]] = field(default_factory=dict)
    scenes: tuple[Any, ...] | None = ()  # by which it came about; None after any other call
    _between: dict[int, Callable[[], object]] = field(default_factory=dict)
    _counting: Lock = field(default_factory=Lock)
    _at_moto: Lock = field(default_factory=Lock)

    def reset(self) -> None:
        self.made.clear()
        self.kill_before = None
        self.lost.clear()
        self.refused.clear()
        self._between.clear()

    def is_bare(self) -> bool:
        """Say whether only scenes have played yet, and no call is to go otherwise."""
        awaited = self.kill_before is not None or self.lost or self.refused or self._between
        return self.scenes is not None and not awaited

    def before(self, call: int, act: Callable[[], object]) -> None:
        """Have something else happen before the n-th call, by whom else it may be."""
        self._between[call] = act

    def answer(self, operation: str, carry_out: Callable[[], Any]) -> Any:
        self.note(operation)
        if self.refused.get(operation):
            raise self.refused[operation].pop(0)
        with self._at_moto:
            answer = carry_out()
        if operation in self.lost:
            raise ReadTimeoutError(endpoint_url="nowhere")
        return answer

    def note(self, operation: str) -> None:
        with self._counting:
            self.scenes = None
            number = len(self.made)
            if number == self.kill_before:
                raise Killed(operation)
            self.made.append(operation)
            act = self._between.pop(number, None)
        if act:
            act()


@dataclass
class FakeSageMaker:
    """Training jobs in memory, refusing what SageMaker refuses."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuse_with: tuple[str, str] | None = None

    def answer(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return getattr(self, f"_{operation}")(request)

    def set_state(self, name: str, status: str, secondary: str, **more: Any) -> dict[str, Any]:
        """Move a job on and return it as DescribeTrainingJob tells of it."""
        self.jobs[name] |= {
            "TrainingJobStatus": status,
            "SecondaryStatus": secondary,
            "LastModifiedTime": datetime.now(UTC),
            "SecondaryStatusTransitions": [{"Status": secondary, "StatusMessage": secondary}],
        } | more
        return self.jobs[name]

    def _CreateTrainingJob(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        if self.refuse_with:
            raise refusal("CreateTrainingJob", *self.refuse_with)
        name = request["TrainingJobName"]
        if name in self.jobs:
            raise refusal("CreateTrainingJob", "ResourceInUse", f"{name} exists")
        self.jobs[name] = dict(request)
        self.set_state(name, "InProgress", "Starting")
        return {"TrainingJobArn": f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}"}

    def _DescribeTrainingJob(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._found("DescribeTrainingJob", request)

    def _StopTrainingJob(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._found("StopTrainingJob", request)
        self.set_state(request["TrainingJobName"], "Stopping", "Stopping")
        return {}

    def _found(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["TrainingJobName"]
        if name not in self.jobs:
            raise refusal(operation, "ValidationException", "Requested resource not found.")
        return self.jobs[name]


def refusal(operation: str, code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass(frozen=True)
class Answer:
    """What a handler answered."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def pointers(self) -> list[str]:
        return [fault["pointer"] for fault in self.body["errors"]]


class Context:
    """A LambdaContext."""

    function_name = "test"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:test"
    aws_request_id = "request-of-lambda"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@dataclass(frozen=True)
class Client:
    """Calls a handler with the event that the gateway would send."""

    handler: Callable[[dict[str, Any], Any], dict[str, Any]]
    workspace: str = "acme"
    role: str | None = "admin"
    expires_at: int = 9_999_999_999

    def get(self, path: str, **query: str) -> Answer:
        return self.request("GET", path, query=query)

    def post(self, path: str, body: Any = None, key: str | None = None) -> Answer:
        return self.request("POST", path, body, {"Idempotency-Key": key} if key else {})

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {"Content-Type": "application/json", **(headers or {})}
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        event = {
            "httpMethod": method,
            "path": path,
            "resource": path,
            "headers": sent,
            "multiValueHeaders": {name: [value] for name, value in sent.items()},
            "queryStringParameters": dict(query) if query else None,
            "multiValueQueryStringParameters": (
                {name: [value] for name, value in query.items()} if query else None
            ),
            "pathParameters": None,
            "body": text,
            "isBase64Encoded": False,
            "requestContext": {
                "requestId": "request-of-gateway",
                "stage": "v1",
                "path": f"/v1{path}",
                "authorizer": self._authorizer(),
            },
        }
        answer = self.handler(event, Context())
        told = answer.get("multiValueHeaders") or {}
        flat = {name: values[0] for name, values in told.items()} | (answer.get("headers") or {})
        parsed = json.loads(answer["body"]) if answer.get("body") else None
        return Answer(answer["statusCode"], parsed, flat)

    def _authorizer(self) -> dict[str, str] | None:
        if self.role is None:
            return None
        return {
            "workspace": self.workspace,
            "role": self.role,
            "token_id": "tok_1",
            "expires_at": str(self.expires_at),
        }


SD_1_5 = {
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": [768],
    "first_stage_model.decoder.conv_in.bias": [512],
    "model.diffusion_model.input_blocks.0.0.weight": [320, 4, 3, 3],
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": [320, 768],
}
SD_XL = {
    "conditioner.embedders.1.model.ln_final.weight": [1280],
    "first_stage_model.decoder.conv_in.bias": [512],
    "model.diffusion_model.input_blocks.0.0.weight": [320, 4, 3, 3],
    "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": [640, 2048],
}
LORA = {
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": [
        4,
        768,
    ]
}


@cache
def png(width: int, height: int) -> bytes:
    """Return a whole PNG, all black."""
    rows = zlib.compress(bytes(height * (1 + (width + 7) // 8)))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def safetensors_file(
    shapes: Mapping[str, list[int]], metadata: Mapping[str, str] | None = None
) -> bytes:
    """Return a safetensors file of zeros in F16."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        begin, count = end, 1
        for side in shape:
            count *= side
        end = begin + 2 * count
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)
