"""The SageMaker instance types that a training may run on.

GPUs and memory from the EC2 instance tables of AWS; bf16 needs NVIDIA Ampere or later.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class InstanceType:
    """An instance type; GPU memory in GiB for each GPU."""

    name: str
    gpus: int
    gpu: str
    gpu_memory_gib: int
    bf16: bool
    local_nvme: bool


def _family(
    prefix: str,
    sizes: dict[str, int],
    gpu: str,
    memory: int,
    *,
    bf16: bool,
    local_nvme: bool = True,
) -> list[InstanceType]:
    return [
        InstanceType(f"ml.{prefix}.{size}", gpus, gpu, memory, bf16, local_nvme)
        for size, gpus in sizes.items()
    ]


_ONE_TO_EIGHT = {
    "xlarge": 1,
    "2xlarge": 1,
    "4xlarge": 1,
    "8xlarge": 1,
    "12xlarge": 4,
    "16xlarge": 1,
}

INSTANCE_TYPES: dict[str, InstanceType] = {
    one.name: one
    for one in [
        *_family("g4dn", _ONE_TO_EIGHT, "T4", 16, bf16=False),
        *_family("g5", _ONE_TO_EIGHT | {"24xlarge": 4, "48xlarge": 8}, "A10G", 24, bf16=True),
        *_family("g6", _ONE_TO_EIGHT | {"24xlarge": 4, "48xlarge": 8}, "L4", 24, bf16=True),
        *_family("g6e", _ONE_TO_EIGHT | {"24xlarge": 4, "48xlarge": 8}, "L40S", 48, bf16=True),
        *_family("p3", {"2xlarge": 1, "8xlarge": 4, "16xlarge": 8}, "V100", 16, bf16=False,
                 local_nvme=False),
        *_family("p4d", {"24xlarge": 8}, "A100", 40, bf16=True),
        *_family("p5", {"48xlarge": 8}, "H100", 80, bf16=True),
    ]
}  # fmt: skip
