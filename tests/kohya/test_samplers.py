"""Every sampler that the API lets through draws with the schedulers that sd-scripts makes."""

import json
import subprocess

import pytest

from lambdas.trainings.options import options
from tests.kohya.kohya_support import KOHYA

pytestmark = pytest.mark.kohya

STEPS = (1, 2, 3, 4, 5, 10, 30, 33, 150)
PROGRAM = """
import json, sys, torch
from library.train_util import get_my_scheduler

def breaks(sampler, steps, v):
    try:
        scheduler = get_my_scheduler(sample_sampler=sampler, v_parameterization=v)
        scheduler.set_timesteps(steps)
        latents = torch.randn(1, 4, 8, 8) * scheduler.init_noise_sigma
        for moment in scheduler.timesteps:
            scheduler.scale_model_input(latents, moment)
            latents = scheduler.step(torch.randn(1, 4, 8, 8), moment, latents).prev_sample
        return not torch.isfinite(latents).all()
    except Exception:
        return True

samplers, steps = json.loads(sys.argv[1])
print(json.dumps([(name, n) for name in samplers for n in steps
                  if breaks(name, n, False) or breaks(name, n, True)]))
"""


def test_samplers_draw_at_any_number_of_steps_but_for_pndm_below_four() -> None:
    asked = json.dumps([options()["sample_sampler"].choices, STEPS])
    program = [str(KOHYA / "venv" / "bin" / "python"), "-c", PROGRAM, asked]

    done = subprocess.run(
        program, cwd=KOHYA / "sd-scripts", capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout.splitlines()[-1]) == [["pndm", 1], ["pndm", 2], ["pndm", 3]]
