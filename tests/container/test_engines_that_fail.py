"""run() with engines that are a few lines of Python, to see every end that it may come to."""

import os
import sys
import textwrap
from pathlib import Path

import pytest

from kohya_trainer import child as child_module
from kohya_trainer.command import Launch
from kohya_trainer.paths import Paths
from kohya_trainer.settings import Settings
from kohya_trainer.training import EXIT_STOPPED, run
from tests.container.support import make_base, metrics_rows, read_json, write_safetensors
from tests.container.test_training_program import wait_for

ROOT = Path(__file__).resolve().parents[2]

HELPERS = """
import os, signal, sys, time
sys.path.insert(0, {root!r})
from kohya_trainer.tfevents import EventWriter
from pathlib import Path
def bar(step, total, loss):
    text = f"\\rsteps:  {{step * 100 // total}}%|###   | {{step}}/{{total}} [00:01<00:02,  1.00s/it"
    print(text + f", avr_loss={{loss}}]", end="", file=sys.stderr, flush=True)
def save(name, cut=0):
    from tests.container.support import write_safetensors  # numpy, which few need
    path = Path("lora") / name
    write_safetensors(path, {{"lora_unet_x.lora_down.weight": (4, 8)}})
    if cut:
        path.write_bytes(path.read_bytes()[:-cut])
"""


def train(base, script, *, prepared=True, stop=lambda: False, grace=5.0):
    """Run with an engine whose folder is the staging folder; returns status and failure."""
    if prepared:
        make_base(base)
    code = HELPERS.format(root=str(ROOT)) + textwrap.dedent(script)

    def prepare(job, inputs, paths, settings):
        env = os.environ | {"PYTHONPATH": str(ROOT / "training_container")}
        env["PYTHONUNBUFFERED"] = "1"
        return Launch("kohya", (sys.executable, "-c", code), env, paths.staging, {}, {})

    settings = Settings(base=base, report_seconds=0.1, grace_seconds=grace)
    status = run(settings, stop_requested=stop, prepare=prepare)
    failure = base / "output" / "failure"
    return status, read_json(failure) if failure.exists() else None


def runs(pid):
    """True while the process lives; one that nobody has reaped does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_a_good_end_without_a_lora_is_no_lora(tmp_path):
    status, failure = train(tmp_path, "print('nothing to do')")

    assert status == 1
    assert failure["code"] == "no_lora"
    assert "nothing to do" in failure["message"]


def test_kohyas_good_end_without_images_is_empty_dataset(tmp_path):
    _, failure = train(tmp_path, "print('No data found. Please verify arguments')")

    assert failure["code"] == "empty_dataset"


def test_out_of_memory_is_told_with_an_advice(tmp_path):
    status, failure = train(
        tmp_path,
        """
        bar(3, 8, 0.1)
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        """,
    )

    assert status == 1
    assert failure["code"] == "out_of_memory"
    assert "20.00 MiB" in failure["message"]
    assert "gradient_checkpointing" in failure["advice"]
    progress = read_json(tmp_path / "checkpoints" / "progress.json")
    assert (progress["phase"], progress["step"]) == ("failed", 3)
    report = read_json(tmp_path / "model" / "report.json")
    assert report["failure"]["code"] == "out_of_memory"


def test_a_loss_that_is_no_number_ends_the_engine(tmp_path):
    status, failure = train(
        tmp_path,
        """
        bar(1, 800, 0.1); save("tusiji-style-000001.safetensors")
        bar(2, 800, float("nan")); time.sleep(60)
        """,
    )

    assert status == 1
    assert failure["code"] == "nan_loss"
    assert "step 2" in failure["message"]
    kept = [lora["file"] for lora in read_json(tmp_path / "checkpoints" / "progress.json")["loras"]]
    assert kept == ["lora/tusiji-style-000001.safetensors"]


def test_a_nan_in_the_event_file_fails_the_training_though_kohya_ends_well(tmp_path):
    """sd-scripts does: it saves a LoRA of NaN and exits 0."""
    status, failure = train(
        tmp_path,
        """
        writer = EventWriter(Path("../output/tensorboard/run/network_train"))
        for step, loss in ((1, 0.5), (2, float("nan")), (3, float("nan"))):
            writer.add(step, {"loss/current": loss, "loss/average": loss})
        save("tusiji-style.safetensors")
        """,
    )

    assert status == 1
    assert failure["code"] == "nan_loss"
    assert [row["loss"] for row in metrics_rows(tmp_path)] == [0.5, None, None]


def test_a_truncated_last_lora_is_no_lora_and_stays_out_of_the_checkpoints(tmp_path):
    status, failure = train(tmp_path, "save('tusiji-style.safetensors', cut=3)")

    assert status == 1
    assert failure["code"] == "no_lora"
    assert list((tmp_path / "checkpoints" / "lora").iterdir()) == []


def test_an_engine_that_was_killed_is_killed(tmp_path):
    _, failure = train(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")

    assert failure["code"] == "killed"
    assert "SIGKILL" in failure["message"]


def test_a_lora_does_not_hide_a_bad_end(tmp_path):
    status, failure = train(
        tmp_path,
        """
        save("tusiji-style-000001.safetensors"); save("tusiji-style.safetensors")
        sys.exit("KeyError: 'x'")
        """,
    )

    assert status == 1
    assert failure["code"] == "training_failed"
    assert len(list((tmp_path / "checkpoints" / "lora").iterdir())) == 2


def test_an_engine_that_ignores_sigterm_is_killed_after_the_grace_and_so_are_its_children(tmp_path):
    status, failure = train(
        tmp_path,
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = os.fork()
        bar(1, 8, 0.5)
        if child:
            Path("draft").write_text(str(child)); Path("draft").rename("child")
        time.sleep(60)
        """,
        stop=(tmp_path / "staging" / "child").exists,
        grace=0.5,
    )

    assert status == EXIT_STOPPED
    assert failure["code"] == "stopped"
    child = int((tmp_path / "staging" / "child").read_text())
    wait_for(lambda: not runs(child))  # a killed process takes a moment to die


