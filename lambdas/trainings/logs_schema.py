"""Lines of a training's log, and TensorBoard's files, as the API tells them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lambdas.core.presign import SignedDownload


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class LogLine(_Frozen):
    """A line that the job has printed."""

    number: int = Field(description="Counted from the training's first line, 1.")
    at: datetime = Field(description="When it was printed.")
    source: Literal["container", "trainer"] = Field(
        description="The container program, or sd-scripts and what it runs on."
    )
    text: str = Field(description="At most 1,000 characters; longer ones are cut.")


class LogLines(_Frozen):
    """Lines in order."""

    data: list[LogLine] = Field(description="The oldest first.")
    next_since: int = Field(
        description="Give it as `since` for what follows, now or later; lines may still come while "
        "the training runs."
    )
    oldest: int | None = Field(
        description="The first line that is kept: the newest 4,500 to 5,000 are. null: none yet."
    )


class TensorBoardFile(_Frozen):
    """An event file; a run that was interrupted leaves one for each attempt."""

    path: str = Field(
        description="Where to put it below TensorBoard's --logdir; the folder names the run."
    )
    size: int = Field(description="Its size in bytes.")
    download: SignedDownload = Field(description="Where its bytes are.")


class TensorBoardFiles(_Frozen):
    """The event files of a training."""

    data: list[TensorBoardFile] = Field(description="One for each attempt of the job.")
