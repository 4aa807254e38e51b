"""What to train: ``job.json``, parsed into frozen dataclasses.

Its JSON Schema is pinned in ``tests/contract``; the API checked everything before, so a fault here
means that the two sides disagree, and the message names the field.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from kohya_trainer.failure import TrainingFailed
from kohya_trainer.sample_prompts import SamplePrompt
from kohya_trainer.toml_writer import Value

Family = Literal["sd_1_5", "sd_xl"]
CaptionPolicy = Literal["required", "subject", "empty"]
InitKind = Literal["lora", "state"]
Existing = Literal["keep", "append", "replace"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Model:
    """The base model: a file in its channel."""

    channel: str
    model_id: str
    file_name: str


@dataclass(frozen=True)
class LoraInit:
    """A finished LoRA, in its channel, that is to be trained further."""

    channel: str
    file_name: str


@dataclass(frozen=True)
class StateInit:
    """The saved states of another training, in their channel, to go on from the newest."""

    channel: str
    training_id: str
    output_name: str


Init = LoraInit | StateInit


@dataclass(frozen=True)
class EarlyStop:
    """When to end: so many epochs without a loss lower by this share (0.01 is one percent)."""

    patience_epochs: int
    min_improvement: float


@dataclass(frozen=True)
class Dataset:
    """A folder of captioned images in its channel, and how often an epoch repeats it.

    ``subset`` says which of its dataset's folders it is, None where that has one alone.
    ``options`` are kohya's for the folder alone; folders whose ``dataset_options`` are equal share
    buckets and batches.
    """

    channel: str
    dataset_id: str
    folder: str
    repeats: int
    subject: str
    caption_policy: CaptionPolicy
    regularisation: bool = False
    options: Mapping[str, Value] = field(default_factory=dict)
    dataset_options: Mapping[str, Value] = field(default_factory=dict)
    subset: int | None = None

    def name_of(self, image: Path) -> str:
        """What the API calls an image: in a dataset of several folders with the folder in front."""
        return image.name if self.subset is None else f"{self.folder}/{image.name}"


@dataclass(frozen=True)
class Captioning:
    """How images get captions before the training; thresholds from 0 to 1."""

    tagger: Literal["wd14"]
    general_threshold: float
    character_threshold: float
    blacklist: tuple[str, ...]
    prepend: tuple[str, ...]
    append: tuple[str, ...]
    existing: Existing


@dataclass(frozen=True)
class Job:
    """One training; ``config_params`` are kohya's options, flat and typed."""

    training_id: str
    training_name: str
    workspace: str
    family: Family
    output_name: str
    model: Model
    datasets: tuple[Dataset, ...]
    config_params: Mapping[str, Value]
    keeps_state: bool = True
    init: Init | None = None
    sample_prompts: tuple[SamplePrompt, ...] = ()
    captioning: Captioning | None = None
    early_stop: EarlyStop | None = None


