"""The template's SQS queues, and which functions get what is in them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.intrinsics import Resolver, Resource, TemplateError

# CloudFormation's and SQS's names for the same; the rest (encryption) means nothing here.
ATTRIBUTES = (
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "VisibilityTimeout",
)


@dataclass(frozen=True)
class Queue:
    """A queue: its attributes as SetQueueAttributes takes them."""

    name: str
    arn: str
    url: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class EventSource:
    """A queue whose messages a function gets, `batch_size` at most in one call.

    With `reports_failures` the function says which messages it failed on, else it is all or none.
    """

    function: str
    queue: Queue
    batch_size: int
    at_once: int
    reports_failures: bool


def read_queues(resolver: Resolver) -> tuple[Queue, ...]:
    """The queues, those first that others name as theirs for dead letters."""
    queues = [_queue(resolver, resource) for resource in resolver.of_type("AWS::SQS::Queue")]
    return tuple(sorted(queues, key=lambda queue: "RedrivePolicy" in queue.attributes))


def read_event_sources(resolver: Resolver) -> tuple[EventSource, ...]:
    """The mappings from queues to functions that are enabled. Raises TemplateError for others."""
    queues = {queue.arn: queue for queue in read_queues(resolver)}
    return tuple(
        _event_source(resolver, resource, queues)
        for resource in resolver.of_type("AWS::Lambda::EventSourceMapping")
        if resource.properties.get("Enabled", True)
    )


def _queue(resolver: Resolver, resource: Resource) -> Queue:
    properties = resolver.properties(resource, *ATTRIBUTES)
    return Queue(
        name=resolver.name(resource.logical_id),
        arn=resolver.arn(resource.logical_id),
        url=resolver.resolve({"Ref": resource.logical_id}),
        attributes={name: _text(value) for name, value in properties.items()},
    )


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _event_source(
    resolver: Resolver, resource: Resource, queues: Mapping[str, Queue]
) -> EventSource:
    unsupported = {"FilterCriteria", "MaximumBatchingWindowInSeconds"} & resource.properties.keys()
    if unsupported:
        raise TemplateError(f"{resource.logical_id}: {unsupported.pop()} is not supported locally")
    found = resolver.properties(
        resource,
        "BatchSize",
        "EventSourceArn",
        "FunctionName",
        "FunctionResponseTypes",
        "ScalingConfig",
    )
    if found["EventSourceArn"] not in queues:
        raise TemplateError(f"{resource.logical_id}: {found['EventSourceArn']} is no queue of ours")
    return EventSource(
        function=_function(resolver, resource, found["FunctionName"]),
        queue=queues[found["EventSourceArn"]],
        batch_size=int(found.get("BatchSize", 10)),
        at_once=int(found.get("ScalingConfig", {}).get("MaximumConcurrency", 1000)),
        reports_failures="ReportBatchItemFailures" in found.get("FunctionResponseTypes", []),
    )


def _function(resolver: Resolver, resource: Resource, name: str) -> str:
    for function in resolver.of_type("AWS::Lambda::Function"):
        if name in (resolver.name(function.logical_id), resolver.arn(function.logical_id)):
            return function.logical_id
    raise TemplateError(f"{resource.logical_id}: the function {name} is not in the template")
