"""What the GPUs have and do, asked of ``nvidia-smi`` every few seconds; none is as well.

https://docs.nvidia.com/deploy/nvidia-smi/index.html
"""

import subprocess
import threading
from dataclasses import asdict, dataclass
from typing import Any

SECONDS = 5.0
_LONGEST = 20.0
_FIELDS = ("index", "name", "memory.total", "memory.used", "utilization.gpu")
_QUERY = (f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class Gpu:
    """A GPU at one moment; memory in MiB, utilisation in percent, None where it is not told."""

    index: int
    name: str
    memory_total_mib: int | None
    memory_used_mib: int | None
    utilization_percent: int | None


class GpuMeter:
    """Asks in a thread of its own and keeps the newest answer and each GPU's peak."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._ended = threading.Event()
        self._newest: list[Gpu] = []
        self._peaks: dict[int, int] = {}
        self._thread = threading.Thread(target=self._run, name="gpus", daemon=True)

    def start(self) -> None:
        """Begin to ask; where there is no GPU it ends by itself."""
        self._thread.start()

    def end(self) -> None:
        """Ask no more."""
        self._ended.set()

    def for_rows(self) -> list[dict[str, Any]] | None:
        """What a row of the curve tells, None without a GPU."""
        told = ("memory_used_mib", "memory_total_mib", "utilization_percent")
        return [{name: getattr(gpu, name) for name in told} for gpu in self._newest] or None

    def for_progress(self) -> list[dict[str, Any]] | None:
        """What progress and report tell: the newest answer and the most memory that was in use."""
        found = [
            asdict(gpu) | {"memory_peak_mib": self._peaks.get(gpu.index)} for gpu in self._newest
        ]
        return found or None

    def _run(self) -> None:
        self._ask()
        while self._newest and not self._ended.wait(self._seconds):
            self._ask()

    def _ask(self) -> None:
        found = read_gpus()
        if found:
            self._newest = found
        for gpu in found:
            used = gpu.memory_used_mib
            if used is not None:
                self._peaks[gpu.index] = max(used, self._peaks.get(gpu.index, 0))


def read_gpus() -> list[Gpu]:
    """Each GPU now; nothing where nobody can tell."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", *_QUERY],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    lines = (line.split(", ") for line in answer.stdout.splitlines())
    return [gpu for parts in lines if (gpu := _gpu(parts))]


def _gpu(parts: list[str]) -> Gpu | None:
    if len(parts) != len(_FIELDS) or not parts[0].strip().isdecimal():
        return None
    index, name, total, used, utilization = (part.strip() for part in parts)
    return Gpu(int(index), name, _whole(total), _whole(used), _whole(utilization))


def _whole(text: str) -> int | None:
    """The number; ``[N/A]`` and the like are none."""
    return int(text) if text.isdecimal() else None
