"""Keep the loss curve within bounds: a row for each step at first, later at most ten a second."""

from dataclasses import replace

from kohya_trainer.rows import Row

EVERY_STEP_TO = 1000
"""Up to this step each has a row: some minutes of training at the usual pace."""
LEAST_SECONDS = 0.1


class Thinner:
    """Passes rows on or holds them back; a row stands for those that were held back before it."""

    def __init__(self) -> None:
        self._held: list[Row] = []
        self._passed_on_at: float | None = None

    def take(self, row: Row, moment: float | None, *, must: bool) -> Row | None:
        """The row to keep, None to wait for more. moment is when it was logged (Unix seconds); a
        row that must be kept is."""
        self._held.append(row)
        if not must and row.step > EVERY_STEP_TO and self._is_early(moment):
            return None
        if moment is not None:
            self._passed_on_at = moment
        held, self._held = self._held, []
        return held[0] if len(held) == 1 else _merged(held)

    def _is_early(self, moment: float | None) -> bool:
        before = self._passed_on_at
        return moment is not None and before is not None and moment - before < LEAST_SECONDS


def _merged(rows: list[Row]) -> Row:
    losses = [row.loss for row in rows if row.loss is not None]
    paces = [row.seconds_per_step for row in rows if row.seconds_per_step is not None]
    return replace(
        rows[-1],
        steps=sum(row.steps for row in rows),
        loss=sum(losses) / len(losses) if losses else None,
        seconds_per_step=round(sum(paces) / len(paces), 4) if paces else None,
    )
