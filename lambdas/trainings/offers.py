"""What a training can be made of, told from the same tables that check a request."""

from typing import Any, get_args

from pydantic import Field

from lambdas.trainings import presets, schema
from lambdas.trainings.arguments import LYCORIS_VALUES, NETWORK_ARGS
from lambdas.trainings.instances import INSTANCE_TYPES, InstanceType
from lambdas.trainings.options import Option, Per, open_options, sections
from lambdas.trainings.prices import price_of
from lambdas.trainings.schema import FmType, Frozen, Preset
from lambdas.trainings.settings import Settings
from lambdas.trainings.validation_schema import Price

_SCRIPTS: dict[FmType, tuple[str, str]] = {
    "sd_1_5": ("Stable Diffusion 1.5", "train_network.py"),
    "sd_xl": ("Stable Diffusion XL", "sdxl_train_network.py"),
}


class Family(Frozen):
    """A kind of base model that can be trained."""

    fm_type: FmType = Field(description="As requests name it.")
    title: str = Field(description="As people name it.")
    script: str = Field(description="The script of sd-scripts that trains it.")


class InstanceOffer(Frozen):
    """An instance type that a training may run on."""

    instance_type: str = Field(description="SageMaker's name.")
    gpus: int = Field(description="How many GPUs it has.")
    gpu: str = Field(description="The name of its GPUs.")
    gpu_memory_gib: int = Field(description="Of each GPU.")
    preset_memory_gib: int = Field(description="Which of the presets it takes.")
    bf16: bool = Field(description="Whether they reckon in bfloat16.")
    price: Price | None = Field(description="null: unknown in this region.")


class PresetOption(Frozen):
    """What a preset sets, and why."""

    option: str = Field(description="The option's name.")
    value: Any = Field(description="What the preset sets it to.")
    reason: str = Field(description="Why the preset has this value.")


class PresetOffer(Frozen):
    """What the options have that a user does not set."""

    preset: Preset = Field(description="As requests name it.")
    fm_type: FmType = Field(description="For which family.")
    gpu_memory_gib: int = Field(description="For GPUs of about so much memory, in GiB.")
    options: list[PresetOption] = Field(description="What it sets.")


class OptionOffer(Frozen):
    """An option of sd-scripts that users may set."""

    option: str = Field(description="As `config_params` names it.")
    section: str = Field(description="What it has to do with.")
    description: str = Field(description="What it does.")
    type: str = Field(description="bool, int, float, int_or_float or str.")
    many: bool = Field(description="A list of such values.")
    per: Per | None = Field(
        description="Where not null, an entry of datasets may have it in its options as well: "
        "`subset` is for its own images and captions; a `dataset` one gives it, and those that "
        "have the same, buckets and batches of their own."
    )
    fm_types: list[FmType] = Field(description="The families that have it.")
    choices: list[Any] = Field(description="Empty: any value of the type.")
    minimum: float | None = Field(description="The least; null: none.")
    maximum: float | None = Field(description="The most; null: none.")
    unit: str | None = Field(
        description="In what it is counted; null: it is a bare number, or none."
    )
    default: Any = Field(description="sd-scripts' own, where neither user nor preset sets it.")


class Limits(Frozen):
    """What a request may hold at most."""

    datasets: int = Field(description="Datasets in one training.")
    tags: int = Field(description="Tags on one training.")
    max_runtime_minutes: int = Field(description="Minutes that a job may run.")
    active_trainings: int = Field(description="Under way at once in a workspace.")


class Arguments(Frozen):
    """What network_args may hold."""

    keys: dict[str, list[str]] = Field(description="By network_module.")
    lycoris: dict[str, list[str]] = Field(description="The values of some of LyCORIS's keys.")


class TrainingOptions(Frozen):
    """What a training can be made of here."""

    families: list[Family] = Field(description="Kinds of base models.")
    region: str | None = Field(description="Where the prices are of.")
    default_instance_type: str = Field(description="Where a training runs that names none.")
    instance_types: list[InstanceOffer] = Field(description="Where a training may run.")
    default_preset: Preset = Field(description="What a training takes that names none.")
    presets: list[PresetOffer] = Field(description="By family and GPU memory.")
    sections: list[str] = Field(description="In the order to show them.")
    options: list[OptionOffer] = Field(description="All that `config_params` may hold.")
    network_args: Arguments = Field(description="What `network_args` may hold.")
    limits: Limits = Field(description="The bounds of this deployment.")


def training_options(settings: Settings) -> TrainingOptions:
    """Return what a training can be made of in a deployment."""
    return TrainingOptions(
        families=[
            Family(fm_type=fm_type, title=title, script=script)
            for fm_type, (title, script) in _SCRIPTS.items()
        ],
        region=settings.aws_region or None,
        default_instance_type=settings.default_instance_type,
        instance_types=[_instance(one, settings) for one in INSTANCE_TYPES.values()],
        default_preset=presets.DEFAULT_PRESET,
        presets=[
            _preset(preset, fm_type, memory)
            for fm_type in get_args(FmType)
            for preset in presets.PRESETS
            for memory in presets.MEMORY_CLASSES
        ],
        sections=list(sections()),
        options=[_option(option) for option in open_options().values()],
        network_args=Arguments(
            keys={module: sorted(keys) for module, keys in NETWORK_ARGS.items()},
            lycoris={key: list(values) for key, values in LYCORIS_VALUES.items()},
        ),
        limits=Limits(
            datasets=schema.MOST_DATASETS,
            tags=schema.MOST_TAGS,
            max_runtime_minutes=schema.MOST_RUNTIME_MINUTES,
            active_trainings=settings.max_active_trainings,
        ),
    )


def _instance(instance: InstanceType, settings: Settings) -> InstanceOffer:
    return InstanceOffer(
        instance_type=instance.name,
        gpus=instance.gpus,
        gpu=instance.gpu,
        gpu_memory_gib=instance.gpu_memory_gib,
        preset_memory_gib=presets.memory_class(instance),
        bf16=instance.bf16,
        price=price_of(instance.name, settings),
    )


def _preset(preset: Preset, fm_type: FmType, memory: int) -> PresetOffer:
    defaults = presets.defaults_of(preset, fm_type, presets.instance_of(memory))
    return PresetOffer(
        preset=preset,
        fm_type=fm_type,
        gpu_memory_gib=memory,
        options=[
            PresetOption(option=name, value=one.value, reason=one.reason)
            for name, one in defaults.items()
        ],
    )


def _option(option: Option) -> OptionOffer:
    return OptionOffer(
        option=option.name,
        section=option.section,
        description=option.description,
        type=option.type,
        many=option.many,
        per=option.per,
        fm_types=list(option.families),
        choices=list(option.choices),
        minimum=option.minimum,
        maximum=option.maximum,
        unit=option.unit,
        default=option.default,
    )
