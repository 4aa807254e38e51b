"""Deleting a model: marked first, then looked up who uses it, and finished if it broke off."""

from lambdas.core import clock, pending, stored, table
from lambdas.core.errors import Conflict
from lambdas.core.table import ConditionFailed, Delete, Update, Write
from lambdas.models import repository
from lambdas.models.schema import Model
from lambdas.models.writes import OPEN, changed_meanwhile, still_open, update_of


def delete(workspace: str, model_id: str) -> None:
    """Remove a model, its file and its name; what broke off before goes on.

    First it is marked, so that no training can begin with it; then it is looked up who uses it.
    Raises NotFound, and Conflict when a training uses it: then it stays as it was.
    """
    item = repository.item_of(workspace, model_id)
    model = repository.from_item(item)
    if model.status != "deleting":
        _mark(workspace, model)
    # As it stands: a training that was made a moment before the mark must be seen.
    users = table.query(f"{model_id}#use", limit=3, newest_first=False, consistent=True).items
    if users and not item.get("doomed"):
        _restore(workspace, model_id)
        raise _in_use(model, [str(user["sk"]) for user in users])
    _doom(workspace, model_id)
    if model.import_:
        # The worker went on until it was marked: only now is it certain what there is to clear.
        item = repository.item_of(workspace, model_id)
        model = repository.from_item(item)
    repository.clear(workspace, model, repository.upload_from(item))
    _forget_in_training(workspace, model)
    _remove(workspace, model)


def _mark(workspace: str, model: Model) -> None:
    fields = {
        "status": "deleting",
        "status_before": model.status,
        "updated_at": clock.text(clock.now()),
        **still_open(),
    }
    # A worker that imports it finds out at its next write, since its lease is gone.
    ended = ", ".join(f"#{name}" for name in pending.ATTRIBUTES if name not in fields)
    update = update_of(workspace, model.id, fields, "#status = :status_before", {}, remove=ended)
    try:
        table.write(update)
    except ConditionFailed as error:
        raise changed_meanwhile() from error


def _restore(workspace: str, model_id: str) -> None:
    """Give a model that is used its status back, unless another request saw that it is not."""
    try:
        table.write(
            Update(
                repository.key_of(workspace, model_id),
                f"SET #status = #status_before REMOVE #status_before, {OPEN}",
                {"deleting": "deleting"},
                "#status = :deleting AND attribute_not_exists(#doomed)",
            )
        )
    except ConditionFailed as error:
        raise changed_meanwhile() from error


def _doom(workspace: str, model_id: str) -> None:
    """Say that nobody uses it: from here on it can't be restored."""
    try:
        table.write(
            Update(
                repository.key_of(workspace, model_id),
                "SET #doomed = :yes",
                {"yes": True, "deleting": "deleting"},
                "#status = :deleting",
            )
        )
    except ConditionFailed as error:
        raise changed_meanwhile() from error


def _forget_in_training(workspace: str, model: Model) -> None:
    if model.training_id is None:
        return
    from lambdas.trainings import repository as trainings  # only a deletion needs it

    key = trainings.key_of(workspace, model.training_id)
    try:
        table.write(Update(key, "REMOVE #lora_id", {"id": model.id}, "#lora_id = :id"))
    except ConditionFailed:
        return  # the training is gone, or forgot it before


def _remove(workspace: str, model: Model) -> None:
    writes: list[Write] = [
        Delete(
            repository.key_of(workspace, model.id), "#status = :deleting", {"deleting": "deleting"}
        ),
        Delete(repository.family_key(workspace, model.id)),
        *stored.released(workspace, model.id),
    ]
    lock = Delete(
        repository.name_key(workspace, model.name),
        "attribute_not_exists(#pk) OR #id = :id",
        {"id": model.id},
    )
    try:
        table.transact([*writes, lock])
    except ConditionFailed as error:
        if 0 in error.found:
            return  # another request has finished it
        table.transact(writes)  # it was invalid, and its name is another model's by now


def _in_use(model: Model, training_ids: list[str]) -> Conflict:
    return Conflict(
        f"{model.name} is used by {', '.join(training_ids)}, which has not ended. Wait for it or "
        "cancel it, then delete the model.",
        code="model_in_use",
    )
