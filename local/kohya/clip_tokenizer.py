"""Writes CLIP's tokenizers from the merges file that open_clip carries, so no hub is needed.

The vocabulary is CLIP's own order: 256 byte symbols, the same at a word's end, one token per merge,
and the two markers (https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py).
"""

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.kohya.settings import KohyaError, Places

END_OF_WORD = "</w>"
START, END = "<|startoftext|>", "<|endoftext|>"
TOKENS = 49408
MERGES = TOKENS - 2 * 256 - 2
MODEL_MAX_LENGTH = 77
ASK_WHERE = """
import importlib.util
print(importlib.util.find_spec("open_clip").submodule_search_locations[0])
"""


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer that sd-scripts look for under --tokenizer_cache_dir, by its name on the hub."""

    model_id: str

    @property
    def folder(self) -> str:
        return self.model_id.replace("/", "_")


TOKENIZERS = (
    Tokenizer("openai/clip-vit-large-patch14"),
    Tokenizer("laion/CLIP-ViT-bigG-14-laion2B-39B-b160k"),
)


def make(places: Places, say: Callable[[str], None]) -> None:
    """Writes the tokenizers that are not there yet, each complete or not at all."""
    lacking = [one for one in TOKENIZERS if not (places.tokenizers / one.folder).is_dir()]
    if not lacking:
        return
    merges = read_merges(merges_file(places.python))
    for tokenizer in lacking:
        say(f"writing the tokenizer of {tokenizer.model_id}")
        write(tokenizer, merges, places.tokenizers)


def merges_file(python: Path) -> Path:
    """The merges file of the open_clip that an interpreter has, found without importing it."""
    command = [str(python), "-c", ASK_WHERE]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    path = Path(answer.stdout.strip()) / "bpe_simple_vocab_16e6.txt.gz"
    if answer.returncode or not path.is_file():
        raise KohyaError(
            f"{python} has no open_clip merges file; remove its folder and run `make kohya` again."
        )
    return path


def read_merges(path: Path, count: int = MERGES) -> list[str]:
    """The first `count` merges, each `left right`; the file's first line is its version."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        merges = lines.read().split("\n")[1 : count + 1]
    if len(merges) < count or not all(len(merge.split()) == 2 for merge in merges):
        raise KohyaError(
            f"{path} is no CLIP merges file; remove its environment and run this again."
        )
    return merges


def vocabulary(merges: list[str]) -> dict[str, int]:
    """Every token with its number, 49408 of them for CLIP's merges."""
    symbols = byte_symbols()
    tokens = [*symbols, *(symbol + END_OF_WORD for symbol in symbols)]
    tokens += [merge.replace(" ", "") for merge in merges]
    return {token: number for number, token in enumerate([*tokens, START, END])}


def byte_symbols() -> list[str]:
    """A visible character per byte: printable Latin-1 stands for itself and comes first."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = 256 - len(printable)
    return [chr(code) for code in [*printable, *range(0x100, 0x100 + others)]]


def write(tokenizer: Tokenizer, merges: list[str], root: Path) -> None:
    """Writes one tokenizer's folder, in the form that transformers' CLIPTokenizer reads.

    The second one of SDXL pads with "!" (number 0), which sd-scripts set themselves after loading
    (library/strategy_sdxl.py); named here, "!" would be a special token in captions as well.
    """
    partial = root / (tokenizer.folder + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": MODEL_MAX_LENGTH}
    _write_json(partial / "vocab.json", vocabulary(merges))
    _write_json(partial / "special_tokens_map.json", special)
    _write_json(partial / "tokenizer_config.json", {**settings, **special})
    text = "\n".join(["#version: 0.2", *merges, ""])
    (partial / "merges.txt").write_text(text, encoding="utf-8")
    partial.rename(root / tokenizer.folder)


def _write_json(path: Path, value: Mapping[str, object]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
