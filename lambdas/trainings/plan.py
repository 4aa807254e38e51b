"""What a training would be: everything checked against everything before it costs anything."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.datasets.schema import Dataset
from lambdas.models.schema import Model
from lambdas.trainings import kohya
from lambdas.trainings.arithmetic import (
    STEPS_BY_DEFAULT,
    BucketedDataset,
    Layout,
    Sizes,
    Subset,
    lay_out,
    schedule,
)
from lambdas.trainings.buckets import CannotBucket, settings_from
from lambdas.trainings.continued import continues, other_shape, shape_of
from lambdas.trainings.instances import INSTANCE_TYPES, InstanceType
from lambdas.trainings.presets import DEFAULT_PRESET
from lambdas.trainings.schema import (
    BucketUsed,
    DatasetUsed,
    FmType,
    ModelUsed,
    NewTraining,
    Preset,
    Steps,
)
from lambdas.trainings.settings import Settings
from lambdas.trainings.validation_schema import Correction

_ONE_BUCKET = (
    "The images' sizes weren't read, so all are taken to fall into one bucket; with several "
    "buckets and a batch size over 1 there are a few steps more."
)
_NO_SPLIT = (
    "All images are taken to be trained on and to fall into one bucket, since validation_split "
    "takes some out at random; so there are fewer steps."
)


@dataclass(frozen=True)
class Found:
    """What the names and ids in a request stand for; None for what is not there."""

    model: Model | None
    datasets: tuple[Dataset | None, ...]
    continue_from: Model | None = None


@dataclass(frozen=True)
class Plan:
    """A request against what it names: complete when there is no fault."""

    faults: tuple[Fault, ...]
    instance: InstanceType
    max_runtime_minutes: int
    preset: Preset = DEFAULT_PRESET
    params: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[Fault, ...] = ()
    corrections: tuple[Correction, ...] = ()
    fm_type: FmType | None = None
    model: ModelUsed | None = None
    datasets: tuple[DatasetUsed, ...] = ()
    continue_from: ModelUsed | None = None
    steps: Steps | None = None


def make_plan(
    request: NewTraining, found: Found, settings: Settings, *, corrects: bool = False
) -> Plan:
    """Check a request against what it names and reckon its work; all faults at once.

    With `corrects`, options that can only mean one thing are read as that.
    """
    faults: list[Fault] = []
    instance = _instance(request.instance_type or settings.default_instance_type, faults)
    fm_type = _family(request, found.model, faults)
    datasets = _datasets(request, found.datasets, faults)
    continues(request.continue_from, found.continue_from, fm_type, faults)
    taken_over = shape_of(found.continue_from)
    preset = request.preset or DEFAULT_PRESET
    resolved = kohya.resolve(
        request.config_params,
        fm_type or "sd_1_5",
        instance,
        preset=preset,
        corrects=corrects,
        taken_over=taken_over,
    )
    faults.extend(resolved.faults)
    faults.extend(other_shape(resolved.params, taken_over))
    layout = None if faults else _layout(datasets, found, resolved.params, fm_type, faults)
    steps = None if faults else reckon(datasets, resolved.params, instance.gpus, layout)
    warnings = resolved.warnings
    if steps:
        warnings += kohya.against_steps(resolved.params, steps.total_steps, steps.epochs)
    return Plan(
        faults=tuple(faults),
        instance=instance,
        max_runtime_minutes=request.max_runtime_minutes or settings.default_max_runtime_minutes,
        preset=preset,
        params=resolved.params,
        warnings=warnings,
        corrections=resolved.corrections,
        fm_type=fm_type,
        model=_model_used(found.model),
        datasets=datasets,
        continue_from=_model_used(found.continue_from),
        steps=steps,
    )


def reckon(
    datasets: tuple[DatasetUsed, ...], params: dict[str, Any], gpus: int, layout: Layout | None
) -> Steps:
    """Return the work as sd-scripts counts it; without a layout all images are one bucket."""
    samples = sum(dataset.images * dataset.repeats for dataset in datasets)
    one_bucket = -(-samples // params.get("train_batch_size", 1))
    counted = schedule(
        layout.batches if layout else one_bucket,
        gpus=gpus,
        accumulation=params.get("gradient_accumulation_steps", 1),
        max_train_epochs=params.get("max_train_epochs"),
        max_train_steps=params.get("max_train_steps", STEPS_BY_DEFAULT),
    )
    return Steps(
        images=sum(dataset.images for dataset in datasets),
        samples_per_epoch=samples,
        steps_per_epoch=counted.steps_per_epoch,
        epochs=counted.epochs,
        total_steps=counted.total_steps,
        buckets=[
            BucketUsed(resolution=list(one.resolution), images=one.images, samples=one.samples)
            for one in (layout.buckets if layout else ())
        ],
        assumption=None if layout else _NO_SPLIT if _splits(params) else _ONE_BUCKET,
    )


def _layout(
    datasets: tuple[DatasetUsed, ...],
    found: Found,
    params: dict[str, Any],
    fm_type: FmType | None,
    faults: list[Fault],
) -> Layout | None:
    """Put all images into buckets as the job's one dataset of sd-scripts does; None where their
    sizes aren't known or there are faults."""
    sizes = [one.report.sizes if one and one.report else None for one in found.datasets]
    subsets = tuple(
        Subset(tuple(Sizes(*entry) for entry in known or ()), dataset.repeats)
        for dataset, known in zip(datasets, sizes, strict=True)
    )
    settings = settings_from(params, fm_type or "sd_1_5")
    for index, one in enumerate(subsets):
        _must_fit(BucketedDataset((one,), settings), index, faults)
    if faults or None in sizes or _splits(params):
        return None
    return lay_out(BucketedDataset(subsets, settings, params.get("train_batch_size", 1)))


