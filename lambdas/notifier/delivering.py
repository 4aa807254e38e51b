"""One attempt to deliver a notice to a webhook: sent, kept with what came of it, tried again."""

from datetime import datetime, timedelta

from lambdas.core import clock, notices
from lambdas.core.observability import logger
from lambdas.notifier import sending
from lambdas.notifier.sending import Outcome
from lambdas.notifier.signing import signature_headers
from lambdas.webhooks import deliveries
from lambdas.webhooks import repository as webhooks
from lambdas.webhooks.deliveries import LONGEST_DELAY_SECONDS, Due
from lambdas.webhooks.schema import TEST_TYPE, Attempt, Delivery, Webhook

# Seconds after each failed attempt, as Standard Webhooks proposes: eight attempts in 28 hours.
RETRY_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
FAILING_MOST = timedelta(days=5)
_GONE = 410


def attempt(workspace: str, webhook_id: str, event_id: str, number: int) -> None:
    """Make one attempt, unless it was made."""
    due = deliveries.load(workspace, webhook_id, event_id)
    if due is None or due.delivery.status != "pending" or len(due.delivery.attempts) >= number:
        logger.info("no attempt is due", webhook=webhook_id, notice=event_id)
        return
    if due.webhook is None or not _may_send(due.webhook, due.delivery):
        why = "the webhook was deleted" if due.webhook is None else "the webhook is disabled"
        told = Attempt(at=clock.now(), milliseconds=0, error=f"nothing was sent: {why}")
        deliveries.fail(webhook_id, due.delivery, told, None)
        return
    _keep(due, due.webhook, clock.now(), _sent(due, due.webhook))


def _may_send(webhook: Webhook, delivery: Delivery) -> bool:
    return webhook.enabled or delivery.type == TEST_TYPE


def _sent(due: Due, webhook: Webhook) -> Outcome:
    timestamp = clock.epoch(clock.now())
    headers = signature_headers(due.secrets, due.delivery.event_id, timestamp, due.body)
    return sending.post(webhook.url, headers, due.body)


def _keep(due: Due, webhook: Webhook, at: datetime, outcome: Outcome) -> None:
    made = Attempt(
        at=at,
        status_code=outcome.status_code,
        milliseconds=outcome.milliseconds,
        error=outcome.error,
    )
    logger.info(
        "attempted",
        webhook=webhook.id,
        notice=due.delivery.event_id,
        attempt=len(due.delivery.attempts) + 1,
        status_code=outcome.status_code,
        milliseconds=outcome.milliseconds,
        error=outcome.error,
    )
    if outcome.error is None:
        webhooks.note_success(due.workspace, webhook)
        deliveries.succeed(webhook.id, due.delivery, made)
        return
    webhooks.note_failure(due.workspace, webhook, at, _disabled_for(webhook, at, outcome))
    seconds = None if outcome.status_code == _GONE else _pause_after(due.delivery)
    kept = deliveries.fail(webhook.id, due.delivery, made, seconds)
    if kept and seconds is not None and seconds <= LONGEST_DELAY_SECONDS:
        _send_next(due, webhook, made, seconds)


def _pause_after(delivery: Delivery) -> int | None:
    # A test is looked at by who asked for it: one that fails is not tried for 28 hours.
    pauses = RETRY_SECONDS[:1] if delivery.type == TEST_TYPE else RETRY_SECONDS
    made = len(delivery.attempts)
    return pauses[made] if made < len(pauses) else None


def _send_next(due: Due, webhook: Webhook, made: Attempt, seconds: int) -> None:
    delivery = due.delivery.model_copy(update={"attempts": [*due.delivery.attempts, made]})
    notices.send(deliveries.message_of(due.workspace, webhook.id, delivery), seconds)


def _disabled_for(webhook: Webhook, at: datetime, outcome: Outcome) -> str | None:
    if not webhook.enabled:
        return None
    if outcome.status_code == _GONE:
        return "The receiver answered 410 Gone. Enable it once there is a receiver again."
    if webhook.failing_since and at - webhook.failing_since > FAILING_MOST:
        return (
            f"Every attempt failed for {FAILING_MOST.days} days, the last with: {outcome.error}. "
            "Mend the receiver, test it, and enable the webhook."
        )
    return None
