"""What a training would be: everything checked against everything before it costs anything."""

from dataclasses import dataclass, field
from typing import Any

from lambdas.core.errors import Fault
from lambdas.datasets.schema import Dataset
from lambdas.models.schema import Model
from lambdas.trainings import captioned, dataset_options, kohya, regularisation, samples
from lambdas.trainings.captioning_schema import Captioning
from lambdas.trainings.continued import continues, other_shape, shape_of
from lambdas.trainings.dataset_groups import Group, group
from lambdas.trainings.datasets_used import cached_twice, use
from lambdas.trainings.instances import INSTANCE_TYPES, InstanceType
from lambdas.trainings.presets import DEFAULT_PRESET
from lambdas.trainings.reading import Read
from lambdas.trainings.samples_schema import SamplePrompt
from lambdas.trainings.schema import (
    DatasetUsed,
    FmType,
    ModelUsed,
    NewTraining,
    Preset,
    Steps,
)
from lambdas.trainings.settings import Settings
from lambdas.trainings.validation_schema import Correction
from lambdas.trainings.work import known_sizes, misfits, reckon


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
    groups: tuple[Group, ...] = ()
    continue_from: ModelUsed | None = None
    captioning: Captioning | None = None
    steps: Steps | None = None
    sample_prompts: tuple[SamplePrompt, ...] = ()


def make_plan(
    request: NewTraining, found: Found, settings: Settings, *, corrects: bool = False
) -> Plan:
    """Check a request against what it names and reckon its work; all faults at once.

    With `corrects`, options that can only mean one thing are read as that.
    """
    faults: list[Fault] = []
    instance = _instance(request.instance_type or settings.default_instance_type, faults)
    fm_type = _family(request, found.model, faults)
    family: FmType = fm_type or "sd_1_5"
    own = dataset_options.read(request.datasets, family, corrects=corrects)
    continues(request.continue_from, found.continue_from, fm_type, faults)
    taken_over = shape_of(found.continue_from)
    preset = request.preset or DEFAULT_PRESET
    resolved = kohya.resolve(
        request.config_params,
        family,
        instance,
        preset=preset,
        corrects=corrects,
        taken_over=taken_over,
        of_datasets=[one.params for one in own],
    )
    faults.extend(resolved.faults)
    faults.extend(other_shape(resolved.params, taken_over))
    datasets, groups, warnings = _datasets(request, found, own, resolved, family, instance, faults)
    faults.extend(samples.faults(request.sample_prompts, fm_type))
    params = samples.timed(request.sample_prompts, resolved.params)
    prompts = samples.resolved(request.sample_prompts, fm_type, params)
    faults.extend(samples.too_few_steps(prompts))
    warnings = (
        *resolved.warnings,
        *warnings,
        *samples.warnings(request.sample_prompts, params),
        *captioned.warnings(request.captioning, found.datasets, params),
    )
    steps = None
    if not faults:
        sizes = known_sizes(found.datasets)
        steps = reckon(datasets, sizes, groups, params, family, instance.gpus)
        total, epochs = steps.total_steps, steps.epochs
        warnings += tuple(regularisation.warnings(datasets, groups, params))
        warnings += kohya.against_steps(params, total, epochs)
        warnings += tuple(samples.against_steps(request.sample_prompts, params, total, epochs))
    return Plan(
        faults=tuple(faults),
        instance=instance,
        max_runtime_minutes=request.max_runtime_minutes or settings.default_max_runtime_minutes,
        preset=preset,
        params=params,
        warnings=warnings,
        corrections=resolved.corrections + tuple(fix for one in own for fix in one.corrections),
        fm_type=fm_type,
        model=_model_used(found.model),
        datasets=datasets,
        groups=groups,
        continue_from=_model_used(found.continue_from),
        captioning=request.captioning,
        steps=steps,
        sample_prompts=prompts,
    )


def _datasets(
    request: NewTraining,
    found: Found,
    own: tuple[Read, ...],
    training: kohya.Resolved,
    fm_type: FmType,
    instance: InstanceType,
    faults: list[Fault],
) -> tuple[tuple[DatasetUsed, ...], tuple[Group, ...], tuple[Fault, ...]]:
    """Return the datasets, how they lie together, and what is hardly meant in their options."""
    checked = dataset_options.check(request.datasets, own, training, fm_type, instance)
    groups = group(checked.entries, training.params)
    datasets = use(checked.entries, found.datasets, groups, request.captioning, faults)
    faults.extend(checked.faults)
    faults.extend(regularisation.alone(request.datasets))
    if not any(one.faults for one in own):  # what could not be read may be what they have alike
        faults.extend(regularisation.unplaced(checked.entries, groups))
    if not faults:
        sizes = known_sizes(found.datasets)
        faults.extend(cached_twice(datasets, groups, training.params))
        faults.extend(misfits(datasets, sizes, groups, training.params, fm_type))
    return datasets, groups, checked.warnings


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
                "encoders, VAE); only these can be trained",
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


def _model_used(model: Model | None) -> ModelUsed | None:
    if model is None:
        return None
    return ModelUsed(id=model.id, name=model.name, file_name=model.file_name)
