"""Changing a training's tags, which nothing but its readers depend on."""

from lambdas.core import clock, table
from lambdas.core.errors import NotFound
from lambdas.core.revisions import stale
from lambdas.core.table import ConditionFailed, Update
from lambdas.trainings import repository
from lambdas.trainings.deleting import changed_meanwhile
from lambdas.trainings.repository import Kept
from lambdas.trainings.schema import Training, TrainingChanges


def change(kept: Kept, changes: TrainingChanges, revision: int | None) -> Training:
    """Change a training however it stands otherwise; its job may be running.

    `revision` is the one that must still stand, None for any. Raises PreconditionFailed when it is
    another, Conflict when the training is being deleted, NotFound when it is gone.
    """
    training = kept.training
    moment = clock.now()
    try:
        table.write(_update(kept, changes, revision, clock.text(moment)))
    except ConditionFailed as error:
        found = error.found.get(0)
        if found is None:
            raise NotFound(f"There is no training {training.id} in this workspace.") from error
        stands_at = int(found.get("revision", 1))
        if revision is not None and stands_at != revision:
            raise stale(stands_at) from error
        raise changed_meanwhile() from error
    return repository.get(kept.workspace, training.id).training


def _update(kept: Kept, changes: TrainingChanges, revision: int | None, moment: str) -> Update:
    condition = "attribute_exists(#pk) AND #status <> :deleting"
    values = {
        "tags": changes.tags,
        "updated_at": moment,
        "deleting": "deleting",
        "one": 1,
        "first": 1,
    }
    if revision is not None:
        condition += " AND " + (
            "(attribute_not_exists(#revision) OR #revision = :expected)"
            if revision == 1  # one that was made before revisions counts as its first
            else "#revision = :expected"
        )
        values["expected"] = revision
    return Update(
        repository.key_of(kept.workspace, kept.training.id),
        "SET #tags = :tags, #updated_at = :updated_at, "
        "#revision = if_not_exists(#revision, :first) + :one",
        values,
        condition,
    )
