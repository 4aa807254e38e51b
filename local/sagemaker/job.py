"""A training job as the endpoint keeps it, and its statuses.

Source: SecondaryStatusTransition and DescribeTrainingJob in the SageMaker API reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

FINAL = ("Completed", "Failed", "Stopped")
PRIMARY = {
    "Stopping": "Stopping",
    "Completed": "Completed",
    "Failed": "Failed",
    "Stopped": "Stopped",
    "MaxRuntimeExceeded": "Stopped",
    "MaxWaitTimeExceeded": "Stopped",
}
LONGEST_REASON = 1024


@dataclass(frozen=True)
class Transition:
    """One secondary status; times in seconds since the epoch."""

    status: str
    start: float
    message: str
    end: float | None = None


@dataclass(frozen=True)
class Job:
    """A training job; every change makes a new one."""

    name: str
    arn: str
    request: Mapping[str, Any]
    created: float
    modified: float
    transitions: tuple[Transition, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    status: str = "InProgress"
    started: float | None = None
    ended: float | None = None
    run_seconds: float = 0.0
    failure: str | None = None
    restarts: int = 0
    announced: bool = False

    @property
    def secondary(self) -> str:
        """The secondary status."""
        return self.transitions[-1].status

    @property
    def final(self) -> bool:
        """Whether nothing changes any more."""
        return self.status in FINAL

    @property
    def programmed(self) -> bool:
        """Whether its program has been started on its present machine."""
        statuses = [one.status for one in self.transitions]
        last_start = len(statuses) - statuses[::-1].index("Starting")
        return "Training" in statuses[last_start:]

    @property
    def spot(self) -> bool:
        """Whether it may be interrupted."""
        return bool(self.request.get("EnableManagedSpotTraining"))

    @property
    def longest_run(self) -> float:
        """How many seconds it may run."""
        stopping = self.request.get("StoppingCondition", {})
        return float(stopping.get("MaxRuntimeInSeconds", 86_400))

    @property
    def longest_wait(self) -> float | None:
        """How many seconds may pass from its creation to its end; None without a limit."""
        found = self.request.get("StoppingCondition", {}).get("MaxWaitTimeInSeconds")
        return None if found is None else float(found)

    def at(self, status: str, message: str, now: float) -> "Job":
        """Return the job in another secondary status; its times always grow."""
        moment = max(round(now, 3), round(self.modified + 0.001, 3))
        primary = PRIMARY.get(status, "InProgress")
        ends = primary in FINAL
        return replace(
            self,
            status="Stopping" if self.status == "Stopping" and not ends else primary,
            modified=moment,
            transitions=self._followed_by(status, message, moment, ends=ends),
            ended=moment if ends else None,
            announced=False,
        )

    def _followed_by(
        self, status: str, message: str, moment: float, *, ends: bool
    ) -> tuple[Transition, ...]:
        *earlier, last = self.transitions
        if last.status == status:
            return (*earlier, replace(last, message=message))
        closed = replace(last, end=moment)
        new = Transition(status, moment, message, moment if ends else None)
        return (*earlier, closed, new)

    def failed(self, reason: str, now: float) -> "Job":
        """Return the job as failed."""
        return replace(
            self.at("Failed", "Training job failed", now), failure=reason[:LONGEST_REASON]
        )


def new_job(name: str, arn: str, request: Mapping[str, Any], now: float) -> Job:
    """Return a job that has just been created."""
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
    kept = {key: value for key, value in request.items() if key != "Tags"}
    moment = round(now, 3)
    first = Transition("Starting", moment, "Starting the training job")
    return Job(name, arn, kept, moment, moment, (first,), tags)
