"""EventBridge's messages to queues, sent with the operator's key as the bus has no role here."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local.events import NotSent
from local.intrinsics import REGION


@dataclass
class QueueSender:
    """Sends to the stack's own SQS; `environment` has credentials and endpoint."""

    environment: Mapping[str, str]

    async def __call__(self, url: str, body: str) -> None:
        """Put a message into a queue. Raises NotSent."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            await asyncio.to_thread(self._sqs.send_message, QueueUrl=url, MessageBody=body)
        except (BotoCoreError, ClientError) as exc:
            raise NotSent(str(exc)) from exc

    @cached_property
    def _sqs(self) -> Any:
        import botocore.session

        environment = self.environment
        return botocore.session.get_session().create_client(
            "sqs",
            region_name=REGION,
            endpoint_url=environment["AWS_ENDPOINT_URL_SQS"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )
