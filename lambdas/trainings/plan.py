"""What a training would be: everything checked against everything before it costs anything."""

from dataclasses import dataclass, field
from typing import Any

from lambdas.core.errors import Fault
from lambdas.datasets.schema import Dataset
from lambdas.models.schema import Model
from lambdas.trainings import (
    base,
    captioned,
    continued,
    dataset_options,
    going_on,
    kohya,
    record_size,
    regularisation,
    samples,
)
from lambdas.trainings.captioning_schema import Captioning
from lambdas.trainings.continued import Named
from lambdas.trainings.dataset_groups import Group, group
from lambdas.trainings.datasets_used import cached_twice, placed_in, use
from lambdas.trainings.early_stopping import against_epochs, against_options
from lambdas.trainings.folders import Folder, folders_of
from lambdas.trainings.going_on import Earlier
from lambdas.trainings.instances import InstanceType
from lambdas.trainings.presets import DEFAULT_PRESET
from lambdas.trainings.reading import Read
from lambdas.trainings.samples_schema import SamplePrompt
from lambdas.trainings.schema import (
    Continued,
    DatasetUsed,
    FmType,
    ModelUsed,
    NewTraining,
    Preset,
    Steps,
)
from lambdas.trainings.settings import Settings
from lambdas.trainings.validation_schema import Correction
from lambdas.trainings.work import misfits, reckon


@dataclass(frozen=True)
class Found:
    """What the names and ids in a request stand for; None for what is not there."""

    model: Model | None
    datasets: tuple[Dataset | None, ...]
    continue_from: Model | None = None
    earlier: Earlier | None = None
    namesake: str | None = None
    """The id of a training that has the name which is given for a LoRA."""

    @property
    def continues(self) -> Named:
        """Return what stands behind `continue_from`."""
        return Named(self.continue_from, self.earlier, self.namesake)


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
    continue_from: Continued | None = None
    captioning: Captioning | None = None
    steps: Steps | None = None
    sample_prompts: tuple[SamplePrompt, ...] = ()


@dataclass
class _Told:
    """What is found out on the way."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class _Ground:
    """What options are read for; the family is a guess where the base model does not tell it."""

    instance: InstanceType
    fm_type: FmType | None
    preset: Preset

    @property
    def family(self) -> FmType:
        return self.fm_type or "sd_1_5"


def make_plan(
    request: NewTraining, found: Found, settings: Settings, *, corrects: bool = False
) -> Plan:
    """Check a request against what it names and reckon its work; all faults at once.

    With `corrects`, options that can only mean one thing are read as that.
    """
    told = _Told()
    ground = _ground(request, found, settings, told)
    own = dataset_options.read(request.datasets, ground.family, corrects=corrects)
    continued.continues(request.continue_from, found.continues, ground.fm_type, told.faults)
    resolved = _options(request, found, ground, own, told, corrects=corrects)
    folders = folders_of(found.datasets)
    datasets, groups = _datasets(request, folders, own, resolved, ground, told)
    model = base.model_used(found.model)
    if found.earlier:
        placed = placed_in(folders, datasets)
        differing = going_on.differences(request, found.earlier, model, placed, ground.instance)
        told.faults.extend(differing)
        told.warnings.extend(going_on.other_captions(request, found.earlier))
    told.faults.extend(against_options(request.early_stop, resolved.params))
    params, prompts = _samples(request, ground.fm_type, resolved.params, told)
    told.warnings.extend(captioned.warnings(request.captioning, found.datasets, params))
    steps = None
    if not told.faults:
        sizes = [one.sizes for one in folders]
        steps = reckon(datasets, sizes, groups, params, ground.family, ground.instance.gpus)
        told.warnings.extend(regularisation.warnings(datasets, folders, groups, params))
        _against_steps(request, found.earlier, params, steps, told)
        parts = {
            "datasets": datasets,
            "config_params": params,
            "sample_prompts": prompts,
            "captioning": request.captioning,
            "tags": request.tags,
        }
        told.faults.extend(record_size.too_large(parts, steps))
    return Plan(
        faults=tuple(told.faults),
        instance=ground.instance,
        max_runtime_minutes=request.max_runtime_minutes or settings.default_max_runtime_minutes,
        preset=ground.preset,
        params=params,
        warnings=tuple(told.warnings),
        corrections=resolved.corrections + tuple(fix for one in own for fix in one.corrections),
        fm_type=ground.fm_type,
        model=model,
        datasets=datasets,
        groups=groups,
        continue_from=continued.used(found.continues),
        captioning=request.captioning,
        steps=steps,
        sample_prompts=prompts,
    )


def _ground(request: NewTraining, found: Found, settings: Settings, told: _Told) -> _Ground:
    """Return the machine, the family and the preset: as they were where a state is gone on from."""
    before = found.earlier.training if found.earlier else None
    instance_type = request.instance_type or (before.instance_type if before else None)
    return _Ground(
        base.instance(instance_type or settings.default_instance_type, told.faults),
        base.family(request, found.model, told.faults),
        request.preset or (before.preset if before else None) or DEFAULT_PRESET,
    )


def _options(
    request: NewTraining,
    found: Found,
    ground: _Ground,
    own: tuple[Read, ...],
    told: _Told,
    *,
    corrects: bool,
) -> kohya.Resolved:
    """Return the training's options, held to what is continued."""
    resolved = kohya.resolve(
        request.config_params,
        ground.family,
        ground.instance,
        preset=ground.preset,
        corrects=corrects,
        taken_over=continued.taken_over(found.continues, draws=bool(request.sample_prompts)),
        with_preset=found.earlier is None,
        of_datasets=[one.params for one in own],
    )
    told.faults.extend(resolved.faults)
    told.warnings.extend(resolved.warnings)
    if not resolved.faults:
        told.faults.extend(continued.other_options(resolved.params, found.continues))
    return resolved


