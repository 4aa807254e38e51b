import pytest

from kohya_trainer.progress import OutputReader, Position, read_line

# As a real run of train_network.py printed it, both streams in one pipe.
REAL = (
    "running training / 学習開始\n"
    "  num epochs / epoch数: 2\n"
    "  total optimization steps / 学習ステップ数: 16\n"
    "\rsteps:   0%|          | 0/16 [00:00<?, ?it/s]\n"
    "epoch 1/2\n\n"
    "epoch is incremented. current_epoch: 0, epoch: 1\n"
    "\rsteps:   6%|▋         | 1/16 [00:01<00:24,  1.62s/it]"
    "\rsteps:   6%|▋         | 1/16 [00:01<00:24,  1.62s/it, avr_loss=1.18]"
    "\rsteps:  12%|█▎        | 2/16 [00:03<00:21,  1.56s/it, avr_loss=1.19]"
    "\nsaving checkpoint: /staging/x-000001.safetensors\n"
    "\nepoch 2/2\n"
    "\rsteps:  94%|█████████▍| 15/16 [01:07<00:04,  4.49s/it, Average key norm=0.1, avr_loss=1.03]"
    "model saved.\n"
    "\rsteps: 100%|██████████| 16/16 [01:13<00:00,  4.60s/it, avr_loss=1.04]"
)


def reader():
    lines, bars = [], []
    return OutputReader(lines.append, bars.append), lines, bars


def test_a_real_run_is_understood():
    output, lines, bars = reader()

    output.feed(REAL.encode(), final=True)

    assert output.position == Position(16, 16, 2, 2, 1.04, 4.6)
    assert "model saved." in lines, "what is printed behind a bar is a line of its own"
    assert not any("steps:" in line for line in lines)
    assert len(bars) == 6


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_reads_may_end_anywhere_even_inside_a_character(size):
    whole, whole_lines, whole_bars = reader()
    whole.feed(REAL.encode(), final=True)
    output, lines, bars = reader()
    data = REAL.encode()

    for start in range(0, len(data), size):
        output.feed(data[start : start + size])
    output.feed(b"", final=True)

    assert (output.position, lines, bars) == (whole.position, whole_lines, whole_bars)


def test_the_newest_bar_counts_before_anything_ends_it():
    output, _, bars = reader()

    output.feed("\rsteps:  25%|██▌       | 2/8 [00:04<00:14,  2.45s/it, avr_loss=1.07]".encode())

    assert output.position.step == 2
    assert bars == []


def test_half_a_bar_does_not_count():
    output, _, _ = reader()

    output.feed(b"\rsteps:  25%|##5       | 2/8 [00:04<00:1")

    assert output.position.step == 0


@pytest.mark.parametrize(
    ("rate", "seconds"), [("2.45s/it", 2.45), ("12.50it/s", 0.08), ("?it/s", None)]
)
def test_both_units_of_the_rate_are_read(rate, seconds):
    position = read_line(Position(), f"steps:  25%|##5       | 2/8 [00:04<00:14, {rate}]")

    assert position.seconds_per_step == seconds


def test_a_loss_that_is_no_number_is_told():
    position = read_line(
        Position(), "steps:  25%|##5  | 2/8 [00:04<00:14,  2.45s/it, avr_loss=nan]"
    )

    assert position.average_loss != position.average_loss


def test_the_bar_of_something_else_is_no_step():
    position = read_line(Position(), "read caption: 100%|####| 4/4 [00:00<00:00, 99.00it/s]")

    assert position == Position()


def test_bytes_that_are_no_utf8_do_not_stop_the_reading():
    output, lines, _ = reader()

    output.feed(b"\xff\xfe broken\nepoch 1/2\n", final=True)

    assert output.position.epoch == 1
    assert len(lines) == 2
