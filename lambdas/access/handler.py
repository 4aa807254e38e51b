"""The routes of tokens, workspace, audit and of the service itself, and the answer for paths that
do not exist."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from lambdas.access import events, published, service, workspaces
from lambdas.access.audit_schema import AuditEvent, OfAction, OfToken, Since, Until
from lambdas.access.schema import Health, NewToken, Token, TokenWithSecret
from lambdas.access.workspace_schema import Workspace
from lambdas.core import http
from lambdas.core.caller import CurrentCaller
from lambdas.core.entity_tags import IfNoneMatch
from lambdas.core.http import IdempotencyKey
from lambdas.core.idempotency import Attempt
from lambdas.core.pages import Cursor, Limit, Page
from lambdas.core.settings import Settings

app = http.resolver()


@app.post("/tokens", status_code=201, tags=["Access"], operation_id="createToken")
def create_token(
    caller: CurrentCaller, body: NewToken, idempotency_key: IdempotencyKey = None
) -> Response[TokenWithSecret]:
    """Create a token.

    The secret is in this answer and never again.
    """
    attempt = Attempt.of(caller.workspace, idempotency_key, "POST /tokens", body)
    made = service.create(caller.workspace, body, attempt)
    return http.created(app, made, made.id)


@app.get("/tokens", tags=["Access"], operation_id="listTokens")
def list_tokens(caller: CurrentCaller, limit: Limit = 50, cursor: Cursor = None) -> Page[Token]:
    """List tokens, newest first, without their secrets.

    All of the workspace that were not revoked, expired ones too.
    """
    return service.page(caller, limit, cursor)


@app.delete("/tokens/<token_id>", status_code=204, tags=["Access"], operation_id="deleteToken")
def delete_token(caller: CurrentCaller, token_id: str) -> Response[None]:
    """Revoke a token.

    It stops working within 60 s: so long the gateway remembers what it was told of a token.
    """
    service.delete(caller, token_id)
    return Response(status_code=204)


@app.get("/workspace", tags=["Access"], operation_id="getWorkspace")
def get_workspace(caller: CurrentCaller) -> Workspace:
    """Read what the workspace uses and may use.

    Limits are the deployment's, or those that its operator has set for the workspace. What would
    go over one is refused: with 429 where there are too many trainings under way, else with 403.
    """
    return workspaces.read(caller.workspace)


@app.get("/audit", tags=["Access"], operation_id="listAuditEvents")
def list_audit_events(
    caller: CurrentCaller,
    since: Since = None,
    until: Until = None,
    action: OfAction = None,
    token_id: OfToken = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditEvent]:
    """List who did what, newest first.

    An event for each request that changed something, kept 90 days unless the deployment says
    otherwise. For admins.
    """
    return events.page(caller, since, until, action, token_id, limit, cursor)


@app.get("/health", tags=["Service"], operation_id="getHealth", security=[])
def get_health() -> Health:
    """Say that the service answers; needs no token.

    Nothing behind it is asked, so that a balancer or a monitor may call it often.
    """
    return Health(status="ok", deployment=Settings.load().deployment)


_UNCHANGED: Any = {304: {"description": "It is as you have it."}}
_PAGE: Any = {200: {"description": "The page.", "content": {"text/html": {"model": str}}}}
_DOCUMENT: Any = {
    200: {"description": "The document.", "content": {"application/json": {"model": dict}}}
}


@app.get(
    "/openapi.json",
    tags=["Service"],
    operation_id="getOpenApi",
    security=[],
    responses=_UNCHANGED | _DOCUMENT,
)
def get_openapi(if_none_match: IfNoneMatch = None) -> Response[str]:
    """Read this document.

    The OpenAPI 3.1 document of this deployment, to generate clients from.
    """
    return published.answer("openapi.json", if_none_match)


@app.get(
    "/docs",
    tags=["Service"],
    operation_id="getDocs",
    security=[],
    responses=_UNCHANGED | _PAGE,
)
def get_docs(if_none_match: IfNoneMatch = None) -> Response[str]:
    """Read this document as a page.

    One HTML page that asks for nothing else, from here or from anywhere.
    """
    return published.answer("docs.html", if_none_match)


handler = http.handler_of(app)
