"""A finished LoRA that a training goes on with: whether it fits, before anything costs time.

sd-scripts loads it with ``strict=False`` (networks/lora.py, load_weights, at the pinned commit): a
layer of another name is passed over without a word, and an alpha of its own would be saved though
another one is trained with.
"""

import struct
from pathlib import Path

from kohya_trainer.failure import TrainingFailed
from kohya_trainer.job import Family, Job
from kohya_trainer.safetensors_file import Header, NotSafetensors, Tensor, is_whole, read_header

_SDXL_UNET = ("input", "middle", "output", "time", "label", "out")
_NAMES: dict[Family, tuple[str, ...]] = {
    "sd_1_5": ("lora_te_", "lora_unet_down_", "lora_unet_mid_", "lora_unet_up_"),
    "sd_xl": ("lora_te1_", "lora_te2_", *(f"lora_unet_{part}_" for part in _SDXL_UNET)),
}
_FORMATS = {"F16": "<e", "F32": "<f", "F64": "<d"}


def check_continued(path: Path, job: Job) -> None:
    """Raise TrainingFailed unless the LoRA is whole and of the job's family, rank and alpha.

    With ``network_args`` layers may have ranks of their own: then the trainer must tell.
    """
    header = _header(path)
    if any(not name.startswith(_NAMES[job.family]) for name in header.tensors):
        raise TrainingFailed(
            "wrong_model_family",
            f"The layers of the LoRA {path.name} are not named as the trainer names those of the "
            "family that fm_type asks for.",
            "Continue from a LoRA of the base model's family that sd-scripts made.",
        )
    _must_be_trained_whole(path, header, job)
    if "network_args" not in job.config_params:
        _must_agree(path, "network_dim", _ranks(header), job.config_params.get("network_dim"))
        _must_agree(path, "network_alpha", _alphas(path, header), _alpha(job))


def _must_be_trained_whole(path: Path, header: Header, job: Job) -> None:
    """What is not trained is not loaded either, and would be lacking in the LoRA to come."""
    for option, part, lost in (
        ("network_train_unet_only", "text encoder", "lora_te"),
        ("network_train_text_encoder_only", "U-Net", "lora_unet_"),
    ):
        if job.config_params.get(option) and any(name.startswith(lost) for name in header.tensors):
            raise TrainingFailed(
                "bad_option",
                f"The LoRA {path.name} has layers of the {part}, which {option} leaves out.",
                f"Set {option} to false.",
            )


def _header(path: Path) -> Header:
    try:
        header = read_header(path)
    except (NotSafetensors, OSError) as exc:
        raise _unreadable(path) from exc
    if not is_whole(path) or not _ranks(header):
        raise _unreadable(path)
    return header


def _unreadable(path: Path) -> TrainingFailed:
    return TrainingFailed(
        "unreadable_model",
        f"The LoRA {path.name} to continue from is not there, not whole or no LoRA.",
        "Upload it again and start a new training.",
    )


def _must_agree(path: Path, option: str, found: set[float], wanted: object) -> None:
    if wanted is not None and found and found != {wanted}:
        has = " and ".join(f"{one:g}" for one in sorted(found))
        raise TrainingFailed(
            "bad_option",
            f"{option} is {wanted}, but the LoRA {path.name} has {has}.",
            f"Set {option} to what the LoRA has.",
        )


def _ranks(header: Header) -> set[float]:
    """Of linear layers and 1x1 convolutions; others have a conv_dim."""
    downs = (t for name, t in header.tensors.items() if name.endswith(".lora_down.weight"))
    return {float(down.shape[0]) for down in downs if down.shape[2:] in {(), (1, 1)}}


def _alpha(job: Job) -> object:
    """What the trainer makes of it: 1 when it is not set, the rank when it is 0."""
    alpha = job.config_params.get("network_alpha", 1)
    return alpha or job.config_params.get("network_dim")


def _alphas(path: Path, header: Header) -> set[float]:
    alphas = [tensor for name, tensor in header.tensors.items() if name.endswith(".alpha")]
    with path.open("rb") as file:
        content = file.read()
    return {_number(content, tensor) for tensor in alphas}


def _number(content: bytes, tensor: Tensor) -> float:
    raw = content[tensor.start : tensor.end]
    if tensor.dtype == "BF16":
        raw, tensor_format = b"\0\0" + raw, "<f"
    else:
        tensor_format = _FORMATS[tensor.dtype]
    number: float = struct.unpack(tensor_format, raw)[0]
    return number
