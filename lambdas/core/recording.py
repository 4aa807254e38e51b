"""Which requests are recorded, and the event that a request comes to."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.core import audit, caller
from lambdas.core.audit import Event

_CHANGES_NOTHING = {"validateTraining"}


def resolved(
    app: APIGatewayRestResolver, event: dict[str, Any], context: LambdaContext
) -> dict[str, Any]:
    """Have a request answered, and recorded where it changes something."""
    told = _event_of(app, event)
    if told is None:
        return app.resolve(event, context)
    with audit.recording(told) as along:
        answer = app.resolve(event, context)
        if not along.gone and _did_something(answer):
            audit.keep_now()
    return answer


def _event_of(app: APIGatewayRestResolver, event: Mapping[str, Any]) -> Event | None:
    who = caller.of(event)
    if who is None or event["httpMethod"] in caller.READS:
        return None
    for route in [*app._static_routes, *app._dynamic_routes]:
        found = route.rule.match(event["path"]) if route.method == event["httpMethod"] else None
        if found and route.operation_id and route.operation_id not in _CHANGES_NOTHING:
            return Event(
                workspace=who.workspace,
                token_id=who.token_id,
                role=who.role,
                action=route.operation_id,
                path=event["path"],
                request_id=str(event["requestContext"]["requestId"]),
                resource_id=next(iter(found.groupdict().values()), None),
            )
    return None


def _did_something(answer: Mapping[str, Any]) -> bool:
    # What an earlier request with the same key made was recorded with it.
    replayed = "Idempotent-Replayed" in (answer.get("multiValueHeaders") or {})
    return answer["statusCode"] < 300 and not replayed
