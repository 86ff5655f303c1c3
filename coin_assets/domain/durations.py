"""Format of durations in messages, log lines and check descriptions."""

from datetime import timedelta

_MINUTE, _HOUR = 60, 60


def duration_text(duration: timedelta) -> str:
    """Format a duration in at most two units: ``45 s``, ``65 min``, ``3 h 5 min``, ``2 d 4 h``.

    Seconds appear below one minute, hours from two hours on, days from two days on. Smaller units
    are cut off, not rounded.

    Args:
        duration: a negative one counts as zero.
    """
    seconds = max(0, int(duration.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} s"
    minutes = seconds // _MINUTE
    if minutes < 2 * _HOUR:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, _HOUR)
    if hours < 48:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    days, hours = divmod(hours, 24)
    return f"{days} d" + (f" {hours} h" if hours else "")