def read_job(path: Path) -> Job:
    """Parse the file; raises TrainingFailed (bad_job) naming the field that is wrong."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise _bad(f"{path.name} cannot be read: {exc}") from exc
    return parse_job(data)


def parse_job(data: Any) -> Job:
    """Check the parsed JSON and make the Job; raises TrainingFailed (bad_job)."""
    job = _Object(data, "job")
    if job.value("version", int) != 1:
        raise _bad(f"job.version is {job.data['version']}, this container knows version 1")
    datasets = job.value("datasets", list)
    if not datasets:
        raise _bad("job.datasets is empty")
    if all(isinstance(one, dict) and one.get("regularisation") for one in datasets):
        raise _bad("job.datasets has regularisation sets alone")
    return Job(
        training_id=job.text("training_id"),
        training_name=job.text("training_name"),
        workspace=job.text("workspace"),
        family=job.choice("fm_type", get_args(Family)),
        output_name=_output_name(job.text("output_name")),
        model=_model(_Object(job.value("model", dict), "job.model")),
        datasets=tuple(_dataset(_Object(d, f"job.datasets[{i}]")) for i, d in enumerate(datasets)),
        config_params=job.value("config_params", dict),
        keeps_state=job.optional("keeps_state", True),
        init=_init(job.data.get("init")),
        sample_prompts=_prompts(job.data.get("sample_prompts", [])),
        captioning=_captioning(job.data.get("captioning")),
        early_stop=_early_stop(job.data.get("early_stop")),
    )


def _model(model: "_Object") -> Model:
    return Model(model.file_name("channel"), model.text("model_id"), model.file_name("file_name"))


def _init(data: Any) -> Init | None:
    if data is None:
        return None
    init = _Object(data, "job.init")
    channel = init.file_name("channel")
    if init.choice("kind", get_args(InitKind)) == "lora":
        return LoraInit(channel, init.file_name("file_name"))
    return StateInit(channel, init.text("training_id"), _output_name(init.text("output_name")))


def _early_stop(data: Any) -> EarlyStop | None:
    if data is None:
        return None
    wanted = _Object(data, "job.early_stop")
    patience = wanted.value("patience_epochs", int)
    if patience < 1:
        raise _bad(f"job.early_stop.patience_epochs is {patience}, it must be at least 1")
    return EarlyStop(patience, float(wanted.value("min_improvement", (int, float))))


def _prompts(data: Any) -> tuple[SamplePrompt, ...]:
    if not isinstance(data, list):
        raise _bad("job.sample_prompts must be of type list")
    return tuple(_prompt(_Object(one, f"job.sample_prompts[{i}]")) for i, one in enumerate(data))


def _prompt(prompt: "_Object") -> SamplePrompt:
    negative = prompt.data.get("negative_prompt") if isinstance(prompt.data, dict) else None
    return SamplePrompt(
        prompt=prompt.text("prompt"),
        negative_prompt=None if negative is None else prompt.value("negative_prompt", str),
        width=prompt.value("width", int),
        height=prompt.value("height", int),
        steps=prompt.value("steps", int),
        cfg_scale=float(prompt.value("cfg_scale", (int, float))),
        seed=prompt.value("seed", int),
        sampler=prompt.text("sampler"),
    )


def _captioning(data: Any) -> Captioning | None:
    if data is None:
        return None
    told = _Object(data, "job.captioning")
    return Captioning(
        tagger=told.choice("tagger", ("wd14",)),
        general_threshold=told.number("general_threshold"),
        character_threshold=told.number("character_threshold"),
        blacklist=told.texts("blacklist"),
        prepend=told.texts("prepend"),
        append=told.texts("append"),
        existing=told.choice("existing", get_args(Existing)),
    )


def _dataset(dataset: "_Object") -> Dataset:
    repeats = dataset.value("repeats", int)
    if repeats < 1:
        raise _bad(f"{dataset.where}.repeats is {repeats}, it must be at least 1")
    return Dataset(
        channel=dataset.file_name("channel"),
        dataset_id=dataset.text("dataset_id"),
        folder=dataset.file_name("folder"),
        repeats=repeats,
        subject=dataset.value("subject", str),
        caption_policy=dataset.choice("caption_policy", get_args(CaptionPolicy)),
        regularisation=dataset.optional("regularisation", False),
        options=dataset.optional("options", {}),
        dataset_options=dataset.optional("dataset_options", {}),
        subset=None if dataset.data.get("subset") is None else dataset.value("subset", int),
    )


def _output_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise _bad(f"job.output_name {name!r} is no file name of letters, digits, dot, _ and -")
    return name


@dataclass(frozen=True)
class _Object:
    """A JSON object and where it stands, to name the field that is wrong."""

    data: Any
    where: str

    def value(self, key: str, kind: type | tuple[type, ...]) -> Any:
        if not isinstance(self.data, dict):
            raise _bad(f"{self.where} is no object")
        if key not in self.data:
            raise _bad(f"{self.where}.{key} is missing")
        value = self.data[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            names = [one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,))]
            raise _bad(f"{self.where}.{key} must be of type {' or '.join(names)}")
        return value

    def optional(self, key: str, otherwise: Any) -> Any:
        return self.value(key, type(otherwise)) if key in self.data else otherwise

    def text(self, key: str) -> str:
        value: str = self.value(key, str)
        if not value:
            raise _bad(f"{self.where}.{key} is empty")
        return value

    def number(self, key: str) -> float:
        value = self.data.get(key) if isinstance(self.data, dict) else None
        return float(self.value(key, int if isinstance(value, int) else float))

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.value(key, list)
        if not all(isinstance(value, str) for value in values):
            raise _bad(f"{self.where}.{key} must be a list of texts")
        return tuple(values)

    def file_name(self, key: str) -> str:
        value = self.text(key)
        if value in {".", ".."} or "/" in value or "\0" in value:
            raise _bad(f"{self.where}.{key} {value!r} is not one file name")
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> Any:
        value = self.text(key)
        if value not in allowed:
            raise _bad(f"{self.where}.{key} is {value!r}, it must be one of {', '.join(allowed)}")
        return value


def _bad(message: str) -> TrainingFailed:
    return TrainingFailed(
        "bad_job",
        message,
        "The API and the training image do not fit together: deploy both from the same version.",
    )