def _datasets(
    request: NewTraining,
    folders: tuple[Folder, ...],
    own: tuple[Read, ...],
    training: kohya.Resolved,
    ground: _Ground,
    told: _Told,
) -> tuple[tuple[DatasetUsed, ...], tuple[Group, ...]]:
    """Return the datasets, folder by folder, and how they lie together."""
    checked = dataset_options.check(request.datasets, own, training, ground.family, ground.instance)
    entries = [checked.entries[one.entry] for one in folders]
    groups = group(entries, training.params)
    faults = told.faults
    datasets = use(checked.entries, folders, groups, request.captioning, faults)
    faults.extend(checked.faults)
    faults.extend(regularisation.alone(request.datasets))
    if not any(one.faults for one in own):  # what could not be read may be what they have alike
        faults.extend(regularisation.unplaced(entries, folders, groups))
    if not faults:
        faults.extend(cached_twice(datasets, groups, training.params))
        faults.extend(misfits(datasets, folders, groups, training.params, ground.family))
    told.warnings.extend(checked.warnings)
    return datasets, groups


def _samples(
    request: NewTraining, fm_type: FmType | None, params: dict[str, Any], told: _Told
) -> tuple[dict[str, Any], tuple[SamplePrompt, ...]]:
    """Return the options with when samples are drawn, and the prompts with all their settings."""
    asked = request.sample_prompts
    told.faults.extend(samples.faults(asked, fm_type))
    timed = samples.timed(asked, params)
    prompts = samples.resolved(asked, fm_type, timed)
    told.faults.extend(samples.too_few_steps(prompts))
    told.warnings.extend(samples.warnings(asked, timed))
    return timed, prompts


def _against_steps(
    request: NewTraining,
    earlier: Earlier | None,
    params: dict[str, Any],
    steps: Steps,
    told: _Told,
) -> None:
    """Hold what was asked for to the work that the training is."""
    total, epochs = steps.total_steps, steps.epochs
    told.warnings.extend(kohya.against_steps(params, total, epochs))
    told.warnings.extend(samples.against_steps(request.sample_prompts, params, total, epochs))
    told.faults.extend(against_epochs(request.early_stop, steps, earlier.epoch if earlier else 0))
    if earlier:
        told.faults.extend(going_on.too_short(params, steps, earlier))
        told.warnings.extend(going_on.schedule_jumps(params, steps, earlier))
