"""Making a training: everything that depends on it is kept in one transaction, before its job."""

import json
import zlib
from dataclasses import dataclass

from lambdas.core import bucket, clock, table, use
from lambdas.core.attributes import Item
from lambdas.core.errors import Conflict, Fault
from lambdas.core.idempotency import Attempt
from lambdas.core.ids import looks_like_id, sibling
from lambdas.core.names import name_taken
from lambdas.core.table import Check, ConditionFailed, Key, Put, Write
from lambdas.core.use import Known
from lambdas.datasets import repository as datasets
from lambdas.models import repository as models
from lambdas.trainings import budget, repository, states
from lambdas.trainings.going_on import Earlier
from lambdas.trainings.job_schema import Job
from lambdas.trainings.plan import Found
from lambdas.trainings.repository import OPEN_SHARDS
from lambdas.trainings.schema import FINAL, NewTraining, Training


@dataclass(frozen=True)
class References:
    """The ids that a request's names stand for; None for a name that nothing has."""

    model: str | None
    datasets: tuple[str | None, ...]
    continue_from: str | None = None
    earlier: str | None = None
    """The training whose state is to be gone on from."""
    namesake: str | None = None
    """A training that has the name which is given for a LoRA to continue."""


@dataclass(frozen=True)
class Loaded:
    """What one look at the table told: what a training is about, and what the workspace may use.

    `made` is the id of what an earlier attempt made.
    """

    found: Found
    known: Known
    made: str | None


# The limits of a workspace may be set anew between two of them.
_TRIES = 4


def resolve(workspace: str, request: NewTraining) -> References:
    """Find the ids behind a request's names: one call, none when it has ids only."""
    locks: dict[str, Key] = {}
    for model in filter(None, (request.model, request.continue_from)):
        if not looks_like_id(model):
            locks[model] = models.name_key(workspace, model)
    wanted = [choice.dataset for choice in request.datasets]
    dataset_locks = {
        name: datasets.name_key(workspace, name) for name in wanted if not looks_like_id(name)
    }
    name = request.continue_from if request.continue_from in locks else None
    namesake = repository.name_key(workspace, name) if name else None
    keys = [*locks.values(), *dataset_locks.values(), *([namesake] if namesake else [])]
    found = table.batch_get(keys) if keys else {}
    ids = {key: str(item["id"]) for key, item in found.items()}

    def model_id(reference: str | None) -> str | None:
        return ids.get(locks[reference]) if reference in locks else reference

    earlier = looks_like_id(request.continue_from or "", "trn")
    return References(
        model=model_id(request.model),
        continue_from=None if earlier else model_id(request.continue_from),
        earlier=request.continue_from if earlier else None,
        namesake=ids.get(namesake) if namesake else None,
        datasets=tuple(
            ids.get(dataset_locks[name]) if name in dataset_locks else name for name in wanted
        ),
    )


def load(workspace: str, references: References, attempt: Attempt | None) -> Loaded:
    """Read what a training is about in one consistent call, and what an earlier attempt made.

    Raises Unprocessable when the attempt's key was used for another body.
    """
    model_key = models.key_of(workspace, references.model) if references.model else None
    dataset_keys = [datasets.key_of(workspace, one) if one else None for one in references.datasets]
    lora = references.continue_from
    lora_key = models.key_of(workspace, lora) if lora else None
    earlier_key = repository.key_of(workspace, references.earlier) if references.earlier else None
    record_key = attempt.record_key if attempt else None
    use_key = use.use_key(workspace)
    named = (model_key, lora_key, earlier_key, record_key, *dataset_keys)
    items = table.batch_get([use_key, *(key for key in named if key)])
    model = items.get(model_key) if model_key else None
    continued = items.get(lora_key) if lora_key else None
    found = Found(
        model=None if model is None else models.from_item(model),
        continue_from=None if continued is None else models.from_item(continued),
        datasets=tuple(
            datasets.from_item(items[key]) if key in items else None for key in dataset_keys
        ),
        earlier=_earlier(workspace, items.get(earlier_key) if earlier_key else None),
        namesake=references.namesake,
    )
    made = attempt.made(items.get(record_key)) if attempt and record_key else None
    return Loaded(found, Known.of(items.get(use_key)), made)


def _earlier(workspace: str, item: Item | None) -> Earlier | None:
    if item is None:
        return None
    training = repository.kept_from(item).training
    ended = training.status in FINAL
    return Earlier(training, states.newest(workspace, training.id) if ended else None)


