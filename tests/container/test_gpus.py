"""What the GPUs have, as ``nvidia-smi`` tells it; here it is a program of the tests."""

import os

import pytest

from kohya_trainer.gpus import Gpu, GpuMeter, read_gpus
from tests.container.support import job, make_base, metrics_rows, read_json
from tests.container.test_training_program import run, wait_for

TWO = ["0, NVIDIA A10G, 23028, 4000, 97", "1, NVIDIA A10G, 23028, 3000, 12"]


@pytest.fixture
def nvidia_smi(tmp_path_factory, monkeypatch):
    """Makes the program say these lines; every call takes the next answer, the last one stays."""
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def say(*answers, status=0):
        for number, lines in enumerate(answers):
            (folder / f"answer.{number}").write_text("".join(f"{line}\n" for line in lines))
        script = folder / "nvidia-smi"
        script.write_text(
            "#!/bin/sh\n"
            f'case "$*" in *--format=csv,noheader,nounits*) ;; *) exit 9 ;; esac\ncd {folder}\n'
            "read -r n 2>/dev/null < count || n=0\n"
            f"cat answer.$n\n[ $n -lt {len(answers) - 1} ] && echo $((n + 1)) > count\n"
            f"exit {status}\n"
        )
        script.chmod(0o755)

    return say


def test_each_gpu_is_told_with_its_memory_and_use(nvidia_smi):
    nvidia_smi(TWO)

    assert read_gpus() == [
        Gpu(0, "NVIDIA A10G", 23028, 4000, 97),
        Gpu(1, "NVIDIA A10G", 23028, 3000, 12),
    ]


def test_what_a_gpu_does_not_tell_is_unknown(nvidia_smi):
    nvidia_smi(["0, NVIDIA H100 MIG, 81559, [N/A], [Not Supported]", "broken", ""])

    assert read_gpus() == [Gpu(0, "NVIDIA H100 MIG", 81559, None, None)]


def test_without_the_program_or_with_one_that_fails_there_is_no_gpu(nvidia_smi, monkeypatch):
    nvidia_smi(TWO, status=9)
    assert read_gpus() == []

    monkeypatch.setenv("PATH", "/nowhere")
    assert read_gpus() == []


def test_the_peak_is_kept_when_memory_is_given_back(nvidia_smi):
    nvidia_smi(["0, A, 100, 40, 1"], ["0, A, 100, 90, 1"], ["0, A, 100, 50, 1"])
    meter = GpuMeter(seconds=0.01)
    meter.start()

    wait_for(lambda: (meter.for_rows() or [{}])[0].get("memory_used_mib") == 50)
    meter.end()

    (told,) = meter.for_progress()
    assert (told["memory_used_mib"], told["memory_peak_mib"]) == (50, 90)


def test_a_training_tells_of_its_gpus_in_rows_progress_and_report(nvidia_smi, tmp_path):
    nvidia_smi(TWO)
    base = make_base(tmp_path, job(config_params={"max_train_steps": 30}))

    status, log = run(base, LORASTACK_REHEARSAL_STEP_SECONDS="0.02")

    assert status == 0, log
    row = {"memory_used_mib": 4000, "memory_total_mib": 23028, "utilization_percent": 97}
    assert metrics_rows(base)[-1]["gpus"][0] == row
    told = read_json(base / "checkpoints" / "progress.json")["gpus"]
    assert told[1] == {
        "index": 1,
        "name": "NVIDIA A10G",
        "memory_total_mib": 23028,
        "memory_used_mib": 3000,
        "memory_peak_mib": 3000,
        "utilization_percent": 12,
    }
    assert read_json(base / "model" / "report.json")["gpus"] == told


def test_without_a_gpu_the_fields_are_null(nvidia_smi, tmp_path):
    nvidia_smi([], status=9)
    base = make_base(tmp_path, job(config_params={"max_train_steps": 3}))

    assert run(base)[0] == 0

    assert metrics_rows(base)[-1]["gpus"] is None
    assert read_json(base / "checkpoints" / "progress.json")["gpus"] is None
