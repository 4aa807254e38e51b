"""The way in which a resumed sd-scripts counts on, with a small script in its place."""

import os
import subprocess
import sys

import pytest

from kohya_trainer.resumed_script import COUNTING
from tests.container.test_training_program import ROOT

TRAIN = f"""import argparse, random, sys
class Datasets:
    def set_current_epoch(self, epoch):
        random.seed(self.seed)
        print("epoch", epoch)
    def set_current_step(self, step):
        print("step", step)
class NetworkTrainer:
    def train(self, args):
        random.seed(1)
        train_dataset_group, epoch_to_start = Datasets(), 2
        train_dataset_group.seed = 2{COUNTING}        random_number = random.random()
        random.seed(1)
        assert random_number == random.random()
        print(type(self).__name__, global_step, __file__, sys.argv)
        raise RuntimeError("line 18")
if __name__ == "__main__":
    NetworkTrainer().train(argparse.Namespace(initial_step=16))
"""
SDXL = """import argparse
import train_network
class SdxlNetworkTrainer(train_network.NetworkTrainer):
    pass
if __name__ == "__main__":
    SdxlNetworkTrainer().train(argparse.Namespace(initial_step=16))
"""


@pytest.mark.parametrize(
    ("script", "trainer"),
    [("train_network.py", "NetworkTrainer"), ("sdxl_train_network.py", "SdxlNetworkTrainer")],
)
def test_both_scripts_count_on_and_see_their_own_command_line(tmp_path, script, trainer):
    (tmp_path / "train_network.py").write_text(TRAIN)
    (tmp_path / "sdxl_train_network.py").write_text(SDXL)
    program = str(tmp_path / script)

    done = subprocess.run(
        [sys.executable, "-m", "kohya_trainer.resumed_script", program, "--config_file", "c"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    where = tmp_path / "train_network.py"
    told = "epoch 2\nstep 16\n"
    assert done.stdout == told + f"{trainer} 16 {where} {[program, '--config_file', 'c']}\n"
    assert f'File "{where}", line 18' in done.stderr
    assert done.stderr.endswith("RuntimeError: line 18\n")
