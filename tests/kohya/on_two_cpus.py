"""Run one process of sd-scripts among several on the CPU, as torch.distributed.run starts it.

``python -m torch.distributed.run --nproc_per_node 2 on_two_cpus.py [resumed] SCRIPT ...``

On GPUs accelerate leaves a model without trainable parameters alone (accelerator.py:1584 of the
pinned version), on CPUs it does not, and torch refuses the frozen U-Net. Here it is left alone too.
"""

import runpy
import sys
from typing import Any

import torch

Parallel = torch.nn.parallel.DistributedDataParallel


class Trained(Parallel):
    """Wraps what trains; what does not is handed back as it is."""

    def __new__(cls, model: torch.nn.Module, **options: Any) -> Any:
        if any(parameter.requires_grad for parameter in model.parameters()):
            return super().__new__(cls)
        return model


torch.nn.parallel.DistributedDataParallel = Trained
resumed = sys.argv[1] == "resumed"
del sys.argv[: 1 + resumed]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
if resumed:
    sys.argv.insert(0, "resumed_script")
    runpy.run_module("kohya_trainer.resumed_script", run_name="__main__", alter_sys=True)
else:
    runpy.run_path(sys.argv[0], run_name="__main__")
