"""The JSON schema of config_params, for the contract; nothing needs it while a function runs."""

from typing import Any

from lambdas.trainings import presets
from lambdas.trainings.instances import INSTANCE_TYPES
from lambdas.trainings.option_values import RESOLUTION
from lambdas.trainings.options import Option, dataset_options, open_options
from lambdas.trainings.schema import FmType

_USUAL = INSTANCE_TYPES["ml.g5.xlarge"]
_TYPES = {"bool": "boolean", "int": "integer", "float": "number", "int_or_float": "number"}
_NAMES: dict[FmType, str] = {"sd_1_5": "SD 1.5", "sd_xl": "SDXL"}


def json_schema() -> dict[str, Any]:
    """Return the schema of config_params as an object.

    Defaults stand in the descriptions and as `x-default`: a generated client would send a
    `default` back, and with it take every choice away from the preset.
    """
    return {
        "title": "ConfigParams",
        "description": "The options of sd-scripts that users may set. GET /training-options has "
        "the same for programs, and the presets for each GPU.",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _property(option) for name, option in open_options().items()},
    }


def schema_of_datasets() -> dict[str, Any]:
    """Return the schema of the options that a dataset may have for itself."""
    return {
        "title": "DatasetOptions",
        "description": "The options of sd-scripts that a dataset may have otherwise than "
        "config_params.",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _of_dataset(option) for name, option in dataset_options().items()},
    }


def _of_dataset(option: Option) -> dict[str, Any]:
    told = [option.description]
    if option.unit:
        told.append(f"In {option.unit}.")
    if option.per == "dataset":
        told.append("Datasets that have it alike share buckets and batches.")
    described = {"title": option.name, "description": " ".join(told), "x-section": option.section}
    return _shape(option) | described


def _property(option: Option) -> dict[str, Any]:
    defaults = {family: _default(option, family) for family in _NAMES if family in option.families}
    told = [option.description]
    if option.unit:
        told.append(f"In {option.unit}.")
    if len(option.families) == 1:
        told.append(f"{_NAMES[next(iter(defaults))]} only.")
    if line := _defaults_line(defaults):
        told.append(line)
    return _shape(option) | {
        "title": option.name,
        "description": " ".join(told),
        "x-section": option.section,
        "x-default": defaults,
    }


def _shape(option: Option) -> dict[str, Any]:
    if option.name == "resolution":
        side = {"type": "integer", "minimum": 10, "maximum": 9999}
        sides = {"type": "array", "items": side, "minItems": 1, "maxItems": 2}
        return {"anyOf": [{"type": "string", "pattern": RESOLUTION}, side, sides]}
    one: dict[str, Any] = {"type": _TYPES.get(option.type, "string")}
    if one["type"] == "string":
        one["maxLength"] = 2000
    if option.choices:
        one["enum"] = list(option.choices)
    if option.minimum is not None:
        one["minimum"] = option.minimum
    if option.maximum is not None:
        one["maximum"] = option.maximum
    return {"anyOf": [{"type": "array", "items": one}, one]} if option.many else one


def _default(option: Option, family: str) -> Any:
    preset = presets.defaults_of(presets.DEFAULT_PRESET, family, _USUAL)
    return preset[option.name].value if option.name in preset else option.default


def _defaults_line(defaults: dict[FmType, Any]) -> str:
    values = list(defaults.values())
    if all(value in (None, False, "") for value in values):
        return ""
    if all(value == values[0] for value in values):
        return f"Usually {_text(values[0])}."
    told = ", ".join(f"{_text(value)} for {_NAMES[family]}" for family, value in defaults.items())
    return f"Usually {told}."


def _text(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
