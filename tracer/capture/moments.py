"""Wall-clock moments: nanoseconds since 1970 and ISO 8601."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(text: str) -> int | None:
    """Since 1970; None: no date that can be read."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        since = moment - _EPOCH
    except (ValueError, OverflowError):
        return None
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def iso(time_ns: int) -> str:
    """UTC to the millisecond; what no date can say is 1970."""
    try:
        moment = _EPOCH + timedelta(milliseconds=time_ns // 1_000_000)
    except OverflowError:
        moment = _EPOCH
    return moment.isoformat(timespec="milliseconds")
