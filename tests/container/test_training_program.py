"""The whole program as a process, with the rehearsal engine."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from tests.container.support import (
    dataset,
    job,
    make_base,
    metrics_rows,
    read_json,
    sd15_shapes,
    write_safetensors,
)

ROOT = Path(__file__).resolve().parents[2] / "training_container"


def start(base, **env):
    hidden = ("KOHYA_", "LORASTACK_")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    return subprocess.Popen(
        [sys.executable, "-m", "kohya_trainer", "--base", str(base)],
        env=clean | {"PYTHONPATH": str(ROOT), "LORASTACK_REPORT_SECONDS": "0.2"} | env,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def run(base, **env):
    process = start(base, **env)
    _, log = process.communicate(timeout=60)
    return process.returncode, log


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A base folder after three epochs over three images, and the log."""
    base = make_base(tmp_path_factory.mktemp("ml"))
    status, log = run(base)
    assert status == 0, log
    return base, log


def lora(base, name="tusiji-style.safetensors"):
    return safe_open(base / "checkpoints" / "lora" / name, "numpy")


def test_a_lora_comes_out_for_each_epoch_under_kohyas_names(finished):
    base, _ = finished

    names = sorted(path.name for path in (base / "checkpoints" / "lora").iterdir())
    assert names == [
        "tusiji-style-000001.safetensors",
        "tusiji-style-000002.safetensors",
        "tusiji-style.safetensors",
    ]


def test_the_lora_opens_and_has_three_tensors_for_each_layer(finished):
    with lora(finished[0]) as file:
        names = set(file.keys())
        layers = {name.split(".")[0] for name in names}
        shapes = {name: file.get_slice(name).get_shape() for name in names}

    assert len(layers) == 4 * 12 + 2
    parts = ("alpha", "lora_down.weight", "lora_up.weight")
    assert names == {f"{layer}.{part}" for layer in layers for part in parts}
    query = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
    assert shapes[f"{query}.lora_down.weight"] == [4, 48]
    assert shapes[f"{query}.lora_up.weight"] == [32, 4]
    assert shapes[f"{query}.alpha"] == []
    assert shapes["lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"] == [4, 32, 1, 1]


def test_what_learnt_has_moved_and_goes_on_moving(finished):
    with lora(finished[0], "tusiji-style-000001.safetensors") as first, lora(finished[0]) as last:
        ups = [name for name in last.keys() if name.endswith("lora_up.weight")]  # noqa: SIM118
        moved = [name for name in ups if np.any(last.get_tensor(name))]
        assert 1 <= len(moved) <= 8
        for name in moved:
            assert not np.array_equal(first.get_tensor(name), last.get_tensor(name))
        assert all(np.isfinite(last.get_tensor(name)).all() for name in last.keys())  # noqa: SIM118


def test_the_metadata_is_kohyas_and_says_that_it_is_a_rehearsal(finished):
    with lora(finished[0]) as file:
        metadata = file.metadata()

    assert metadata["lorastack_engine"] == "rehearsal"
    assert metadata["ss_base_model_version"] == "sd_v1"
    assert metadata["ss_network_dim"] == "4"
    assert metadata["ss_steps"] == "90"
    assert metadata["ss_epoch"] == "3"
    assert metadata["ss_num_train_images"] == "30"
    assert metadata["ss_output_name"] == "tusiji-style"
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    folder = dataset()["folder"]
    assert json.loads(metadata["ss_dataset_dirs"]) == {folder: {"n_repeats": 10, "img_count": 3}}
    assert json.loads(metadata["ss_tag_frequency"])[folder]["a jade rabbit"] == 3
    assert len(metadata["sshs_model_hash"]) == 64


def test_the_metrics_have_a_row_for_each_step_and_the_loss_falls(finished):
    rows = metrics_rows(finished[0])

    assert [row["step"] for row in rows] == list(range(1, 91))
    assert [row["epoch"] for row in rows] == [1] * 30 + [2] * 30 + [3] * 30
    losses = [row["loss"] for row in rows]
    assert np.mean(losses[-30:]) < 0.5 * np.mean(losses[:10])
    assert np.std(losses[-30:]) > 0.001, "a loss without noise is not one"
    assert rows[0]["learning_rates"] == {"textencoder": 0.001, "unet": 0.001}


def test_progress_ends_finished_with_every_lora(finished):
    base, _ = finished
    progress = read_json(base / "checkpoints" / "progress.json")

    assert progress["phase"] == "finished"
    assert progress["engine"] == "rehearsal"
    assert (progress["step"], progress["total_steps"]) == (90, 90)
    assert (progress["epoch"], progress["total_epochs"]) == (3, 3)
    assert progress["seconds_remaining"] == 0.0
    assert [(one["epoch"], one["step"]) for one in progress["loras"]] == [(1, 30), (2, 60), (3, 90)]
    for one in progress["loras"]:
        assert (base / "checkpoints" / one["file"]).stat().st_size == one["size"]


def test_the_report_says_what_ran(finished):
    report = read_json(finished[0] / "model" / "report.json")

    assert report["status"] == "succeeded"
    assert report["rehearsal"] is True
    assert report["config"]["learning_rate"] == 0.001
    assert report["steps"] == 90
    assert len(report["loras"]) == 3
    assert report["wall_seconds"] > 0
    assert report["versions"]["numpy"]


def test_the_checkpoint_folder_holds_nothing_half_done(finished):
    base, _ = finished
    names = {path.name for path in (base / "checkpoints").rglob("*") if path.is_file()}

    state = {"manifest.json", "optimizer.bin", "random_states_0.pkl", "scheduler.bin"}
    names -= {*state, "train_state.json"}
    assert all(name.endswith((".safetensors", ".jsonl", "progress.json")) for name in names)
    assert not (base / "output" / "failure").exists()


