"""Rows of a fast training: at most ten a second after the first thousand, none of it lost."""

import math

import pytest

from kohya_trainer.metrics import Curve
from kohya_trainer.paths import Paths
from kohya_trainer.resume import take_up
from kohya_trainer.segments import TAIL, Segments, write_segment
from kohya_trainer.tfevents import Scalar
from kohya_trainer.thinning import EVERY_STEP_TO
from tests.container.support import metrics_rows


@pytest.fixture
def paths(tmp_path):
    paths = Paths(tmp_path)
    paths.make_folders()
    return paths


def scalars(first, last, seconds):
    """The scalars of a training that takes so many seconds for a step; the loss is the step."""
    for step in range(first, last + 1):
        yield Scalar("loss/current", step, float(step), step * seconds)
        yield Scalar("loss/average", step, 0.5, step * seconds)


def rows_of(last, seconds, pieces=1):
    curve = Curve()
    rows = []
    for piece in range(pieces):
        low, high = last * piece // pieces + 1, last * (piece + 1) // pieces
        curve.add(scalars(low, high, seconds))
        rows += curve.take_rows()
    return rows + curve.take_rows(through=last)


def test_a_training_at_its_usual_pace_has_a_row_for_each_step():
    rows = rows_of(1500, 0.2)

    assert [row.step for row in rows] == list(range(1, 1501))
    assert {row.steps for row in rows} == {1}


@pytest.mark.parametrize("pieces", [1, 7, 100])
def test_a_fast_training_has_at_most_ten_rows_a_second_and_its_first_and_last_step(pieces):
    last, seconds = 41_003, 0.001

    rows = rows_of(last, seconds, pieces)

    thinned = [row for row in rows if row.step > EVERY_STEP_TO]
    assert len(thinned) <= 10 * (last - EVERY_STEP_TO) * seconds + 1
    assert len(thinned) > 9 * (last - EVERY_STEP_TO) * seconds
    assert (rows[0].step, rows[-1].step) == (1, last)
    assert sum(row.steps for row in rows) == last, "every step is in one row"


def test_the_losses_of_skipped_steps_are_in_the_mean():
    for row in rows_of(3000, 0.01):
        assert row.loss == pytest.approx((row.first_step + row.step) / 2)
        assert row.seconds_per_step is None or row.seconds_per_step == pytest.approx(0.01)


def test_a_loss_that_is_no_number_stays_one_in_the_mean():
    curve = Curve()
    curve.add(scalars(1, 1005, 0.001))
    curve.add([Scalar("loss/current", 1006, math.nan, 1.006)])

    assert curve.nan_at == 1006
    assert math.isnan(curve.take_rows(through=1006)[-1].loss)


def test_the_step_of_a_state_has_a_row_so_that_the_curve_can_be_cut_there():
    curve = Curve()
    curve.add(scalars(1, 2000, 0.001))

    rows = curve.take_rows(complete=1999)

    assert rows[-1].step == 1999


def test_a_thinned_curve_is_cut_at_the_state_without_gap_or_double(paths, monkeypatch):
    curve, segments = Curve(), Segments(paths)
    for low, high in ((1, 900), (901, 2000), (2001, 3000)):
        curve.add(scalars(low, high, 0.01))
        segments.add(curve.take_rows(complete=high if high == 2000 else 0))
        segments.close() if high <= 2000 else segments.show()
    assert (paths.metrics / TAIL).exists()
    monkeypatch.setattr("kohya_trainer.states.StateShelf.newest_whole", lambda _: state_at(2000))

    take_up(paths, can_resume=True)

    rows = metrics_rows(paths.base)
    covered = [
        step for row in rows for step in range(row["step"] - row["steps"] + 1, row["step"] + 1)
    ]
    assert covered == list(range(1, 2001))
    assert all(row["loss"] is not None for row in rows)


def state_at(step):
    from kohya_trainer.states import State

    return State(None, step, 1, "x")


def test_the_tail_is_rewritten_while_rows_come_and_goes_with_the_segment(paths):
    curve, segments = Curve(), Segments(paths)
    curve.add(scalars(1, 5, 1.0))
    segments.add(curve.take_rows())
    segments.show()
    assert [row["step"] for row in metrics_rows(paths.base)] == [1, 2, 3, 4]

    segments.show()
    curve.add(scalars(6, 7, 1.0))
    segments.add(curve.take_rows())
    segments.show()
    assert [row["step"] for row in metrics_rows(paths.base)] == [1, 2, 3, 4, 5, 6]

    segments.close()
    assert [path.name for path in paths.metrics.iterdir()] == ["00000001-00000006.jsonl"]


def test_the_tail_of_an_earlier_attempt_becomes_a_segment_up_to_the_state(paths, monkeypatch):
    curve, segments = Curve(), Segments(paths)
    curve.add(scalars(1, 9, 1.0))
    write_segment(curve.take_rows(complete=4)[:4], paths)
    curve = Curve(after_step=4)
    curve.add(scalars(5, 9, 1.0))
    segments.add(curve.take_rows())
    segments.show()
    monkeypatch.setattr("kohya_trainer.states.StateShelf.newest_whole", lambda _: state_at(6))

    take_up(paths, can_resume=True)

    assert not (paths.metrics / TAIL).exists()
    assert [row["step"] for row in metrics_rows(paths.base)] == [1, 2, 3, 4, 5, 6]
