"""Times as the API tells them: ISO 8601, UTC, to the millisecond."""

from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """Return the time in UTC, to the millisecond that we store."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def text(moment: datetime) -> str:
    """Return e.g. `2026-01-31T12:00:00.000Z`: as text, it sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def later(seconds: float) -> datetime:
    """Return the time so many seconds from now."""
    return now() + timedelta(seconds=seconds)


def epoch(moment: datetime) -> int:
    """Return whole seconds since 1970, as DynamoDB's TTL wants them."""
    return int(moment.timestamp())
