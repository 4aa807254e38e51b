"""Sample prompts as the API takes and keeps them, and the images that were drawn of them.

What sd-scripts does with each key stands in library/train_util.py:6493 at the pinned commit.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lambdas.core.json_types import Whole
from lambdas.core.presign import SignedDownload

MOST_PROMPTS = 16
MOST_CHARACTERS = 8000
_MOST_IN_ONE = 2000
_LEAST_SIDE, _MOST_SIDE = 64, 2048

# Without lms, k_lms and dpmsolver: option_notes.json says why.
Sampler = Literal[
    "ddim",
    "pndm",
    "euler",
    "euler_a",
    "heun",
    "dpm_2",
    "dpm_2_a",
    "dpmsolver++",
    "dpmsingle",
    "k_euler",
    "k_euler_a",
    "k_dpm_2",
    "k_dpm_2_a",
]

_WEIGHT = re.compile(r":([+-]?[.\d]+)\)")


def _readable(text: str) -> str:
    """A weight that is no number would end the training at its first sample:
    library/lpw_stable_diffusion.py:120."""
    for weight in _WEIGHT.findall(text):
        try:
            float(weight)
        except ValueError as error:
            raise ValueError(
                f"has the weight {weight[:20]}, which is no number: write (word:1.2)"
            ) from error
    return text


_Text = Annotated[str, Field(max_length=_MOST_IN_ONE), AfterValidator(_readable)]
_Prompt = Annotated[str, Field(min_length=1, max_length=_MOST_IN_ONE), AfterValidator(_readable)]
_Side = Annotated[Whole, Field(ge=_LEAST_SIDE, le=_MOST_SIDE, multiple_of=8)]


class NewSamplePrompt(BaseModel):
    """What to draw while a training runs. The text is a prompt and nothing else: `--w 512` in it
    is drawn, not obeyed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: _Prompt = Field(
        description="(word:1.2) gives a word weight.", examples=["tusiji, a rabbit on the moon"]
    )
    negative_prompt: _Text | None = Field(default=None, description="What is not to be seen.")
    width: _Side | None = Field(
        default=None,
        description="In pixels, a multiple of 8; absent: 512 for SD 1.5, 1024 for SDXL.",
    )
    height: _Side | None = Field(default=None, description="As width.")
    steps: Whole = Field(default=30, ge=1, le=150, description="Sampling steps.")
    cfg_scale: float = Field(
        default=7.5,
        ge=0,
        le=30,
        allow_inf_nan=False,
        strict=True,
        description="How closely the prompt is followed.",
    )
    seed: Whole = Field(
        default=42,
        ge=0,
        le=2**32 - 1,
        description="The same for every epoch, so that its images can be compared.",
    )
    sampler: Sampler | None = Field(
        default=None, description="Absent: the option sample_sampler, else ddim."
    )


class SamplePrompt(BaseModel):
    """What is drawn, and how, with nothing left open."""

    model_config = ConfigDict(frozen=True)

    prompt: str = Field(description="What is drawn.")
    negative_prompt: str | None = Field(description="What is not to be seen.")
    width: int = Field(description="In pixels.")
    height: int = Field(description="In pixels.")
    steps: int = Field(description="Sampling steps.")
    cfg_scale: float = Field(description="How closely the prompt is followed.")
    seed: int = Field(description="Of the noise that it begins with.")
    sampler: str = Field(description="How it is drawn, in sd-scripts' words.")


class Sample(BaseModel):
    """An image that a training has drawn."""

    model_config = ConfigDict(frozen=True)

    file_name: str = Field(description="The file's name.")
    step: int = Field(description="0: before the first step.")
    epoch: int = Field(description="The epoch after which it was drawn.")
    prompt_index: int = Field(description="The prompt's place in sample_prompts, from 0.")
    prompt: SamplePrompt | None = Field(description="What was asked for.")
    size: int = Field(description="Its size in bytes.")
    download: SignedDownload = Field(description="Where its bytes are.")


class Samples(BaseModel):
    """Sample images in the order of their steps."""

    model_config = ConfigDict(frozen=True)

    data: list[Sample] = Field(description="The earliest first.")
    next_cursor: str | None = Field(
        default=None, description="Give it as `cursor` for what follows; null: this was the last."
    )
