"""The queue of the asset worker: what takes longer than a request may, one message for each task.

A message says what to do with which thing and nothing else: how far it is stands with the thing, so
that a message may come twice, late or never.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from lambdas.core import aws, settings

Kind = Literal[
    "validate_dataset",
    "crop_dataset",
    "import_dataset",
    "delete_dataset",
    "sweep_dataset",
    "settle_captions",
    "edit_captions",
    "store_proposals",
    "import_model",
    "check_model",
    "delete_training",
    "sweep_training",
]


class Task(BaseModel):
    """A message: the kind of work, and the workspace and id of what it is done to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    workspace: str
    id: str


class Settings(settings.Settings):
    """What a function that sends is told besides."""

    asset_queue_url: str


def send(task: Task) -> None:
    """Have the asset worker do a task."""
    aws.sqs().send_message(
        QueueUrl=Settings.load().asset_queue_url, MessageBody=task.model_dump_json()
    )
