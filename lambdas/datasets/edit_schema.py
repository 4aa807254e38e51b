"""Changes of a whole set of captions, and proposed captions, as the API tells them."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from lambdas.datasets.caption_schema import MOST_AT_ONCE, Etag, Frozen, ImageId

Kind = Literal["replace", "add_tag", "remove_tag", "accept_proposals", "refuse_proposals"]
Outcome = Literal["accepted", "refused", "conflict", "no_proposal"]
Reason = Literal["would_be_empty", "too_long", "unreadable", "changed_meanwhile", "image_is_gone"]


class Action(Frozen):
    """What is done to each caption of a set."""

    kind: Kind
    find: str | None = None
    replace: str | None = None
    whole_tags: bool = False
    tag: str | None = None
    position: Literal["start", "end"] | None = None


class Example(Frozen):
    """A caption before and after."""

    image_id: str
    name: str
    before: str | None
    after: str


class Skipped(Frozen):
    """An image whose caption was left as it is, and why."""

    image_id: str
    name: str
    reason: Reason


class CaptionEdit(Frozen):
    """A change of a whole set of captions and how far it is."""

    id: str | None = Field(description="null: it was only tried.")
    status: Literal["running", "done", "failed", "dry_run"] = Field(
        description="`running`: it goes on in the background; GET /datasets/{id}/captions/edit "
        "tells how far it is."
    )
    action: Action
    looked_at: int = Field(default=0, description="How many images, or proposals, so far.")
    changed: int = Field(default=0, description="How many captions; of `dry_run`: would be.")
    skipped: int = Field(default=0, description="How many had to be left as they are.")
    examples: list[Example] = Field(default=[], description="A few that change.")
    skipped_images: list[Skipped] = Field(default=[], description="The first 50 that were skipped.")
    message: str | None = Field(default=None, description="Why it failed.")
    started_at: datetime
    ended_at: datetime | None = None


class ProposedCaption(Frozen):
    """A caption that a tagger proposed, and what stands there now."""

    image_id: str
    name: str
    text: str = Field(description="What is proposed for the whole caption.")
    tags: list[str] = Field(description="What the tagger saw.")
    tagger: str
    training_id: str = Field(description="The training that tagged.")
    proposed_at: datetime
    current: str | None = Field(description="The caption as it is.")
    current_etag: Etag
    conflict: bool = Field(
        description="The caption was changed since it was tagged, so that accepting is refused: "
        "PUT the caption that you want."
    )


class ProposalChoice(Frozen):
    """Which proposals are meant: those of some images, or all."""

    image_ids: list[ImageId] = Field(default=[], max_length=MOST_AT_ONCE)
    all: bool = False


class ProposalOutcome(Frozen):
    """What became of one proposal."""

    outcome: Outcome = Field(
        description="`conflict`: the caption was changed since it was tagged; nothing was written, "
        "and the proposal stays."
    )
    image_id: str
    text: str | None = Field(default=None, description="The caption as it is now.")
    etag: Etag | None = None


class ProposalOutcomes(Frozen):
    """What became of proposals."""

    results: list[ProposalOutcome] = Field(
        default=[], description="Where they were named, in that order."
    )
    edit: CaptionEdit | None = Field(default=None, description="Where `all` were meant.")
