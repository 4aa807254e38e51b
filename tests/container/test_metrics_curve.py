import json
import math

from kohya_trainer.metrics import Curve
from kohya_trainer.paths import Paths
from kohya_trainer.segments import write_segment
from kohya_trainer.tfevents import Scalar


def step(number, loss=0.5, at=None):
    moment = float(number if at is None else at)
    return [
        Scalar("loss/current", number, loss, moment),
        Scalar("loss/average", number, loss, moment),
        Scalar("lr/unet", number, 9.999999747378752e-05, moment),
        Scalar("lr/group1", number, 9.999999747378752e-05, moment),
    ]


def curve_of(*scalars):
    curve = Curve()
    for group in scalars:
        curve.add(group)
    return curve


def test_a_step_is_a_row_when_the_next_one_has_begun():
    curve = curve_of(step(1), step(2))

    assert [row.step for row in curve.take_rows()] == [1]
    assert curve.take_rows() == []
    curve.add(step(3))
    assert [row.step for row in curve.take_rows()] == [2]
    assert [row.step for row in curve.take_rows(through=3)] == [3]


def test_an_epoch_ends_where_the_engine_logs_its_average():
    curve = curve_of(step(1), step(2), [Scalar("loss/epoch_average", 1, 0.5, 2.0)], step(3))

    assert [row.epoch for row in curve.take_rows(through=3)] == [1, 1, 2]


def test_accumulated_batches_make_one_row_with_their_mean():
    """sd-scripts logs each batch under the last finished step, the first ones under step 0."""
    curve = curve_of(step(0), step(1, 1.0), step(1, 2.0), step(2))

    first, second = curve.take_rows(through=2)

    assert first.loss == 1.5
    assert (first.step, second.step) == (1, 2)


def test_a_step_that_nobody_logged_is_a_row_of_unknowns():
    rows = curve_of(step(1), step(3)).take_rows(through=4)

    assert [row.step for row in rows] == [1, 2, 3, 4]
    assert rows[1].loss is None
    assert rows[1].epoch is None


def test_a_row_is_json_with_the_digits_that_the_file_holds():
    row = curve_of(step(1), step(2, at=3.5)).take_rows(through=2)[1]

    assert json.loads(row.as_json()) == {
        "step": 2,
        "steps": 1,
        "epoch": 1,
        "loss": 0.5,
        "average_loss": 0.5,
        "learning_rates": {"unet": 1e-4},
        "seconds_per_step": 2.5,
        "gpus": None,
    }


def test_a_loss_that_is_no_number_is_noticed_once_and_written_as_null():
    curve = curve_of(step(1), step(2, math.nan), step(3, math.inf))

    assert curve.nan_at == 2
    assert json.loads(curve.take_rows(through=3)[1].as_json())["loss"] is None


def test_a_segment_is_named_after_its_first_and_last_step(tmp_path):
    paths = Paths(tmp_path)
    paths.make_folders()

    write_segment(curve_of(step(1), step(2)).take_rows(through=2), paths)
    write_segment([], paths)

    (segment,) = paths.metrics.iterdir()
    assert segment.name == "00000001-00000002.jsonl"
    assert len(segment.read_text().splitlines()) == 2
