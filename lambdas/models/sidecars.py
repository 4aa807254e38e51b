"""The small files that image-generation tools read beside a model.

`<name>.civitai.info` has the form of Civitai's model version, which extensions of WebUI and
managers of ComfyUI read; `<name>.json` is what WebUI itself keeps of an extra network.
"""

from typing import Any

from lambdas.core.errors import Conflict
from lambdas.models.header_schema import Family, HeaderFacts
from lambdas.models.schema import Model, ModelType
from lambdas.models.sidecar_schema import (
    CivitaiFile,
    CivitaiFileMetadata,
    CivitaiInfo,
    CivitaiModel,
    WebuiMetadata,
)

_BASE_MODELS: dict[Family, str] = {
    "sd_1_5": "SD 1.5",
    "sd_2": "SD 2.1",
    "sd_xl": "SDXL 1.0",
    "sd_xl_refiner": "SDXL 1.0",
    "sd_3": "SD 3",
    "flux": "Flux.1 D",
}
_WEBUI_VERSIONS: dict[Family, str] = {
    "sd_1_5": "SD1",
    "sd_2": "SD2",
    "sd_xl": "SDXL",
    "sd_xl_refiner": "SDXL",
}
_TYPES: dict[ModelType, str] = {
    "checkpoint": "Checkpoint",
    "lora": "LORA",
    "vae": "VAE",
    "embedding": "TextualInversion",
    "controlnet": "Controlnet",
    "hypernetwork": "Hypernetwork",
}
_PRECISIONS = {"F16": "fp16", "BF16": "bf16", "F32": "fp32", "F8_E4M3": "fp8", "F8_E5M2": "fp8"}
_MOST_WORDS = 10


def civitai_info(model: Model) -> CivitaiInfo:
    """Return the `.civitai.info` of a model.

    Raises Conflict when its file is not there yet.
    """
    header = _header_of(model)
    kind = _TYPES[model.type]
    if header.lora and header.lora.algorithm != "lora":
        kind = "LoCon"  # what Civitai calls LyCORIS's
    return CivitaiInfo(
        name=model.name,
        description=model.description,
        base_model=_base_model(header),
        trained_words=trigger_words(model),
        model=CivitaiModel(name=model.name, type=kind, tags=model.tags),
        files=[_file(model, header)],
    )


def webui_metadata(model: Model) -> WebuiMetadata:
    """Return WebUI's `.json` of a model.

    Raises Conflict when its file is not there yet.
    """
    return WebuiMetadata(
        description=model.description,
        sd_version=_WEBUI_VERSIONS.get(_header_of(model).family, "Unknown"),
        activation_text=", ".join(trigger_words(model)),
        notes=_notes(model),
    )


def trigger_words(model: Model) -> list[str]:
    """Return the words that call a model up: ModelSpec's phrase, else the tags it saw in most
    captions, at least half as often as the first."""
    header = model.header
    phrase = header.modelspec.trigger_phrase if header and header.modelspec else None
    if phrase:
        return [phrase]
    tags = header.lora.trigger_tags if header and header.lora else []
    return [one.tag for one in tags if 2 * one.count >= tags[0].count][:_MOST_WORDS]


def _header_of(model: Model) -> HeaderFacts:
    if model.status != "ready" or model.header is None:
        raise Conflict(
            f"{model.name} is {model.status}: what its file is, is known when it is ready.",
            code="model_not_ready",
        )
    return model.header


def _base_model(header: HeaderFacts) -> str:
    if header.family == "sd_2" and header.prediction == "v":
        return "SD 2.1 768"
    return _BASE_MODELS.get(header.family, "Other")


def _file(model: Model, header: HeaderFacts) -> CivitaiFile:
    hashes = {"SHA256": model.sha256.upper()} if model.sha256 else {}
    return CivitaiFile(
        name=model.file_name,
        size_kb=model.size / 1024,
        metadata=CivitaiFileMetadata(fp=_PRECISIONS.get(header.precision)),
        hashes=hashes,
    )


def _notes(model: Model) -> str:
    header: Any = model.header
    told = [f"LoRAStack {model.id}"]
    told += [f"training {model.training_id}"] if model.training_id else []
    told += ["rehearsal: no real training made it"] if header.engine == "rehearsal" else []
    return "; ".join(told)
