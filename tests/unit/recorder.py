"""Records what the handlers take and answer, with what differs from run to run made the same."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdas.access import handler as access
from lambdas.datasets import handler as datasets
from lambdas.models import handler as models
from lambdas.trainings import handler as trainings
from lambdas.webhooks import handler as webhooks
from tests.unit.fakes import Answer, Client

HANDLERS = {
    "datasets": datasets,
    "models": models,
    "trainings": trainings,
    "access": access,
    "webhooks": webhooks,
}
_ULID = re.compile(r"01[0-9A-HJKMNP-TV-Z]{24}")
_TIME = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_SIGNED = re.compile(r"(https://[^?\s]+)\?\S+")
_SHOWN = 2  # of a list; a reader has seen enough then


@dataclass
class Recorder:
    """Calls operations of a contract, and keeps the first request and answer of each."""

    contract: Mapping[str, Any]
    examples: dict[str, dict[str, Any]] = field(default_factory=dict)
    _ids: dict[str, str] = field(default_factory=dict)

    def call(
        self,
        operation_id: str,
        body: Any = None,
        *,
        headers: Any = None,
        query: Any = None,
        **path: str,
    ) -> Answer:
        """Send a request of an operation; its answer must be a success."""
        template, method, operation = self._operation(operation_id)
        time.sleep(0.002)  # what is made within a millisecond sorts by chance
        client = Client(HANDLERS[operation["x-lorastack-function"]].handler)
        concrete = template.format(**path)
        answer = client.request(method.upper(), concrete, body, headers, query)
        assert answer.status < 400, (operation_id, answer)
        self.examples.setdefault(operation_id, self._example(body, answer))
        return answer

    def notice(self, told: Mapping[str, Any]) -> None:
        """Keep the first notice of each type."""
        name = "on" + "".join(part.capitalize() for part in told["type"].split("."))
        if name not in self.examples:
            self.examples[name] = {"request": self._same(_cut(dict(told)))}

    def _operation(self, operation_id: str) -> tuple[str, str, Mapping[str, Any]]:
        (found,) = (
            (path, method, operation)
            for path, operations in self.contract["paths"].items()
            for method, operation in operations.items()
            if operation["operationId"] == operation_id
        )
        return found

    def _example(self, body: Any, answer: Answer) -> dict[str, Any]:
        told = {"request": body, "status": answer.status, "response": _cut(answer.body)}
        return {key: self._same(value) for key, value in told.items() if value is not None}

    def _same(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self._same(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._same(one) for one in value]
        if key == "month":
            return "2027-01"
        if key == "next_cursor" and value:
            return "ZGF0YXNldHMKZHNfMDFKUThFNU4zWg"
        return self._text(value, key) if isinstance(value, str) else value

    def _text(self, text: str, key: str) -> str:
        if text.startswith("whsec_"):
            return f"whsec_{'x' * 43}="
        if text.startswith("lsk_"):
            return f"lsk_{'x' * 43}"
        hour = "09" if key == "expires_at" else "08"
        text = _TIME.sub(f"2027-01-15T{hour}:00:00Z", text)
        text = _SIGNED.sub(r"\1?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=5f3c", text)
        return _ULID.sub(lambda found: self._id(found[0]), text)

    def _id(self, ulid: str) -> str:
        return self._ids.setdefault(ulid, f"01JHM8E0G0{len(self._ids) + 1:016}")


def _cut(value: Any) -> Any:
    """Shorten lists, but those of numbers, which are one thing together."""
    if isinstance(value, dict):
        return {name: _cut(inner) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    are_numbers = all(isinstance(one, int | float) for one in value)
    return [_cut(one) for one in (value if are_numbers else value[:_SHOWN])]
