"""What to change after a failure, from the options that the training really had."""

from collections.abc import Iterator, Mapping
from typing import Any

_FIRST = 3


def against_memory(config: Mapping[str, Any]) -> str:
    """The first three options that would have helped, in the order of how little they cost."""
    options = list(_savings(config))[:_FIRST]
    return f"In this order: {'; '.join(options)}. Or choose a larger instance type."


def _savings(config: Mapping[str, Any]) -> Iterator[str]:
    batch = config.get("train_batch_size", 1)
    if batch > 1:
        yield f"lower train_batch_size (it is {batch})"
    if not config.get("gradient_checkpointing"):
        yield "set gradient_checkpointing to true"
    if not (config.get("cache_latents") or config.get("cache_latents_to_disk")):
        yield "set cache_latents to true"
    if config.get("mixed_precision", "no") == "no":
        yield "set mixed_precision to bf16, or fp16 on an older GPU"
    yield f"lower resolution (it is {config.get('resolution', '512,512')})"
    rank = config.get("network_dim", 4)
    if rank > 1:
        yield f"lower network_dim (it is {rank})"
