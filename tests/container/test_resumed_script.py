"""The way in which a resumed sd-scripts counts on, with a small script in its place."""

import os
import subprocess
import sys

import pytest

from kohya_trainer.resumed_script import COUNTING
from tests.container.test_training_program import ROOT

TRAIN = f"""import argparse, sys
class NetworkTrainer:
    def train(self, args):
        name = type(self).__name__{COUNTING}        print(name, global_step, __file__, sys.argv)
        raise RuntimeError("line 7")
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
    assert done.stdout == f"{trainer} 16 {where} {[program, '--config_file', 'c']}\n"
    assert f'File "{where}", line 7' in done.stderr
    assert done.stderr.endswith("RuntimeError: line 7\n")
