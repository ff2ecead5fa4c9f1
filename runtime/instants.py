"""Times from outside: whatever a producer wrote, a page or a command that shows it goes on."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(seconds: float) -> datetime | None:
    """Seconds since 1970 as an instant; None where the calendar does not reach, in any time zone."""
    try:
        found = _EPOCH + timedelta(seconds=seconds)
        _ = found - timedelta(days=1), found + timedelta(days=1)
    except (OverflowError, ValueError):
        return None
    return found