def put_job(job: Job) -> None:
    """Write what the container will be told."""
    key = f"{repository.folder_of(job.workspace, job.training_id)}input/job.json"
    # The lifecycle rule that goes by this tag also clears away what a crash left without a record.
    bucket.put(key, job.model_dump_json().encode(), tagging="lorastack-keep=40-days")


def insert(workspace: str, training: Training, attempt: Attempt, known: Known) -> str | None:
    """Keep a new training and all that depends on it as one transaction.

    Returns the id of the training that another attempt with the same key made first. Raises
    Conflict when a name is in use or the model or a dataset is not `ready` any more,
    TooManyRequests when as many trainings are under way as the workspace may have, and LimitReached
    when the month has too little left.
    """
    for _ in range(_TRIES):
        try:
            return attempt.transact(
                training.id,
                Put(_lock(workspace, training)),
                *_writes(workspace, training, known),
                taken=name_taken("training", training.name),
            )
        except ConditionFailed as error:
            first = min(error.found) - len(attempt.record(training.id))
            found = error.found[min(error.found)]
            if first != _COUNT or Known.of(found) == known:
                raise _refusal(first, found, training, known) from error
            known = Known.of(found)
    raise table.busy()


def _lock(workspace: str, training: Training) -> Item:
    key = repository.name_key(workspace, training.name)
    return {"pk": key.pk, "sk": key.sk, "id": training.id}


# Where the writes stand, behind the idempotency record; `_refusal` goes by it.
_LORA_NAME, _COUNT, _MONTH = 1, 2, 3


def _writes(workspace: str, training: Training, known: Known) -> list[Write]:
    """Return what is written behind the training's own name."""
    assert training.charge
    return [
        models.lock_of(workspace, training.name, sibling(training.id, "mdl")),
        use.one_more_training(workspace, known),
        budget.reserved(workspace, training.charge, known.limits),
        _put(workspace, training),
        repository.put_event(training.id, "queued", "Queued.", clock.now()),
        *repository.uses_of(training),
        *_checks(workspace, training),
    ]


def _put(workspace: str, training: Training) -> Put:
    key = repository.key_of(workspace, training.id)
    shard = zlib.crc32(training.id.encode()) % OPEN_SHARDS
    item: Item = training.model_dump(mode="json") | {
        "pk": key.pk,
        "sk": key.sk,
        "facet": repository.facet_of(workspace, training.status),
        "open_shard": f"open#{shard}",
        "next_check_at": clock.text(clock.later(60)),
        "config_params": json.dumps(training.config_params),
    }
    return Put(item)


def _checks(workspace: str, training: Training) -> list[Check]:
    continued = training.continue_from
    lora = [continued.id] if continued and continued.kind == "lora" else []
    earlier = [continued.id] if continued and continued.kind == "state" else []
    model_keys = [models.key_of(workspace, model) for model in (training.model.id, *lora)]
    # A transaction may look at an item once, and a dataset may stand several times.
    dataset_ids = dict.fromkeys(dataset.id for dataset in training.datasets)
    dataset_keys = [datasets.key_of(workspace, dataset_id) for dataset_id in dataset_ids]
    is_ready = "#status = :ready", {"ready": "ready"}
    is_kept = "attribute_exists(#pk) AND #status <> :deleting", {"deleting": "deleting"}
    # One that is invalid for want of captions will do when they are proposed.
    is_usable = "#status IN (:ready, :invalid)", {"ready": "ready", "invalid": "invalid"}
    return [
        *(Check(key, *is_ready) for key in model_keys),
        *(Check(key, *(is_usable if training.captioning else is_ready)) for key in dataset_keys),
        *(Check(repository.key_of(workspace, one), *is_kept) for one in earlier),
    ]


def _refusal(first: int, found: Item | None, training: Training, known: Known) -> Exception:
    if first == _LORA_NAME:
        return Conflict(
            f"A model called {training.name} exists, and the LoRA to come has the training's name.",
            code="name_taken",
            faults=[Fault("/name", "is a model's name: choose another")],
        )
    if first == _COUNT:
        return budget.too_many(found, known)
    if first == _MONTH and training.charge:
        return budget.no_money_left(found, training.charge, known.limits)
    return Conflict(
        "The model, a dataset or what is to be continued changed while the training was being "
        "made. Look at them and try again.",
        code="changed_meanwhile",
    )
