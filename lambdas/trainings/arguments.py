"""The lists of "key=value" that sd-scripts hands on: which keys and values are let through.

Lines are of sd-scripts at the pinned commit; LyCORIS's are of lycoris/kohya.py.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

_LORA = frozenset({
    "block_alphas", "block_dims", "block_lr_zero_threshold", "conv_alpha", "conv_block_alphas",
    "conv_block_dims", "conv_dim", "down_lr_weight", "loraplus_lr_ratio",
    "loraplus_text_encoder_lr_ratio", "loraplus_unet_lr_ratio", "mid_lr_weight", "module_dropout",
    "rank_dropout", "up_lr_weight",
})  # fmt: skip

# What each module's create_network takes, by name (networks/lora.py:390-498 and siblings).
NETWORK_ARGS: Mapping[str, frozenset[str]] = {
    "networks.lora": _LORA,
    "networks.lora_fa": frozenset(name for name in _LORA if not name.startswith("loraplus")),
    "networks.dylora": frozenset({
        "conv_alpha", "conv_dim", "loraplus_lr_ratio", "loraplus_text_encoder_lr_ratio",
        "loraplus_unet_lr_ratio", "unit",
    }),
    "networks.oft": frozenset({"enable_all_linear", "enable_conv"}),
    "lycoris.kohya": frozenset({
        "algo", "block_size", "bypass_mode", "constraint", "conv_alpha", "conv_dim",
        "decompose_both", "dora_wd", "dropout", "factor", "full_matrix", "loraplus_lr_ratio",
        "loraplus_text_encoder_lr_ratio", "loraplus_unet_lr_ratio", "module_dropout", "preset",
        "rank_dropout", "rescaled", "rs_lora", "train_norm", "unbalanced_factorization",
        "use_scalar", "use_tucker", "wd_on_output",
    }),
}  # fmt: skip

# A preset of another name is read as a file by its path (lycoris/kohya.py: read_preset). ia3, which
# the documents name, is not among the modules of 3.4.0 (lycoris/wrapper.py: network_module_dict).
LYCORIS_VALUES: Mapping[str, tuple[str, ...]] = {
    "algo": (
        "lora", "locon", "loha", "lokr", "dylora", "glora", "full", "diag-oft", "boft",
    ),
    "preset": (
        "full", "full-lin", "attn-mlp", "attn-only", "unet-transformer-only",
        "unet-convblock-only", "unet-only",
    ),
}  # fmt: skip


def keyed(arguments: list[str] | None) -> dict[str, str]:
    """Return "key=value" texts as a mapping; what is no such text is left out."""
    pairs = (one.partition("=") for one in arguments or ())
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}


def faults(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the option and what is wrong with it, for each argument that will not do."""
    for one in params.get("network_args") or ():
        if message := _network_fault(params.get("network_module", ""), one):
            yield "network_args", message
    for option in ("optimizer_args", "lr_scheduler_args"):
        for one in params.get(option) or ():
            if message := _literal_fault(one):
                yield option, message


def _network_fault(module: str, argument: str) -> str | None:
    key, sign, value = argument.partition("=")
    if not sign:
        return f'must be texts of the form "key=value", not "{argument[:40]}"'
    known = NETWORK_ARGS.get(module, frozenset())
    if key not in known:
        return f"{module} knows no {key[:40]}; it knows {', '.join(sorted(known))}"
    allowed = LYCORIS_VALUES.get(key, ()) if module == "lycoris.kohya" else ()
    if allowed and value.lower() not in allowed:
        return f"{key} must be one of {', '.join(allowed)}; not {value[:40]}"
    return None


def _literal_fault(argument: str) -> str | None:
    # train_util.py:4860 and :5290 split at "=" into exactly two and read a literal.
    key, sign, value = argument.partition("=")
    if not sign or "=" in value or not key.isidentifier():
        return f'must be texts of the form "key=value", not "{argument[:40]}"'
    try:
        ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return f"the value of {key[:40]} must be a Python literal such as 0.01, True or (0.9, 0.99)"
    return None
