"""Sample prompts against the family and the options, before they cost anything."""

from collections.abc import Sequence
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.trainings.options import options
from lambdas.trainings.samples_schema import MOST_CHARACTERS, NewSamplePrompt, SamplePrompt
from lambdas.trainings.schema import FmType

_FIELD = "sample_prompts"
_INTERVALS = ("sample_every_n_epochs", "sample_every_n_steps")
_OPTIONS = (*_INTERVALS, "sample_at_first", "sample_sampler")
_SIDE: dict[FmType, int] = {"sd_1_5": 512, "sd_xl": 1024}
_MOST_SIDE: dict[FmType, int] = {"sd_1_5": 1024, "sd_xl": 2048}
_MANY_IMAGES = 500
_LEAST_PNDM_STEPS = 4  # diffusers 0.32.1 breaks off with fewer


def resolved(
    given: Sequence[NewSamplePrompt], fm_type: FmType | None, params: dict[str, Any]
) -> tuple[SamplePrompt, ...]:
    """Return the prompts with nothing left open."""
    side = _SIDE[fm_type or "sd_1_5"]
    sampler = params.get("sample_sampler", options()["sample_sampler"].default)
    return tuple(
        SamplePrompt(
            prompt=one.prompt,
            negative_prompt=one.negative_prompt,
            width=one.width or side,
            height=one.height or side,
            steps=one.steps,
            cfg_scale=one.cfg_scale,
            seed=one.seed,
            sampler=one.sampler or sampler,
        )
        for one in given
    )


def timed(given: Sequence[NewSamplePrompt], params: dict[str, Any]) -> dict[str, Any]:
    """Return the options; where there are prompts and no interval, every epoch is drawn."""
    if not given or any(name in params for name in _INTERVALS):
        return params
    return params | {"sample_every_n_epochs": 1}


def faults(given: Sequence[NewSamplePrompt], fm_type: FmType | None) -> list[Fault]:
    """Return what the family can't draw, and texts that are too long together."""
    characters = sum(len(one.prompt) + len(one.negative_prompt or "") for one in given)
    too_long = characters > MOST_CHARACTERS
    message = f"have {characters} characters, {MOST_CHARACTERS} is the most: shorten them"
    return ([Fault(pointer(_FIELD), message)] if too_long else []) + [
        Fault(
            pointer(_FIELD, index, side),
            f"is {getattr(one, side)}; {fm_type} draws at most {_MOST_SIDE[fm_type]} a side",
        )
        for index, one in enumerate(given)
        for side in ("width", "height")
        if fm_type and (getattr(one, side) or 0) > _MOST_SIDE[fm_type]
    ]


def too_few_steps(prompts: Sequence[SamplePrompt]) -> list[Fault]:
    """Return the prompts at which a sampler would break off, and the training with it."""
    return [
        Fault(pointer(_FIELD, index, "steps"), f"pndm takes at least {_LEAST_PNDM_STEPS} steps")
        for index, one in enumerate(prompts)
        if one.sampler == "pndm" and one.steps < _LEAST_PNDM_STEPS
    ]


def warnings(given: Sequence[NewSamplePrompt], params: dict[str, Any]) -> list[Fault]:
    """Return options that draw nothing, or not what is meant."""
    if not given:
        return [
            _option(name, "draws nothing without sample_prompts: add some, or leave this out")
            for name in _OPTIONS
            if params.get(name)
        ]
    if all(params.get(name) for name in _INTERVALS):  # train_util.py:6385
        return [
            _option("sample_every_n_steps", "is not heeded beside sample_every_n_epochs: set one")
        ]
    return []


def against_steps(
    given: Sequence[NewSamplePrompt], params: dict[str, Any], total_steps: int, epochs: int
) -> list[Fault]:
    """Return a warning where more is drawn than anyone looks at, or nothing."""
    if not given:
        return []
    by_epoch = params.get("sample_every_n_epochs")
    name, most = ("sample_every_n_epochs", epochs) if by_epoch else ("sample_every_n_steps", 0)
    every = params.get(name, 1)
    times = (most or total_steps) // every + bool(params.get("sample_at_first"))
    if times == 0:
        unit = f"{epochs} epochs" if by_epoch else f"{total_steps} steps"
        return [_option(name, f"is {every}, but the training has {unit}: nothing is drawn")]
    if times * len(given) > _MANY_IMAGES:
        return [
            _option(
                name,
                f"draws {times * len(given)} images, each some seconds of the GPU: raise it, or "
                "give fewer prompts",
            )
        ]
    return []


def _option(name: str, message: str) -> Fault:
    return Fault(pointer("config_params", name), message)
