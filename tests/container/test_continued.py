"""A training that goes on with a finished LoRA."""

import shutil
import struct

import pytest

from kohya_trainer.continued import check_continued
from kohya_trainer.failure import TrainingFailed
from kohya_trainer.job import parse_job
from tests.container.support import job, make_base, metrics_rows, read_json, write_safetensors
from tests.container.test_training_program import lora, run

INIT = {"channel": "init", "kind": "lora", "model_id": "mdl_2", "file_name": "old.safetensors"}
PARAMS = {"max_train_epochs": 1, "network_dim": 4, "network_alpha": 2.0, "learning_rate": 1e-3}
LAYER = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"


def continuing(**changes):
    return job(init=INIT, config_params=PARAMS | changes)


def test_the_second_training_begins_where_the_first_ended(tmp_path):
    first = make_base(tmp_path / "first", job(config_params=PARAMS | {"max_train_epochs": 3}))
    assert run(first)[0] == 0
    second = make_base(tmp_path / "second", continuing())
    init = second / "input" / "data" / "init" / "old.safetensors"
    init.parent.mkdir()
    shutil.copy(first / "checkpoints" / "lora" / "tusiji-style.safetensors", init)

    status, log = run(second)

    assert status == 0, log
    losses = [[row["loss"] for row in metrics_rows(base)] for base in (first, second)]
    assert [row["step"] for row in metrics_rows(second)] == list(range(1, 31))
    assert sum(losses[1][:10]) < 0.6 * sum(losses[0][:10])
    with lora(first) as before, lora(second) as after:
        assert before.keys() == after.keys()
        assert after.metadata()["ss_steps"] == "30"
    assert read_json(second / "model" / "report.json")["config"]["network_weights"] == str(init)


def saved(folder, name=LAYER, rank=4, alpha=2.0):
    path = write_safetensors(
        folder / "old.safetensors",
        {
            f"{name}.alpha": (),
            f"{name}.lora_down.weight": (rank, 8),
            f"{name}.lora_up.weight": (8, rank),
        },
    )
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    path.write_bytes(content[:start] + struct.pack("<e", alpha) + content[start + 2 :])
    return path


def test_a_lora_that_fits_is_taken(tmp_path):
    check_continued(saved(tmp_path), parse_job(continuing()))


@pytest.mark.parametrize(
    ("lora", "code", "word"),
    [
        ({"rank": 8}, "bad_option", "network_dim is 4, but the LoRA old.safetensors has 8"),
        ({"alpha": 1.0}, "bad_option", "network_alpha is 2.0"),
        ({"name": "lora_unet_input_blocks_4_1_proj_in"}, "wrong_model_family", "not named as"),
    ],
)
def test_a_lora_that_does_not_fit_is_refused_before_the_engine_starts(tmp_path, lora, code, word):
    with pytest.raises(TrainingFailed, match=word) as caught:
        check_continued(saved(tmp_path, **lora), parse_job(continuing()))

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("network_train_unet_only", "lora_te_text_model_encoder_layers_0_mlp_fc1"),
        ("network_train_text_encoder_only", LAYER),
    ],
)
def test_a_part_of_the_lora_that_would_not_be_trained_would_be_lost(tmp_path, option, name):
    with pytest.raises(TrainingFailed, match=f"{option} leaves out"):
        check_continued(saved(tmp_path, name=name), parse_job(continuing(**{option: True})))


def test_layers_with_ranks_of_their_own_are_left_to_the_trainer(tmp_path):
    body = continuing(network_args=["block_dims=4,8"])

    check_continued(saved(tmp_path, rank=8), parse_job(body))


@pytest.mark.parametrize("content", [None, b"<html>", b"cut"])
def test_a_lora_that_cannot_be_read_is_refused(tmp_path, content):
    path = saved(tmp_path)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] if content == b"cut" else content)

    with pytest.raises(TrainingFailed) as caught:
        check_continued(path, parse_job(continuing()))

    assert caught.value.code == "unreadable_model"
