"""Changes of a whole set of captions, and proposed captions, as the API tells them."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from lambdas.core.json_types import Flag
from lambdas.datasets.caption_schema import MOST_AT_ONCE, Etag, Frozen, ImageId

Kind = Literal["replace", "add_tag", "remove_tag", "accept_proposals", "refuse_proposals"]
Outcome = Literal["accepted", "refused", "conflict", "no_proposal"]
Reason = Literal["would_be_empty", "too_long", "unreadable", "changed_meanwhile", "image_is_gone"]


class Action(Frozen):
    """What is done to each caption of a set."""

    kind: Kind = Field(description="What is done.")
    find: str | None = Field(
        default=None, description="What is looked for, where something is replaced."
    )
    replace: str | None = Field(default=None, description="What is put in its place.")
    whole_tags: bool = Field(default=False, description="Whether only whole tags are replaced.")
    tag: str | None = Field(default=None, description="The tag that is added or removed.")
    position: Literal["start", "end"] | None = Field(
        default=None, description="Where the tag is added."
    )


class Example(Frozen):
    """A caption before and after."""

    image_id: str = Field(description="The image whose caption it is.")
    name: str = Field(description="The image's file name.")
    before: str | None = Field(description="The caption before; null: there was none.")
    after: str = Field(description="The caption afterwards.")


class Skipped(Frozen):
    """An image whose caption was left as it is, and why."""

    image_id: str = Field(description="The image whose caption it is.")
    name: str = Field(description="The image's file name.")
    reason: Reason = Field(description="Why it was left as it is.")


class CaptionEdit(Frozen):
    """A change of a whole set of captions and how far it is."""

    id: str | None = Field(description="null: it was only tried.")
    status: Literal["running", "done", "failed", "dry_run"] = Field(
        description="`running`: it goes on in the background; GET /datasets/{id}/captions/edit "
        "tells how far it is."
    )
    action: Action = Field(description="What is done to each caption.")
    looked_at: int = Field(default=0, description="How many images, or proposals, so far.")
    changed: int = Field(default=0, description="How many captions; of `dry_run`: would be.")
    skipped: int = Field(default=0, description="How many had to be left as they are.")
    examples: list[Example] = Field(default=[], description="A few that change.")
    skipped_images: list[Skipped] = Field(default=[], description="The first 50 that were skipped.")
    message: str | None = Field(default=None, description="Why it failed.")
    started_at: datetime = Field(description="When it began.")
    ended_at: datetime | None = Field(
        default=None, description="When it ended; null while it runs, and for a dry run."
    )


class ProposedCaption(Frozen):
    """A caption that a tagger proposed, and what stands there now."""

    image_id: str = Field(description="The image whose caption it would be.")
    name: str = Field(description="The image's file name.")
    text: str = Field(description="What is proposed for the whole caption.")
    tags: list[str] = Field(description="What the tagger saw.")
    tagger: str = Field(description="The model that proposed it.")
    training_id: str = Field(description="The training that tagged.")
    proposed_at: datetime = Field(description="When it was proposed.")
    current: str | None = Field(description="The caption as it is.")
    current_etag: Etag
    conflict: bool = Field(
        description="The caption was changed since it was tagged, so that accepting is refused: "
        "PUT the caption that you want."
    )


class ProposalChoice(Frozen):
    """Which proposals are meant: those of some images, or all."""

    image_ids: list[ImageId] = Field(
        default=[], max_length=MOST_AT_ONCE, description="The images whose proposals are meant."
    )
    all: Flag = Field(default=False, description="Whether all proposals are meant.")


class ProposalOutcome(Frozen):
    """What became of one proposal."""

    outcome: Outcome = Field(
        description="`conflict`: the caption was changed since it was tagged; nothing was written, "
        "and the proposal stays."
    )
    image_id: str = Field(description="The image whose proposal it was.")
    text: str | None = Field(default=None, description="The caption as it is now.")
    etag: Etag | None = Field(
        default=None, description="The ETag of the caption as it stands now, without quotes."
    )


class ProposalOutcomes(Frozen):
    """What became of proposals."""

    results: list[ProposalOutcome] = Field(
        default=[], description="Where they were named, in that order."
    )
    edit: CaptionEdit | None = Field(default=None, description="Where `all` were meant.")
