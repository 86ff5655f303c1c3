"""Formatters of times, durations and lists of subjects in messages."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from coin_assets.domain.timeframes import NAMES
from coin_assets.foreign_text import visible

MOST_LISTED = 10
_MOST_TITLE = 240
_OTHERS = "others"


def time_words(time: datetime) -> str:
    """``2026-11-22 20:00``, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def shortened(text: str, most: int) -> str:
    """One line of at most ``most`` characters; what cannot be seen is escaped."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def subjects_words(subjects: Sequence[str]) -> str:
    """One subject as it is, or ``3 series (...)``, or ``50 series (1h: 25, 4h: 25)``.

    Args:
        subjects: at least one.
    """
    if len(subjects) == 1:
        return shortened(subjects[0], _MOST_TITLE)
    groups = by_timeframe(subjects)
    noun = "subjects" if _OTHERS in groups else "series"
    listed = ", ".join(subjects)
    if len(subjects) > MOST_LISTED or len(listed) > _MOST_TITLE:
        listed = ", ".join(f"{name}: {len(members)}" for name, members in groups.items())
    return f"{len(subjects)} {noun} ({listed})"


def by_timeframe(subjects: Sequence[str]) -> dict[str, list[str]]:
    """Symbols by timeframe name, shortest first; other subjects last, as ``others``."""
    found: dict[str, list[str]] = defaultdict(list)
    for subject in subjects:
        symbol, _, timeframe = subject.rpartition(" ")
        if timeframe in NAMES and symbol and " " not in symbol:
            found[timeframe].append(symbol)
        else:
            found[_OTHERS].append(subject)
    return {name: found[name] for name in (*NAMES, _OTHERS) if name in found}