def _must_fit(dataset: BucketedDataset, index: int, faults: list[Fault]) -> None:
    try:
        lay_out(dataset)
    except CannotBucket as refused:
        where = pointer("datasets", index, "dataset")
        fault = Fault(
            pointer("config_params", refused.option) if refused.option else where, str(refused)
        )
        if fault not in faults:
            faults.append(fault)


def _splits(params: dict[str, Any]) -> bool:
    return bool(params.get("validation_split"))


def _instance(name: str, faults: list[Fault]) -> InstanceType:
    instance = INSTANCE_TYPES.get(name)
    if instance is None:
        known = ", ".join(sorted(INSTANCE_TYPES))
        faults.append(Fault("/instance_type", f"must be one of {known}; not {name}"))
        return INSTANCE_TYPES["ml.g5.xlarge"]
    return instance


def _family(request: NewTraining, model: Model | None, faults: list[Fault]) -> FmType | None:
    if model is None:
        faults.append(Fault("/model", f"there is no model {request.model}: GET /models lists them"))
        return request.fm_type
    if model.type != "checkpoint":
        faults.append(Fault("/model", f"{model.name} is a {model.type}; a base model is needed"))
        return request.fm_type
    if model.status != "ready":
        faults.append(Fault("/model", f"{model.name} is {model.status}: complete its upload first"))
        return request.fm_type
    if model.fm_type == "other" or model.fm_type is None:
        faults.append(
            Fault(
                "/model",
                f"{model.name} is neither a whole SD 1.5 nor a whole SDXL checkpoint (U-Net, text "
                f"encoders, VAE); only these can be trained{_what_it_is(model)}",
            )
        )
        return request.fm_type
    if request.fm_type not in (None, model.fm_type):
        faults.append(
            Fault(
                "/fm_type",
                f"is {request.fm_type}, but {model.name} is {model.fm_type}: set {model.fm_type}, "
                "leave fm_type out, or choose another model",
            )
        )
    return model.fm_type


def _what_it_is(model: Model) -> str:
    header = model.header
    if header is None or header.family == "unknown":
        return ""
    kind = "an inpainting model" if header.inpainting else f"of the parts {', '.join(header.parts)}"
    return f". Its header tells {header.family}, {kind}"


def _datasets(
    request: NewTraining, found: tuple[Dataset | None, ...], faults: list[Fault]
) -> tuple[DatasetUsed, ...]:
    seen = Counter(dataset.id for dataset in found if dataset)
    used = []
    for index, (choice, dataset) in enumerate(zip(request.datasets, found, strict=True)):
        where = f"/datasets/{index}/dataset"
        if dataset is None:
            faults.append(
                Fault(where, f"there is no dataset {choice.dataset}: GET /datasets lists them")
            )
        elif dataset.status != "ready" or dataset.report is None:
            faults.append(Fault(where, f"{dataset.name} is {dataset.status}: complete it first"))
        elif seen[dataset.id] > 1:
            faults.append(Fault(where, f"{dataset.name} stands twice: raise its repeats instead"))
        else:
            used.append(_dataset_used(dataset, dataset.report.images, choice.repeats))
    return tuple(used)


def _dataset_used(dataset: Dataset, images: int, repeats: int | None) -> DatasetUsed:
    return DatasetUsed(
        id=dataset.id,
        name=dataset.name,
        folder=dataset.prefix,
        repeats=repeats or dataset.repeats,
        subject=dataset.subject,
        caption_policy=dataset.caption_policy,
        images=images,
    )


def _model_used(model: Model | None) -> ModelUsed | None:
    if model is None:
        return None
    return ModelUsed(id=model.id, name=model.name, file_name=model.file_name)