def test_the_log_says_rehearsal_and_holds_no_caption(finished):
    _, log = finished

    assert "REHEARSAL" in log
    assert "jade" not in log
    assert "epoch 3/3" in log


def test_sigterm_keeps_the_loras_of_finished_epochs_and_ends_the_engine(tmp_path):
    body = job(config_params={"max_train_steps": 100_000, "save_every_n_epochs": 1})
    base = make_base(tmp_path, body)
    process = start(base, LORASTACK_REHEARSAL_STEP_SECONDS="0.02")
    first = base / "checkpoints" / "lora" / "tusiji-style-000001.safetensors"
    wait_for(first.exists)

    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=20)

    assert process.returncode == 143, log
    failure = read_json(base / "output" / "failure")
    assert failure["code"] == "stopped"
    progress = read_json(base / "checkpoints" / "progress.json")
    assert progress["phase"] == "stopped"
    assert progress["loras"][0]["file"] == "lora/tusiji-style-000001.safetensors"
    rows = metrics_rows(base)
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= progress["step"] > 30
    assert not engines_of(base)


def test_an_engine_whose_wrapper_was_killed_ends_soon(tmp_path):
    body = job(config_params={"max_train_steps": 100_000})
    base = make_base(tmp_path, body)
    process = start(base, LORASTACK_REHEARSAL_STEP_SECONDS="0.02")
    wait_for(lambda: engines_of(base))

    process.kill()
    process.communicate()

    wait_for(lambda: not engines_of(base))


def engines_of(base):
    """Processes with the base folder in their command line, other than the wrapper."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if str(base / "staging").encode() in line:
            found.append(path)
    return found


def wait_for(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_an_sdxl_rehearsal_makes_an_sdxl_lora(tmp_path):
    params = {"max_train_steps": 5, "network_dim": 2, "save_precision": "bf16"}
    params |= {"network_train_unet_only": True, "train_batch_size": 2}
    base = make_base(tmp_path, job(fm_type="sd_xl", config_params=params))

    status, log = run(base)

    assert status == 0, log
    with lora(base) as file:
        assert all(name.startswith("lora_unet_input_blocks_4_1_") for name in file.keys())  # noqa: SIM118
        assert file.metadata()["ss_base_model_version"] == "sdxl_base_v1-0"
    header = (base / "checkpoints" / "lora" / "tusiji-style.safetensors").read_bytes()[:4000]
    assert b'"BF16"' in header
    assert len(metrics_rows(base)) == 5


def test_an_image_that_is_none_is_unreadable_image(tmp_path):
    base = make_base(tmp_path)
    image = next((base / "input" / "data" / "dataset_00").rglob("*.png"))
    image.write_bytes(b"<html>not found</html>")

    status, _ = run(base)

    failure = read_json(base / "output" / "failure")
    assert status == 1
    assert failure["code"] == "unreadable_image"
    assert image.name in failure["message"]


def test_a_wrong_model_starts_nothing(tmp_path):
    base = make_base(tmp_path, job(fm_type="sd_xl"))
    write_safetensors(base / "input" / "data" / "model" / "base.safetensors", sd15_shapes())

    status, _ = run(base)

    assert status == 1
    assert read_json(base / "output" / "failure")["code"] == "wrong_model_family"
    assert read_json(base / "checkpoints" / "progress.json")["phase"] == "failed"
    assert not (base / "staging" / "config.toml").exists()


def test_the_rehearsal_counts_steps_as_kohya_does(tmp_path):
    """7 images twice in batches of 4 make 4, two accumulated 2 steps; 5 steps are 3 epochs."""
    params = {"max_train_steps": 5, "train_batch_size": 4, "gradient_accumulation_steps": 2}
    params |= {"save_every_n_steps": 2, "save_every_n_epochs": 2}
    body = job(config_params=params, datasets=[dataset(repeats=2)])
    base = make_base(tmp_path, body, images=7)

    status, log = run(base)

    assert status == 0, log
    rows = metrics_rows(base)
    assert [row["epoch"] for row in rows] == [1, 1, 2, 2, 3]
    names = {path.name for path in (base / "checkpoints" / "lora").iterdir()}
    stem = "tusiji-style"
    assert names == {
        f"{stem}-000002.safetensors",
        f"{stem}-step00000002.safetensors",
        f"{stem}-step00000004.safetensors",
        f"{stem}.safetensors",
    }
    assert read_json(base / "checkpoints" / "progress.json")["total_epochs"] == 3


def test_the_wrapper_imports_nothing_but_the_standard_library():
    code = "import sys; import kohya_trainer.__main__; print(*sys.modules)"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    bare = [sys.executable, "-S", "-c", code]  # without what site-packages load by themselves

    loaded = subprocess.run(bare, env=env, capture_output=True, text=True, check=True).stdout

    others = {name.partition(".")[0] for name in loaded.split()} - {*sys.stdlib_module_names}
    assert others == {"__main__", "kohya_trainer"}


def test_two_rehearsals_with_one_seed_are_alike(tmp_path):
    """The same seed, the same losses: nothing of the clock or the process goes in."""
    bases = [
        make_base(tmp_path / name, job(config_params={"max_train_steps": 20})) for name in "ab"
    ]
    for base in bases:
        assert run(base)[0] == 0

    first, second = ([row["loss"] for row in metrics_rows(base)] for base in bases)
    assert first == second
    assert all(a != b for a, b in itertools.pairwise(first))
