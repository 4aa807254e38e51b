"""Say why an engine ended badly, from its exit status and its last lines."""

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kohya_trainer.advice import against_memory
from kohya_trainer.child import Child
from kohya_trainer.failure import TrainingFailed
from kohya_trainer.loras import Lora
from kohya_trainer.watch import Watch


@dataclass(frozen=True)
class _Rule:
    code: str
    pattern: re.Pattern[str]
    message: str
    advice: str

    def found_in(self, lines: Sequence[str]) -> TrainingFailed | None:
        """The failure, with the last line that shows it, when there is one."""
        matching = [line for line in lines if self.pattern.search(line)]
        if not matching:
            return None
        file = _file_named_in(lines) if self.code == "unreadable_image" else ""
        message = f"{self.message} {_first_language(matching[-1])}{file}"
        return TrainingFailed(self.code, message, self.advice)


def _rule(code: str, pattern: str, message: str, advice: str) -> _Rule:
    return _Rule(code, re.compile(pattern), message, advice)


_RULES = (
    _rule(
        "out_of_memory",
        r"out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED|[Cc]an(no|')t allocate memory"
        r"|std::bad_alloc|^MemoryError",
        "The training ran out of memory.",
        "",  # by what the options are: advice.py
    ),
    _rule(
        "nan_loss",
        r"NaN detected in (latents|text encoder)",
        "An image or a caption became NaN before the first step.",
        "Set no_half_vae, or mixed_precision bf16.",
    ),
    _rule(
        "disk_full",
        r"No space left on device|Errno 28\b",
        "The disk is full.",
        "Save less often, do not cache latents to disk, or deploy with a larger volume.",
    ),
    _rule(
        "unreadable_image",
        r"UnidentifiedImageError|cannot identify image file|image file is truncated"
        r"|broken data stream|DecompressionBomb",
        "An image cannot be decoded.",
        "Replace that image, or remove it, and start the training again.",
    ),
    _rule(
        "unreadable_caption",
        r"illegal char in file|caption file is empty",
        "A caption cannot be read.",
        "Save the captions as UTF-8 text.",
    ),
    _rule(
        "wrong_model_family",
        r"size mismatch for|Error\(s\) in loading state_dict",
        "The base model does not have the tensors of its family.",
        "Choose a base model of the family that fm_type names.",
    ),
    _rule(
        "empty_dataset",
        r"No data found\. Please verify",
        "The dataset holds no image that the trainer takes.",
        "Upload images and complete the dataset.",
    ),
    _rule(
        "bad_option",
        r"unrecognized arguments|error: argument |AssertionError|MultipleInvalid|invalid choice"
        r"|TomlDecodeError|ImportError: No |unexpected keyword argument"
        r"|is not a valid \w+, please select",
        "The trainer refused an option.",
        "Correct config_params as the message says.",
    ),
)
_NOT_THE_CAUSE = ("subprocess.CalledProcessError", "torch.distributed.elastic")
_RAISED = re.compile(r"\s*(?:\[rank\d+\]:\s*)?[A-Za-z_][\w.]*(Error|Exception|Invalid)\b.*")
_LOADING = re.compile(r"Error loading file: (.+)")
_DIED = re.compile(r"died with <Signals\.(SIG\w+)")


def judge(watch: Watch, child: Child, last_lora: str, config: Mapping[str, Any]) -> None:
    """Raise TrainingFailed unless the engine ended well and the last LoRA came out.

    config is what the engine was told, for an advice that fits. An engine may end well without a
    LoRA: sd-scripts does when it finds no image (train_network.py:575).
    """
    returncode = child.returncode or 0
    if watch.curve.nan_at is not None:
        raise _nan(watch.curve.nan_at)
    ended_well = returncode == 0 or watch.stopped_early is not None
    if ended_well and watch.shelf.has(last_lora):
        return
    if watch.stopped:
        raise stopped(watch.shelf.loras)
    if returncode != 0:
        raise explain(returncode, child.tail, config)
    raise _without_lora(child.tail)


def stopped(loras: Sequence[Lora]) -> TrainingFailed:
    """The failure of a training that was told to stop."""
    return TrainingFailed(
        "stopped",
        f"The training was told to stop; {len(loras)} finished LoRAs are kept.",
        "Start a new training to go on.",
    )


def explain(
    returncode: int, lines: Sequence[str], config: Mapping[str, Any] = MappingProxyType({})
) -> TrainingFailed:
    """Why the engine ended with this status, having printed these last lines."""
    known = _known_cause(lines)
    if known and known.code == "out_of_memory":
        return TrainingFailed(known.code, known.message, against_memory(config))
    if known:
        return known
    name = _signal_name(returncode, lines)
    if name:
        return TrainingFailed(
            "killed",
            f"The trainer was ended by {name}.",
            "SIGKILL mostly means that main memory ran out: choose a larger instance type, or "
            "set max_data_loader_n_workers lower.",
        )
    return TrainingFailed(
        "training_failed",
        f"The trainer ended with status {returncode}. {_last_words(lines)}",
        "The log of the training says more.",
    )


def _known_cause(lines: Sequence[str]) -> TrainingFailed | None:
    return next((found for rule in _RULES if (found := rule.found_in(lines))), None)


def _file_named_in(lines: Sequence[str]) -> str:
    """sd-scripts names the file in a line of its own (library/train_util.py:2948)."""
    named = [found[1] for line in lines if (found := _LOADING.search(line))]
    return f" ({Path(named[-1]).name})" if named else ""


def _without_lora(lines: Sequence[str]) -> TrainingFailed:
    return _known_cause(lines) or TrainingFailed(
        "no_lora",
        f"The trainer ended without writing its last LoRA. {_last_words(lines)}",
        "The log of the training says more.",
    )


def _nan(step: int) -> TrainingFailed:
    return TrainingFailed(
        "nan_loss",
        f"The loss was no number any more at step {step}.",
        "Lower learning_rate; on SDXL set no_half_vae, or mixed_precision bf16.",
    )


def _signal_name(returncode: int, lines: Sequence[str]) -> str | None:
    for line in reversed(lines):
        if died := _DIED.search(line):
            return died[1]
    if returncode >= 0:
        return None
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"


def _last_words(lines: Sequence[str]) -> str:
    """The last line that names an error, else the last line."""
    causes = [line for line in lines if not line.strip().startswith(_NOT_THE_CAUSE)]
    raised = [line for line in causes if _RAISED.fullmatch(line)]
    return _first_language((raised or causes or [""])[-1])


def _first_language(line: str) -> str:
    """sd-scripts says things in English and, after a slash, in Japanese."""
    return line.strip().split(" / ")[0][:500]
