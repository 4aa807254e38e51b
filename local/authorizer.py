"""The TOKEN authorizer: asks a function whether a token may pass, and remembers what it said.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.api_body import Api, Authorizer
from local.gateway_event import Exchange, method_arn
from local.gateway_responses import GatewayError
from local.iam import matches
from local.invoker import FunctionError, InvocationError, Invoker

CACHE_SIZE = 10_000


@dataclass(frozen=True)
class Decision:
    """What an authorizer said about a token: policy statements, and the context it passes on."""

    principal: str
    statements: tuple[Mapping[str, Any], ...]
    context: Mapping[str, str]

    def allows(self, arn: str) -> bool:
        """Whether the policy lets the token invoke a method: an Allow matches and no Deny does."""
        effects = {s["Effect"] for s in self.statements if _covers(s, arn)}
        return "Allow" in effects and "Deny" not in effects


@dataclass
class TokenAuthorizer:
    """One authorizer of the API, with its cache by token."""

    api: Api
    authorizer: Authorizer
    invoker: Invoker
    _cache: dict[str, tuple[float, Decision]] = field(default_factory=dict)

    async def authorize(self, exchange: Exchange) -> dict[str, Any]:
        """The authorizer part of the request context. Raises GatewayError when it says no."""
        token = exchange.request.header(self.authorizer.header)
        expression = self.authorizer.expression
        if not token or (expression and not re.fullmatch(expression, token)):
            raise GatewayError("UNAUTHORIZED")
        arn = method_arn(self.api, exchange.request.method, exchange.path)
        started = time.monotonic()
        decision = await self._decide(token, arn)
        if not decision.allows(arn):
            raise GatewayError("ACCESS_DENIED", decision.context)
        latency = int((time.monotonic() - started) * 1000)
        identity = {"principalId": decision.principal, "integrationLatency": latency}
        return {**identity, **decision.context}

    async def _decide(self, token: str, arn: str) -> Decision:
        cached = self._cache.get(token)
        if cached and time.monotonic() < cached[0]:
            return cached[1]
        decision = _read(await self._ask(token, arn))
        if self.authorizer.ttl:
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[token] = (time.monotonic() + self.authorizer.ttl, decision)
        return decision

    async def _ask(self, token: str, arn: str) -> Any:
        event = {"type": "TOKEN", "methodArn": arn, "authorizationToken": token}
        try:
            return await self.invoker.invoke(self.authorizer.function, event)
        except FunctionError as exc:
            # A handler that raises Exception("Unauthorized") means 401, AWS documents.
            denied = exc.message == "Unauthorized"
            raise GatewayError("UNAUTHORIZED" if denied else "AUTHORIZER_FAILURE") from exc
        except (TimeoutError, InvocationError) as exc:
            raise GatewayError("AUTHORIZER_FAILURE") from exc


def _read(answer: Any) -> Decision:
    """The function's answer, checked. Raises GatewayError when API Gateway would not take it."""
    try:
        statements = answer["policyDocument"]["Statement"]
        statements = statements if isinstance(statements, list) else [statements]
        context = {name: _text(value) for name, value in (answer.get("context") or {}).items()}
        for statement in statements:
            _covers(statement, "")
        return Decision(str(answer["principalId"]), tuple(statements), context)
    except (KeyError, TypeError, AttributeError) as exc:
        raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR") from exc


def _text(value: Any) -> str:
    """Context values reach functions as text; objects and lists are not taken."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(f"{value!r} cannot be in an authorizer's context")


def _covers(statement: Mapping[str, Any], arn: str) -> bool:
    actions, resources = _list(statement["Action"]), _list(statement["Resource"])
    invokes = any(matches(str(a).lower(), "execute-api:invoke") for a in actions)
    return invokes and any(matches(str(resource), arn) for resource in resources)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
