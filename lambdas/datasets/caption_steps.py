"""A slice of a change of a whole set: which captions become what, and what was in the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lambdas.datasets import caption_text, caption_writes, images, proposals
from lambdas.datasets.caption_files import Place
from lambdas.datasets.caption_writes import Author, Change
from lambdas.datasets.edit_schema import Action, Example, Reason, Skipped
from lambdas.datasets.images import Image
from lambdas.datasets.proposals import Proposal

_ROUNDS = 4


@dataclass(frozen=True)
class Step:
    """What a slice did: counts, a few examples, what was skipped."""

    looked_at: int = 0
    changed: int = 0
    examples: tuple[Example, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def plus(self, other: "Step") -> "Step":
        """Return both together."""
        return Step(
            self.looked_at + other.looked_at,
            self.changed + other.changed,
            (*self.examples, *other.examples)[:5],
            (*self.skipped, *other.skipped),
        )


@dataclass(frozen=True)
class Plan:
    """What is to be written, and what it would have done when it is."""

    step: Step
    changes: tuple[Change, ...]


def plan(place: Place, action: Action, seen: Sequence[Image], edit_id: str | None) -> Plan:
    """Tell which captions an action changes and how."""
    required = place.dataset.caption_policy == "required"
    changes: list[Change] = []
    skipped: list[Skipped] = []
    before_a_crash = [image for image in seen if edit_id and image.caption_edit == edit_id]
    for image in seen:
        if image in before_a_crash:
            continue
        text = _after(action, image)
        if text == (image.caption or ""):
            continue
        reason = _reason_against(image, text, required=required)
        if reason:
            skipped.append(_skipped(image, reason))
        else:
            changes.append(Change(image, text))
    examples = [_example(change) for change in changes[:5]]
    changed = len(changes) + len(before_a_crash)
    return Plan(Step(len(seen), changed, tuple(examples), tuple(skipped)), tuple(changes))


def carry_out(place: Place, action: Action, seen: Sequence[Image], author: Author) -> Step:
    """Change captions; where someone else changed one meanwhile, change what stands there then."""
    looked_at, done = len(seen), Step()
    standing = list(seen)
    for _ in range(_ROUNDS):
        planned = plan(place, action, standing, author.edit)
        outcome = caption_writes.write(place, planned.changes, author)
        gone = len(outcome.conflicts)
        step = planned.step
        done = done.plus(Step(0, step.changed - gone, step.examples, step.skipped))
        standing = [image for image in outcome.conflicts.values() if image is not None]
        if not standing:
            break
    late = tuple(_skipped(image, "changed_meanwhile") for image in standing)
    return done.plus(Step(looked_at, 0, (), late))


def accept(place: Place, waiting: Sequence[Proposal], author: Author) -> Step:
    """Make proposals the captions, but where the caption was changed since."""
    dataset_id = place.dataset.id
    seen = images.some(dataset_id, [one.image_id for one in waiting])
    changes, skipped = acceptances(dataset_id, waiting, seen)
    outcome = caption_writes.write(place, changes, author)
    examples = tuple(_example(change) for change in changes if change.image.id in outcome.written)
    late = [seen[one] for one in outcome.conflicts]
    return Step(
        len(waiting),
        len(outcome.written),
        examples[:5],
        (*skipped, *(_skipped(image, "changed_meanwhile") for image in late)),
    )


def acceptances(
    dataset_id: str, waiting: Sequence[Proposal], seen: Mapping[str, Image]
) -> tuple[list[Change], list[Skipped]]:
    """Return the changes that make proposals the captions, and what stands against the others."""
    changes: list[Change] = []
    skipped: list[Skipped] = []
    for one in waiting:
        image = seen.get(one.image_id)
        if image is None:
            skipped.append(Skipped(image_id=one.image_id, name=one.name, reason="image_is_gone"))
        elif proposals.is_outdated(one, image):
            skipped.append(_skipped(image, "changed_meanwhile"))
        else:
            changes.append(proposals.acceptance(dataset_id, one, image))
    return changes, skipped


def _after(action: Action, image: Image) -> str:
    text = image.caption
    match action.kind:
        case "add_tag":
            return caption_text.with_tag(
                text, action.tag or "", at_start=action.position == "start"
            )
        case "remove_tag":
            return caption_text.without_tag(text, action.tag or "")
    return caption_text.replaced(
        text, action.find or "", action.replace or "", whole_tags=action.whole_tags
    )


def _reason_against(image: Image, text: str, *, required: bool) -> Reason | None:
    if image.caption is None and image.caption_etag:
        return "unreadable"
    if required and caption_text.is_empty(text):
        return "would_be_empty"
    try:
        caption_text.check_text(text)
    except ValueError:
        return "too_long"
    return None


def _skipped(image: Image, reason: Reason) -> Skipped:
    return Skipped(image_id=image.id, name=image.name, reason=reason)


def _example(change: Change) -> Example:
    image = change.image
    return Example(image_id=image.id, name=image.name, before=image.caption, after=change.text)
