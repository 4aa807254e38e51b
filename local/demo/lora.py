"""Opening a LoRA with the library that WebUI and ComfyUI open it with."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open


@dataclass(frozen=True)
class Lora:
    """What a LoRA file holds; size in bytes."""

    path: Path
    size: int
    tensors: int
    modules: int
    rank: int
    example: str
    rehearsal: bool


def open_lora(path: Path) -> Lora:
    """Open a LoRA file and read every tensor of it.

    Raises safetensors.SafetensorError when it is no sound file, ValueError when it is no LoRA of
    kohya's form.
    """
    with safe_open(path, framework="numpy") as file:
        names = list(file.keys())
        downs = [name for name in names if name.endswith(".lora_down.weight")]
        if not downs or not all(name.startswith(("lora_unet_", "lora_te")) for name in names):
            raise ValueError(f"{path} has not the tensors of a LoRA of kohya's form")
        metadata = file.metadata() or {}
        ranks = {file.get_tensor(name).shape[0] for name in downs}
        for name in names:
            file.get_tensor(name)
    return Lora(
        path=path,
        size=path.stat().st_size,
        tensors=len(names),
        modules=len(downs),
        rank=max(ranks),
        example=downs[0],
        rehearsal=metadata.get("lorastack_engine") == "rehearsal",
    )
