"""``python -m kohya_trainer.rehearsal.tagger FOLDER --flags``: rehearse the WD14 tagger.

It takes the command line of sd-scripts' finetune/tag_images_by_wd14_tagger.py, draws its bar and
writes its JSON lines. Its tags tell of the files' bytes, not of what there is to see, and say so.
"""

import argparse
import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from kohya_trainer.inputs import image_paths
from kohya_trainer.rehearsal.bar import render
from kohya_trainer.rehearsal.formats import STARTS, UnidentifiedImageError

_READ = 65536


def main(arguments: Sequence[str] | None = None) -> int:
    """The program. LORASTACK_REHEARSAL_STEP_SECONDS makes each image last that long."""
    options = _parser().parse_args(arguments)
    seconds = float(os.environ.get("LORASTACK_REHEARSAL_STEP_SECONDS") or 0)
    print("REHEARSAL: the tags tell of the files' bytes, not of what is to be seen", flush=True)
    paths = sorted(image_paths(options.train_data_dir))
    print(f"found {len(paths)} images.", flush=True)
    lines, started = [], time.monotonic()
    for number, path in enumerate(paths, start=1):
        try:
            tags = _chosen(path, options)
        except OSError as error:
            print(f"Could not load image path: {path}, error: {error}", file=sys.stderr)
        else:
            lines.append({"image_path": str(path), "caption": options.caption_separator.join(tags)})
        time.sleep(seconds)
        bar = render(number, len(paths), time.monotonic() - started)
        print(f"\r{bar}]", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    options.output_path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return 0


def _chosen(path: Path, options: argparse.Namespace) -> list[str]:
    undesired = {tag.strip() for tag in options.undesired_tags.split(",")}
    thresholds = {0: options.general_threshold, 4: options.character_threshold}
    sure = [tag for tag, category, how in _seen(path) if how >= thresholds[category]]
    named = [tag.replace("_", " ") if options.remove_underscore else tag for tag in sure]
    return [tag for tag in named if tag not in undesired]


def _seen(path: Path) -> Iterator[tuple[str, int, float]]:
    """Tags with the category that selected_tags.csv gives them, and how sure they are."""
    with path.open("rb") as file:
        data = file.read(_READ)
    if not data.startswith(STARTS):
        raise UnidentifiedImageError(f"cannot identify image file {path.name!r}")
    mean, deviation = _mean_and_deviation(data)
    bright, spread = mean / 255, deviation / 128
    yield "rehearsal", 0, 1.0
    yield "bright_bytes", 0, bright
    yield "dark_bytes", 0, 1 - bright
    yield "uneven_bytes", 0, min(spread, 1.0)
    yield "large_file", 0, min(math.log10(len(data)) / 5, 1.0)
    yield "nobody_(rehearsal)", 4, 0.5


def _mean_and_deviation(data: bytes) -> tuple[float, float]:
    """Of the bytes, without numpy: to load it takes longer than to tag a hundred images."""
    counts = Counter(data)
    mean = sum(value * count for value, count in counts.items()) / len(data)
    squares = sum(count * (value - mean) ** 2 for value, count in counts.items())
    return mean, math.sqrt(squares / len(data))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kohya_trainer.rehearsal.tagger", description=__doc__)
    parser.add_argument("train_data_dir", type=Path)
    parser.add_argument("--onnx", action="store_true")
    parser.add_argument("--remove_underscore", action="store_true")
    parser.add_argument("--caption_separator", default=", ")
    parser.add_argument("--output_path", type=Path, required=True)
    parser.add_argument("--general_threshold", type=float, default=0.35)
    parser.add_argument("--character_threshold", type=float, default=0.35)
    parser.add_argument("--undesired_tags", default="")
    return parser


if __name__ == "__main__":
    sys.exit(main())
