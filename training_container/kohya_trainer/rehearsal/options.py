"""The options that the rehearsal understands, read from sd-scripts' flat TOML."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PLUMBING = frozenset(
    {
        "caption_extension",
        "console_log_simple",
        "log_with",
        "max_data_loader_n_workers",
        "persistent_data_loader_workers",
        "save_model_as",
        "tokenizer_cache_dir",
    }
)
"""What the container sets on its own account; nobody needs to hear that it is not rehearsed."""


@dataclass(frozen=True)
class Subset:
    """A folder of images: how often it is repeated, and the caption of images without one."""

    image_dir: Path
    num_repeats: int
    class_tokens: str
    caption_extension: str
    is_reg: bool = False


@dataclass(frozen=True)
class Dataset:
    """Folders that share batches."""

    subsets: tuple[Subset, ...]
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class Options:
    """Defaults are sd-scripts' own (train_network.py at the pinned commit)."""

    pretrained_model_name_or_path: str
    output_dir: str
    output_name: str
    logging_dir: str
    dataset_config: str
    network_module: str = "networks.lora"
    network_dim: int = 4
    network_alpha: float = 1.0
    network_train_unet_only: bool = False
    network_train_text_encoder_only: bool = False
    learning_rate: float = 2e-6
    unet_lr: float | None = None
    text_encoder_lr: float | list[float] | None = None
    lr_scheduler: str = "constant"
    lr_warmup_steps: float = 0
    train_batch_size: int = 1
    gradient_accumulation_steps: int = 1
    max_train_steps: int = 1600
    max_train_epochs: int | None = None
    save_every_n_epochs: int | None = None
    save_n_epoch_ratio: int | None = None
    save_every_n_steps: int | None = None
    save_precision: str | None = None
    mixed_precision: str = "no"
    resolution: str = "512,512"
    seed: int = 0
    no_metadata: bool = False
    optimizer_type: str = "AdamW"
    training_comment: str | None = None
    save_state: bool = False
    resume: str | None = None
    initial_step: int = 0
    network_weights: str | None = None
    sample_prompts: str | None = None
    sample_at_first: bool = False
    sample_every_n_epochs: int | None = None
    sample_every_n_steps: int | None = None
    sample_sampler: str = "ddim"
    without_effect: tuple[str, ...] = field(default=())

    @property
    def rates(self) -> dict[str, float]:
        """The learning rate of each part that learns, by sd-scripts' name for it."""
        rates = {}
        if not self.network_train_unet_only:
            rates["textencoder"] = _given(self.text_encoder_lr, self.learning_rate)
        if not self.network_train_text_encoder_only:
            rates["unet"] = _given(self.unet_lr, self.learning_rate)
        return rates


def read_options(path: Path) -> Options:
    """Read the TOML; what the rehearsal has no use for is listed in ``without_effect``."""
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {k: v for k, v in values.items() if k in Options.__dataclass_fields__}
    others = values.keys() - known.keys() - _PLUMBING
    return Options(**known, without_effect=tuple(sorted(others)))


def read_datasets(path: Path, batch_size: int) -> list[Dataset]:
    """The datasets of the dataset config; the batch size is that of those without their own."""
    config = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Dataset(tuple(map(_subset, dataset["subsets"])), dataset.get("batch_size", batch_size))
        for dataset in config["datasets"]
    ]


def _subset(values: Mapping[str, Any]) -> Subset:
    return Subset(
        image_dir=Path(values["image_dir"]),
        num_repeats=values.get("num_repeats", 1),
        class_tokens=values.get("class_tokens", ""),
        caption_extension=values.get("caption_extension", ".caption"),
        is_reg=values.get("is_reg", False),
    )


def _given(rate: float | list[float] | None, otherwise: float) -> float:
    if isinstance(rate, list):
        return rate[0] if rate else otherwise
    return otherwise if rate is None else rate
