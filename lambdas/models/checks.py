"""Large models whose bytes the worker is to read, since a request has no time for it."""

from lambdas.core import clock, pending, queue
from lambdas.core.attributes import Item
from lambdas.core.queue import Kind, Task
from lambdas.models.progress_schema import CheckProgress
from lambdas.models.schema import Model

KIND: Kind = "check_model"
# Read and hashed where it was joined, some 7 s at the 75 MB/s that a function gets from S3.
MOST_BYTES_HASHED = 512 * 1024**2


def waiting(model: Model) -> Model:
    """Return a model that would be `ready` as one whose bytes are still to be read."""
    progress = CheckProgress(bytes_total=model.size)
    return model.model_copy(
        update={"status": "checking", "check": progress, "updated_at": clock.now()}
    )


def values(model: Model) -> Item:
    """Return the attributes to write with it, so that it is checked whatever becomes of `send`."""
    return pending.values(KIND, model.id)


def send(workspace: str, model_id: str) -> None:
    """Have the worker check it."""
    queue.send(Task(kind=KIND, workspace=workspace, id=model_id))
