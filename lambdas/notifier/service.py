"""What the notifier does, by the kind of message, and what it looks for by itself."""

from lambdas.core import clock
from lambdas.core.notices import Message
from lambdas.notifier import delivering, telling
from lambdas.webhooks import deliveries


def do(message: Message) -> None:
    """Do what a message asks for."""
    if message.kind == "notice":
        telling.tell(message.workspace, message.id)
    elif message.webhook_id:
        delivering.attempt(message.workspace, message.webhook_id, message.id, message.attempt)


def reconcile() -> int:
    """Send messages for what is due and of which no message came; return how many."""
    now = clock.now()
    told = telling.reconcile(now)
    return told + sum(deliveries.send_again(key) for key in list(deliveries.overdue(now)))
