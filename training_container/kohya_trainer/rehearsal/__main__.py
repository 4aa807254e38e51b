"""``python -m kohya_trainer.rehearsal --config_file cfg.toml``: rehearse a training."""

import argparse
import os
import sys
from pathlib import Path

# One core is enough, and several threads are slower on matrices this small.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

from kohya_trainer.rehearsal.engine import Rehearsal  # noqa: E402
from kohya_trainer.rehearsal.images import Images  # noqa: E402
from kohya_trainer.rehearsal.options import read_datasets, read_options  # noqa: E402


def main() -> int:
    """The program. Without an image it says so and exits 0, as sd-scripts does.

    LORASTACK_REHEARSAL_STEP_SECONDS makes every step last that long, so there is something to watch
    or to stop.
    """
    parser = argparse.ArgumentParser(prog="kohya_trainer.rehearsal", description=__doc__)
    parser.add_argument("--config_file", type=Path, required=True)
    options = read_options(parser.parse_args().config_file)
    images = Images(read_datasets(Path(options.dataset_config), options.train_batch_size))
    if not images.images:
        print("No data found. Please verify arguments")
        return 0
    step_seconds = float(os.environ.get("LORASTACK_REHEARSAL_STEP_SECONDS") or 0)
    Rehearsal(options, images, step_seconds).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
