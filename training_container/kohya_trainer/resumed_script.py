"""``-m kohya_trainer.resumed_script SCRIPT ...``: run sd-scripts' script, counting steps on.

A resumed run of sd-scripts knows its epoch but counts its steps from 0 again (train_network.py:1275
at the pinned commit; with --skip_until_initial_step from the step within the epoch, :1344; issues
1999, 2248 and 2407). So it would log, name and record wrong steps, save a wrong train_state.json
for the next resume, count ``save_every_n_steps`` from its own start, and train beyond
``max_train_steps`` where these are no whole number of epochs (:1605). All of it hangs on one
variable, and here its first value is changed while the module is loaded. The first run of a
training does not come this way. Where the line is not found just once, the training starts afresh
instead (training.py).

The same line brings the images into the order that they have at the epoch's start. sd-scripts
shuffles when the epoch's first batch has been read already (library/train_util.py:6663), so the
first image of a resumed epoch would be one of the unshuffled order, and one image come twice.

This runs in the interpreter of sd-scripts, in its folder.
"""

import random
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

COUNTING = "\n        global_step = 0\n"
COUNTING_ON = "\n        global_step = begin_at(args, train_dataset_group, epoch_to_start)\n"
MODULE = "train_network"


def can_count_on(home: Path) -> bool:
    """Whether the checkout has the line, once."""
    try:
        source = (home / f"{MODULE}.py").read_text(encoding="utf-8")
    except OSError:
        return False
    return source.count(COUNTING) == 1


def begin_at(args: Any, datasets: Any, epoch: int) -> int:
    """Bring sd-scripts' datasets to the end of that epoch; return how many steps were done."""
    kept = random.getstate()  # the state's; a shuffle seeds the generator anew
    datasets.set_current_epoch(epoch)
    datasets.set_current_step(args.initial_step)
    random.setstate(kept)
    steps: int = args.initial_step
    return steps


def load(path: Path, name: str) -> None:
    """Run train_network.py as the module of that name."""
    source = path.read_text(encoding="utf-8").replace(COUNTING, COUNTING_ON)
    module = ModuleType(name)
    module.__file__ = str(path)
    module.__dict__["begin_at"] = begin_at
    sys.modules[name] = module
    exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 - sd-scripts' own source


def main() -> None:
    """Run the script, which is train_network.py itself or imports it."""
    del sys.argv[0]
    script = Path(sys.argv[0])
    if script.stem == MODULE:
        load(script, "__main__")
    else:
        load(script.with_name(f"{MODULE}.py"), MODULE)
        runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main()
