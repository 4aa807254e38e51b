import json

import pytest

from kohya_trainer.failure import LIMIT, TrainingFailed, as_line, write_failure
from kohya_trainer.verdict import explain


@pytest.mark.parametrize(
    "message", ["short", "x" * 5000, '"\\' * 2000, "兔" * 3000, "a\nb\0\x1b[0m"]
)
@pytest.mark.parametrize("advice", ["do this", '"' * 2000])
def test_the_failure_file_is_one_short_line_of_json(tmp_path, message, advice):
    path = tmp_path / "output" / "failure"

    write_failure(path, TrainingFailed("bad_option", message, advice))

    text = path.read_text(encoding="utf-8")
    assert len(text) <= LIMIT < 1024
    assert "\n" not in text
    read = json.loads(text)
    assert set(read) == {"code", "message", "advice"}
    assert read["code"] == "bad_option"


def test_a_long_message_keeps_its_beginning_and_its_end():
    line = as_line(TrainingFailed("x", "begin " + "y" * 4000 + " end", "advice"))

    message = json.loads(line)["message"]
    assert message.startswith("begin")
    assert message.endswith("end")
    assert len(line) > LIMIT - 10


def test_half_a_surrogate_pair_does_not_stop_the_writing(tmp_path):
    write_failure(tmp_path / "failure", TrainingFailed("x", "file \udcff.png", "advice"))

    assert json.loads((tmp_path / "failure").read_text(encoding="utf-8"))["message"]


LAUNCHER = "subprocess.CalledProcessError: Command '[...]' returned non-zero exit status 1."


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to",
            "out_of_memory",
        ),
        (
            "RuntimeError: DefaultCPUAllocator: can't allocate memory",
            "out_of_memory",
        ),
        ("RuntimeError: NaN detected in latents: /opt/ml/x.png", "nan_loss"),
        ("OSError: [Errno 28] No space left on device", "disk_full"),
        ("OSError: image file is truncated", "unreadable_image"),
        ("PIL.UnidentifiedImageError: cannot identify image file 'x.png'", "unreadable_image"),
        ("illegal char in file (not UTF-8) / 文字: x.txt", "unreadable_caption"),
        (
            "RuntimeError: Error(s) in loading state_dict for UNet:",
            "wrong_model_family",
        ),
        ("No data found. Please verify arguments", "empty_dataset"),
        ("train_network.py: error: unrecognized arguments: --x", "bad_option"),
        ("voluptuous.error.MultipleInvalid: extra keys not allowed", "bad_option"),
        ("AssertionError: network for Text Encoder cannot be trained / 学習", "bad_option"),
        ("ValueError: x is not a valid SchedulerType, please select one of", "bad_option"),
        ("KeyError: 'something else'", "training_failed"),
    ],
)
def test_the_last_lines_tell_the_cause(line, code):
    found = explain(1, ["Traceback (most recent call last):", "  File x", line, LAUNCHER])

    assert found.code == code
    assert line.split(" / ")[0] in found.message
    assert "学" not in found.message


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (
            {"train_batch_size": 8, "resolution": "1024,1024", "network_dim": 64},
            ["train_batch_size (it is 8)", "gradient_checkpointing", "cache_latents"],
        ),
        (
            {"train_batch_size": 1, "gradient_checkpointing": True, "cache_latents": True,
             "mixed_precision": "bf16", "resolution": "1024,1024", "network_dim": 64},
            ["resolution (it is 1024,1024)", "network_dim (it is 64)"],
        ),
        (
            {"gradient_checkpointing": True, "cache_latents_to_disk": True, "network_dim": 1,
             "mixed_precision": "no"},
            ["mixed_precision", "resolution (it is 512,512)"],
        ),
    ],
)  # fmt: skip
def test_the_advice_against_too_little_memory_fits_the_options(options, named):
    found = explain(1, ["torch.OutOfMemoryError: CUDA out of memory."], options)

    changes = found.advice.removeprefix("In this order: ").partition(". Or")[0].split("; ")
    assert len(changes) == len(named)
    assert all(name in change for name, change in zip(named, changes, strict=True))
    assert "larger instance type" in found.advice


def test_a_signal_is_named_though_the_launcher_hides_it():
    died = "subprocess.CalledProcessError: Command '[...]' died with <Signals.SIGKILL: 9>."

    assert explain(1, ["steps", died]).code == "killed"
    assert "SIGKILL" in explain(1, [died]).message
    assert "SIGSEGV" in explain(-11, []).message


def test_without_any_words_the_status_is_told():
    assert explain(3, []).code == "training_failed"
    assert "status 3" in explain(3, []).message


def test_the_image_that_cannot_be_decoded_is_named():
    lines = ["Error loading file: /opt/ml/input/x/图 1.png", "OSError: image file is truncated"]

    assert "(图 1.png)" in explain(1, lines).message
