"""The gateway's TOKEN authorizer: what a bearer token stands for.

It always answers a policy, never an error: a Deny carries the reason in its context, which the
gateway's ACCESS_DENIED response shows. The policy covers the whole stage, since it is cached by
token (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html).
"""

import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.access import repository
from lambdas.access.schema import Grant
from lambdas.core.observability import logger

_UNKNOWN = {
    "code": "unauthorized",
    "detail": "The bearer token is unknown or was revoked. Ask an admin of the workspace for one.",
}
_EXPIRED = {
    "code": "token_expired",
    "detail": "The bearer token has expired. Ask an admin of the workspace for another.",
}


def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Answer the policy for a bearer token."""
    secret = event["authorizationToken"].removeprefix("Bearer ")
    grant, now = repository.grant_of(secret), int(time.time())
    if grant is None:
        return _denied(event, _UNKNOWN)
    if grant.valid_until <= now:
        logger.info("expired token", token_id=grant.token_id, workspace=grant.workspace)
        return _denied(event, _EXPIRED)
    repository.note_use(secret, grant, now)
    return _allowed(event, grant)


def _allowed(event: dict[str, Any], grant: Grant) -> dict[str, Any]:
    context = {
        "workspace": grant.workspace,
        "role": grant.role,
        "token_id": grant.token_id,
        "expires_at": str(grant.valid_until),
    }
    return _policy(grant.token_id, "Allow", event, context)


def _denied(event: dict[str, Any], reason: dict[str, str]) -> dict[str, Any]:
    return _policy("nobody", "Deny", event, reason)


def _policy(
    principal: str, effect: str, event: dict[str, Any], context: dict[str, str]
) -> dict[str, Any]:
    # arn:aws:execute-api:<region>:<account>:<api>/<stage>/<METHOD>/<path>
    stage = "/".join(event["methodArn"].split("/")[:2])
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{stage}/*"}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }
