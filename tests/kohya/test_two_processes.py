"""Two processes of the real sd-scripts, on the CPU in place of two GPUs; 14 GB of memory.

What `accelerate launch --multi_gpu` does on an instance with several GPUs is done here with gloo:
the same sampler, the same counting, the same output of two ranks.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kohya_trainer import command
from kohya_trainer.settings import Settings
from kohya_trainer.training import EXIT_STOPPED, run
from lambdas.trainings.arithmetic import schedule
from tests.container.support import metrics_rows, read_json
from tests.kohya.kohya_support import KOHYA, PARAMS, STEPS_PER_EPOCH, make_base

pytestmark = pytest.mark.kohya
WRAPPER = Path(__file__).with_name("on_two_cpus.py")
EXPECTED = schedule(STEPS_PER_EPOCH, gpus=2, max_train_epochs=3)
STEPS = EXPECTED.total_steps


def prepare(job, inputs, paths, settings):
    """The launch on two CPUs: torch's launcher in place of accelerate's, which asks for MPI there."""
    launch = command.prepare(job, inputs, paths, settings)
    script = next(index for index, word in enumerate(launch.argv) if word.endswith("network.py"))
    resumed = ("resumed",) if "--module" in launch.argv else ()
    start = (launch.argv[0], "-m", "torch.distributed.run", "--nproc_per_node", "2", str(WRAPPER))
    env = dict(launch.env) | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    argv = (*start, *resumed, *launch.argv[script:])
    return replace(launch, argv=argv, env=env, processes=2)


def train(base: Path, stop=lambda: False) -> int:
    settings = Settings(
        base=base,
        kohya_home=KOHYA / "sd-scripts",
        kohya_python=str(KOHYA / "venv" / "bin" / "python"),
        kohya_tokenizers=KOHYA / "tokenizers",
        kohya_cpu=True,
        report_seconds=0.5,
        grace_seconds=20.0,
    )
    return run(settings, stop_requested=stop, prepare=prepare)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory) -> tuple[Path, Path]:
    """Three epochs, stopped in the second and gone on with on another machine."""
    folder = tmp_path_factory.mktemp("two")
    first = make_base(folder / "first", **PARAMS)
    progress = first / "checkpoints" / "progress.json"
    state = first / "checkpoints" / "state" / "style-000001-state"

    def is_in_epoch_two() -> bool:
        return state.exists() and read_json(progress)["step"] > EXPECTED.steps_per_epoch

    assert train(first, is_in_epoch_two) == EXIT_STOPPED
    second = make_base(folder / "second", **PARAMS)
    shutil.copytree(first / "checkpoints", second / "checkpoints")
    assert train(second) == 0
    return first, second


def test_the_steps_are_those_that_are_reckoned_for_two_gpus(interrupted):
    first, second = interrupted

    assert (EXPECTED.steps_per_epoch, STEPS) == (4, 12)
    for base in (first, second):
        assert read_json(base / "checkpoints" / "progress.json")["total_steps"] == STEPS
    told = read_json(second / "checkpoints" / "progress.json")
    assert (told["phase"], told["step"], told["epoch"]) == ("finished", STEPS, 3)


def test_the_state_counts_right_and_the_curve_has_each_step_once(interrupted):
    _, second = interrupted

    rows = metrics_rows(second)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert [row["epoch"] for row in rows] == [epoch for epoch in (1, 2, 3) for _ in range(4)]
    assert all(row["loss"] for row in rows)
    states = sorted((second / "checkpoints" / "state").iterdir())
    assert [read_json(one / "train_state.json") for one in states] == [
        {"current_epoch": 2, "current_step": 8},
        {"current_epoch": 3, "current_step": 12},
    ]
    assert read_json(second / "model" / "report.json")["resumed_after"] == {"step": 4, "epoch": 1}


def test_a_state_of_two_processes_says_so(interrupted):
    manifest = next((interrupted[1] / "checkpoints" / "state").glob("*/manifest.json"))

    assert read_json(manifest)["setting"]["gpus"] == 2
