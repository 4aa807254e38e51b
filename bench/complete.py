"""How long `complete` takes over 1,000 JPEGs against the local stack: `python -m bench.complete`.

S3 is on this machine: add the way to it, some 20 ms for every 16 images.
"""

import shutil
import sys
import time

import numpy as np
from PIL import Image

from local.demo import engine
from local.demo.client import Api

FOLDER = engine.ROOT / ".lorastack" / "bench"


def main() -> None:
    """Upload as many images as the first argument says, complete them, say how long that took."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    image = FOLDER / "image.jpg"
    noise = np.random.default_rng(1).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((1024, 1024)).save(image, quality=90)
    size = image.stat().st_size
    with engine.local_stack(FOLDER / "state", engine.environment("rehearsal"), 1) as endpoints:
        api = Api(endpoints["url"], endpoints["token"])
        files = [{"name": f"{index}.jpg", "size": size} for index in range(count)]
        wanted = {"name": "many", "prefix": "1_x", "caption_policy": "empty", "files": files}
        made = api.post("/datasets", wanted)
        dataset_id = made["dataset"]["id"]
        while made["uploads"]:
            for one in made["uploads"]:
                api.put_file(one["upload"], image)
            made = api.post(f"/datasets/{dataset_id}/uploads", {})
        began = time.perf_counter()
        dataset = api.post(f"/datasets/{dataset_id}/complete")
        took = time.perf_counter() - began
    print(f"{count} images of {size} bytes: complete took {took:.2f} s")
    print(f"sizes: {dataset['report']['sizes']}")


if __name__ == "__main__":
    main()
