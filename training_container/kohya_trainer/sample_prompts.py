"""Sample prompts as sd-scripts reads them: a file of JSON objects of known keys, never lines.

sd-scripts reads options out of a prompt that is a plain line (``--cn FILE`` opens any file;
library/train_util.py:6254), out of an object's text never (:6344 and :6430 at the pinned commit).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from kohya_trainer.paths import Paths
from kohya_trainer.toml_writer import Value

PROMPTS_FILE = "prompts.json"
OPTIONS = frozenset(
    {"sample_at_first", "sample_every_n_epochs", "sample_every_n_steps", "sample_sampler"}
)
"""Left out where there are no prompts: sd-scripts would look for them and break (:6395)."""


@dataclass(frozen=True)
class SamplePrompt:
    """What to draw and how; sizes in pixels."""

    prompt: str
    negative_prompt: str | None
    width: int
    height: int
    steps: int
    cfg_scale: float
    seed: int
    sampler: str

    def for_sd_scripts(self) -> dict[str, object]:
        """The object that sd-scripts reads (library/train_util.py:6508)."""
        told = {
            "prompt": self.prompt,
            "width": self.width,
            "height": self.height,
            "sample_steps": self.steps,
            "scale": self.cfg_scale,
            "seed": self.seed,
            "sample_sampler": self.sampler,
        }
        negative = {} if self.negative_prompt is None else {"negative_prompt": self.negative_prompt}
        return told | negative


def write_prompts(prompts: tuple[SamplePrompt, ...], paths: Paths) -> dict[str, Value]:
    """Write the prompts for the engine, and for people beside the images; returns the option."""
    if not prompts:
        return {}
    file = paths.staging / "sample_prompts.json"
    objects = [prompt.for_sd_scripts() for prompt in prompts]
    file.write_text(json.dumps(objects, ensure_ascii=False), encoding="utf-8")
    told = json.dumps([asdict(prompt) for prompt in prompts], ensure_ascii=False, indent=1)
    paths.write(paths.samples / PROMPTS_FILE, told)
    return {"sample_prompts": str(file)}


def without_prompts(config: Mapping[str, Value]) -> dict[str, Value]:
    """The options less those that only make sense with prompts."""
    return {name: value for name, value in config.items() if name not in OPTIONS}
