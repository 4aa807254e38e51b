"""The routes of webhooks."""

from aws_lambda_powertools.event_handler import Response

from lambdas.core import http, revisions
from lambdas.core.caller import CurrentCaller
from lambdas.core.http import IdempotencyKey
from lambdas.core.idempotency import Attempt
from lambdas.core.pages import Cursor, Limit, Page
from lambdas.core.revisions import IfMatch
from lambdas.webhooks import service
from lambdas.webhooks.schema import (
    Delivery,
    NewWebhook,
    Webhook,
    WebhookChanges,
    WebhookWithSecret,
)

app = http.resolver()


@app.post("/webhooks", status_code=201, tags=["Webhooks"], operation_id="createWebhook")
def create_webhook(
    caller: CurrentCaller, body: NewWebhook, idempotency_key: IdempotencyKey = None
) -> Response[WebhookWithSecret]:
    """Create a webhook.

    What happens in the workspace is posted to its address, signed as Standard Webhooks has it. The
    secret is in this answer and never again. Needs the role admin, as all of webhooks does.
    """
    attempt = Attempt.of(caller.workspace, idempotency_key, "POST /webhooks", body)
    made = service.create(caller, body, attempt)
    return http.created(app, made, made.id)


@app.get("/webhooks", tags=["Webhooks"], operation_id="listWebhooks")
def list_webhooks(caller: CurrentCaller, limit: Limit = 50, cursor: Cursor = None) -> Page[Webhook]:
    """List webhooks, newest first.

    Without their secrets, which are shown once.
    """
    return service.page(caller, limit, cursor)


@app.get("/webhooks/<webhook_id>", tags=["Webhooks"], operation_id="getWebhook")
def get_webhook(caller: CurrentCaller, webhook_id: str) -> Response[Webhook]:
    """Read a webhook.

    Whether it is enabled, and since when it fails. The ETag in the answer's headers says how it
    stands, for `If-Match`.
    """
    webhook = service.get(caller, webhook_id)
    return revisions.tagged(webhook, webhook.revision)


@app.patch("/webhooks/<webhook_id>", tags=["Webhooks"], operation_id="updateWebhook")
def update_webhook(
    caller: CurrentCaller, webhook_id: str, body: WebhookChanges, if_match: IfMatch = None
) -> Response[Webhook]:
    """Change a webhook's address, event types or description, disable or enable it.

    What is left out stays. A new address is used from the next attempt on, also for notices that
    wait to be tried again. With `If-Match` only as long as nobody else has changed it.
    """
    webhook = service.change(caller, webhook_id, body, if_match)
    return revisions.tagged(webhook, webhook.revision)


@app.delete(
    "/webhooks/<webhook_id>", status_code=204, tags=["Webhooks"], operation_id="deleteWebhook"
)
def delete_webhook(caller: CurrentCaller, webhook_id: str) -> Response[None]:
    """Delete a webhook.

    What waits to be sent to it is not sent.
    """
    service.delete(caller, webhook_id)
    return Response(status_code=204)


@app.post("/webhooks/<webhook_id>/rotate", tags=["Webhooks"], operation_id="rotateWebhookSecret")
def rotate_webhook_secret(
    caller: CurrentCaller, webhook_id: str, idempotency_key: IdempotencyKey = None
) -> WebhookWithSecret:
    """Give a webhook a new secret.

    It is in this answer and never again. For 24 hours notices carry two signatures, one of the new
    secret and one of that before it, so that a receiver can change over meanwhile.
    """
    route = f"POST /webhooks/{webhook_id}/rotate"
    attempt = Attempt.of(caller.workspace, idempotency_key, route)
    return service.rotate(caller, webhook_id, attempt)


@app.post(
    "/webhooks/<webhook_id>/test",
    status_code=202,
    tags=["Webhooks"],
    operation_id="testWebhook",
)
def send_test_notice(
    caller: CurrentCaller, webhook_id: str, idempotency_key: IdempotencyKey = None
) -> Response[Delivery]:
    """Send a test notice.

    Of the type `webhook.test`, to this webhook alone, whatever its event types, also when it is
    disabled. What became of it stands among its deliveries.
    """
    route = f"POST /webhooks/{webhook_id}/test"
    attempt = Attempt.of(caller.workspace, idempotency_key, route)
    delivery, replayed = service.test(caller, webhook_id, attempt)
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return Response(
        status_code=202, content_type="application/json", body=delivery, headers=headers
    )


@app.get(
    "/webhooks/<webhook_id>/deliveries",
    tags=["Webhooks"],
    operation_id="listWebhookDeliveries",
)
def list_webhook_deliveries(
    caller: CurrentCaller, webhook_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[Delivery]:
    """List what became of each notice, newest first.

    With every attempt: when, what the receiver answered, how long it took, why it failed, when it
    is tried again. Kept for 30 days.
    """
    return service.delivered(caller, webhook_id, limit, cursor)


handler = http.handler_of(app)
