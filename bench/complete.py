"""How long a dataset takes from POST to `ready` on the local stack: `python -m bench.complete`.

The argument is how many images of 1024x1024 pixels it has, 500 unless given, each with a caption.
S3 is on this machine: add the way to it.
"""

import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from local.demo import engine
from local.demo.client import Api, wait_for

FOLDER = engine.ROOT / ".lorastack" / "bench"
AT_ONCE = 4


def main() -> None:
    """Draw the images, make the dataset of them, and print what each part took."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    shutil.rmtree(FOLDER, ignore_errors=True)
    images = FOLDER / "10_images"
    images.mkdir(parents=True)
    for index in range(count):
        _draw(images / f"{index:05d}.jpg", index)
        (images / f"{index:05d}.txt").write_text(f"image number {index}")
    with engine.local_stack(FOLDER / "state", engine.environment("rehearsal"), 2) as endpoints:
        _measure(Api(endpoints["url"], endpoints["token"]), images)


def _measure(api: Api, images: Path) -> None:
    files = [{"name": one.name, "size": one.stat().st_size} for one in sorted(images.iterdir())]
    began = time.perf_counter()
    made = api.post("/datasets", {"name": "many", "prefix": images.name, "files": files})
    dataset_id, created = made["dataset"]["id"], time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        while made["uploads"]:
            list(
                threads.map(
                    lambda one: api.put_file(one["upload"], images / one["name"]), made["uploads"]
                )
            )
            made = api.post(f"/datasets/{dataset_id}/uploads", {})
    uploaded = time.perf_counter()
    api.post(f"/datasets/{dataset_id}/complete")
    asked = time.perf_counter()
    *_, dataset = wait_for(api, f"/datasets/{dataset_id}", {"ready", "invalid"}, 0.2)
    checked = time.perf_counter()
    report = dataset["report"]
    print(f"{len(files)} files, {dataset['total_bytes'] / 1e6:.0f} MB")
    print(f"created {created - began:.2f} s, uploaded {uploaded - created:.2f} s")
    print(
        f"complete answered after {asked - uploaded:.2f} s, checked after {checked - asked:.2f} s"
    )
    print(f"{report['images'] / (checked - asked):.0f} images a second")
    print(f"{dataset['status']}: {report['errors']} errors, {report['warnings']} warnings")
    print(f"in all {checked - began:.2f} s; sizes {report['sizes']}")


def _draw(path: Path, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((1024, 1024), Image.Resampling.BICUBIC).save(path, quality=95)


if __name__ == "__main__":
    main()