def test_a_stop_that_comes_when_all_is_done_does_not_spoil_it(tmp_path):
    status, failure = train(
        tmp_path,
        """
        signal.signal(signal.SIGTERM, lambda *_: (save("tusiji-style.safetensors"), sys.exit(0)))
        Path("ready").touch()
        time.sleep(60)
        """,
        stop=(tmp_path / "staging" / "ready").exists,
    )

    assert (status, failure) == (0, None)


def test_a_stop_before_the_engine_began_starts_nothing(tmp_path):
    status, failure = train(tmp_path, "Path('started').touch()", stop=lambda: True)

    assert status == EXIT_STOPPED
    assert failure["code"] == "stopped"
    assert not (tmp_path / "staging" / "started").exists()


@pytest.mark.parametrize("silent", [True, False])
def test_a_good_engine_that_leaves_a_child_behind_is_cleaned_up_after(
    tmp_path, silent, monkeypatch
):
    monkeypatch.setattr(child_module, "LINGER_SECONDS", 0.3)
    status, _ = train(
        tmp_path,
        f"""
        save("tusiji-style.safetensors")
        child = os.fork()
        if child == 0:
            if {silent}:
                os.close(1); os.close(2)
            time.sleep(60)
        Path("child").write_text(str(child))
        """,
    )

    assert status == 0
    child = int((tmp_path / "staging" / "child").read_text())
    wait_for(lambda: not runs(child))  # a killed process takes a moment to die


def test_an_earlier_attempt_is_cleared_but_its_loras_stay_until_replaced(tmp_path, capfd):
    make_base(tmp_path)
    paths = Paths(tmp_path)
    paths.make_folders()
    (paths.metrics / "00000001-00000009.jsonl").write_text('{"step": 1}\n')
    tensors = {"lora_unet_x.lora_down.weight": (2, 2)}
    write_safetensors(paths.loras / "tusiji-style-000001.safetensors", tensors, {"ss_epoch": "1"})
    write_safetensors(paths.loras / "tusiji-style-000002.safetensors", tensors, {"ss_epoch": "2"})
    (paths.loras / "torn.safetensors").write_bytes(b"\0\1")

    status, _ = train(
        tmp_path,
        "bar(1, 1, 0.5); save('tusiji-style-000001.safetensors'); save('tusiji-style.safetensors')",
        prepared=False,
    )

    assert status == 0
    assert [row["step"] for row in metrics_rows(tmp_path)] == [1]
    assert "an earlier attempt left 2 LoRAs and no whole state" in capfd.readouterr().err
    listed = [one["file"] for one in read_json(paths.progress)["loras"]]
    assert listed == [
        "lora/tusiji-style-000002.safetensors",
        "lora/tusiji-style-000001.safetensors",
        "lora/tusiji-style.safetensors",
    ]
    assert not (paths.loras / "torn.safetensors").exists()


def test_a_full_disk_is_told_by_the_wrapper_too(tmp_path, monkeypatch):
    def refuse(self, target, text):
        raise OSError(28, "No space left on device")

    make_base(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("kohya_trainer.segments.write_segment", lambda rows, paths: refuse(0, 0, 0))
        _, failure = train(tmp_path, "bar(1, 8, 0.5)", prepared=False)

    assert failure["code"] == "disk_full"


@pytest.mark.parametrize("text", ["{", '{"version": 2}'])
def test_a_bad_job_leaves_failure_progress_and_report(tmp_path, text):
    make_base(tmp_path)
    (tmp_path / "input" / "data" / "config" / "job.json").write_text(text)

    status, failure = train(tmp_path, "", prepared=False)

    assert status == 1
    assert failure["code"] == "bad_job"
    assert read_json(tmp_path / "checkpoints" / "progress.json")["phase"] == "failed"
    assert read_json(tmp_path / "model" / "report.json")["status"] == "failed"
