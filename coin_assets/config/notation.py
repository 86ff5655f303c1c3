"""Parsers of settings: text to typed values.

Every parser also accepts its own result, and a list where the notation is a comma list. All raise
`ConfigurationError` with one line for each problem, naming the value and the remedy; the caller
adds the variable. Messages contain no secrets.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from coin_assets.domain.limits import DiskLimits, FreshnessLimits
from coin_assets.domain.series import safe_name
from coin_assets.domain.symbols import symbol_problem
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import ConfigurationError

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

T = TypeVar("T")


def text(value: object) -> str:
    """Text without surrounding blanks; None is empty text."""
    if value is None or isinstance(value, str):
        return (value or "").strip()
    raise ConfigurationError(f"{value!r} is not text; write it in quotes.")


def secret_text(value: object) -> str:
    """`text` for secrets: messages do not contain the value."""
    if value is None or isinstance(value, str):
        return (value or "").strip()
    raise ConfigurationError("the value (hidden) is not text; write it in quotes.")


def symbols(value: object) -> tuple[str, ...]:
    """Unified symbols, at least one, whose safe names differ."""
    names = each(text, _items(value))
    if not names:
        raise ConfigurationError("'' names no symbol; write at least one, as in BTC/USDT.")
    problems = [problem for name in names if (problem := symbol_problem(name))]
    problems += _repeated(names)
    sharing: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        sharing.setdefault(safe_name(name), []).append(name)
    problems += [
        f"{' and '.join(map(repr, group))} would share the name {shared} in assets and files; "
        "keep one of them, and follow the other in a second installation with its own COIN_HOME."
        for shared, group in sharing.items()
        if len(group) > 1
    ]
    _refuse(problems)
    return tuple(names)


def one_of(*words: str, several: bool = False) -> Callable[[object], str]:
    """Parser that accepts only ``words``.

    Args:
        several: whether it parses an item of a list, for its error.
    """
    *others, last = words
    listed = f"{', '.join(others)} or {last}" + (", with commas between" if several else "")

    def parse(value: object) -> str:
        given = text(value)
        if given not in words:
            raise ConfigurationError(f"{given!r} is not known; write {listed}.")
        return given

    return parse


def market(value: object) -> str:
    """``sandbox``, ``ccxt:<exchange id>`` or ``archive:<folder>``."""
    given = text(value)
    kind, _, argument = given.partition(":")
    if given != "sandbox" and not (kind in ("ccxt", "archive") and argument):
        raise ConfigurationError(
            f"{given!r} is not a market; write sandbox, ccxt:<exchange id> or archive:<folder>."
        )
    return given


def timeframes(value: object) -> tuple[Timeframe, ...]:
    """Timeframes in the order given, each once."""
    found = each(_timeframe, _items(value))
    _refuse(_repeated(map(str, found)))
    return tuple(found)


def first_of_month(value: object) -> datetime:
    """Start of the month of a day ``YYYY-MM-01``, UTC."""
    day = value.date() if isinstance(value, datetime) else value
    if not isinstance(day, date):
        given = text(value)
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
            raise ConfigurationError(
                f"{given!r} is not a day YYYY-MM-DD; write it as in 2017-08-01."
            )
        try:
            day = date.fromisoformat(given)
        except ValueError as error:
            raise ConfigurationError(
                f"{given!r} is not in the calendar ({error}); write a day as in 2017-08-01."
            ) from error
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ConfigurationError(
            f"'{value}' needs the time zone UTC; or write a day, as in {day:%Y-%m}-01."
        )
    start = datetime(day.year, day.month, 1, tzinfo=UTC)
    if day.day != 1 or (isinstance(value, datetime) and value != start):
        raise ConfigurationError(
            f"'{value}' is not the start of a month, and partitions are whole months; "
            f"write {day:%Y-%m}-01."
        )
    return start


def durations(value: object) -> dict[Timeframe, timedelta]:
    """``1m:14d,1h:90d``: a span for each timeframe named."""
    return _by_timeframe(value, duration, "1m:14d")


def retention(value: object) -> dict[Timeframe, timedelta]:
    """`durations`, with minutes kept for 30 days at most."""
    spans = durations(value)
    minutes = spans.get(Timeframe("1m"), timedelta(0))
    if minutes > timedelta(days=30):
        raise ConfigurationError(
            f"'1m' for {minutes.total_seconds() / 86400:g} days is more than the stores are made "
            "for; write 1m:30d or less."
        )
    return spans


def records_retention(value: object) -> timedelta:
    """A `duration` of one day or more: sensors look back on the runs of the last hours."""
    span = duration(value.strip() if isinstance(value, str) else value)
    if span < timedelta(days=1):
        raise ConfigurationError(
            f"'{value}' is shorter than sensors look back on runs; write 1d or more."
        )
    return span


def freshness(value: object) -> dict[Timeframe, FreshnessLimits]:
    """``1h:65/130``: soft and hard limit, in minutes, for each timeframe named."""
    return _by_timeframe(value, _freshness_limits, "1h:65/130")


def disk_limits(value: object) -> DiskLimits:
    """``70/85/90``: warn, critical, block, in percent."""
    if isinstance(value, DiskLimits):
        return value
    return DiskLimits(*_numbers(value, "70/85/90"))


def not_derivable(derived: Iterable[Timeframe], sources: Collection[Timeframe]) -> Iterator[str]:
    """Problems of timeframes that cannot be derived from the sources."""
    for timeframe in derived:
        if timeframe in sources:
            yield f"'{timeframe}' is in COIN_SOURCE_TIMEFRAMES too; keep it in one of them."
        elif not any(source.divides(timeframe) for source in sources):
            yield (
                f"'{timeframe}' is not made of whole candles of a source timeframe "
                f"({' '.join(map(str, sources))}); remove it, or add one that divides it to "
                "COIN_SOURCE_TIMEFRAMES."
            )


def without_limits(
    timeframes: Iterable[Timeframe], limits: Mapping[Timeframe, FreshnessLimits]
) -> Iterator[str]:
    """Problems of timeframes whose data has no age limits."""
    for timeframe in timeframes:
        if timeframe not in limits:
            minutes = timeframe.seconds // 60
            example = f"{timeframe}:{minutes * 5 // 4}/{minutes * 5 // 2}"
            yield f"'{timeframe}' has no limits; add them, as in {example}."


def split(given: str) -> list[str]:
    """Parts of a comma list."""
    return [part.strip() for part in given.split(",") if part.strip()]


def _items(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else split(text(value))


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigurationError("\n".join(problems))


def each(parse: Callable[[object], T], values: Iterable[object]) -> list[T]:
    """Parse all values, collecting all problems.

    Raises:
        ConfigurationError: with the problems of all values.
    """
    parsed, problems = [], []
    for value in values:
        try:
            parsed.append(parse(value))
        except ConfigurationError as error:
            problems.append(str(error))
    _refuse(problems)
    return parsed


def _repeated(names: Iterable[str]) -> list[str]:
    return [
        f"{name!r} is given {count} times; write it once."
        for name, count in Counter(names).items()
        if count > 1
    ]


def _timeframe(value: object) -> Timeframe:
    return value if isinstance(value, Timeframe) else Timeframe.parse(text(value))


def _by_timeframe(value: object, parse: Callable[[object], T], example: str) -> dict[Timeframe, T]:
    """Entries ``TIMEFRAME:VALUE``, or a parsed mapping."""

    def entry(item: object) -> tuple[Timeframe, T]:
        if isinstance(item, tuple):
            return _timeframe(item[0]), parse(item[1])
        name, colon, rest = text(item).partition(":")
        if not colon:
            raise ConfigurationError(f"{item!r} is not TIMEFRAME:VALUE; write it as in {example}.")
        return _timeframe(name.strip()), parse(rest.strip())

    items: Iterable[object]
    if not isinstance(value, Mapping):
        items = _items(value)
    elif all(isinstance(series, Timeframe) for series in value):
        items = value.items()
    else:
        raise ConfigurationError(f"{value!r} is a table; write text, as in {example!r}.")
    entries = each(entry, items)
    _refuse(_repeated(str(timeframe) for timeframe, _ in entries))
    return dict(entries)


def duration(value: object) -> timedelta:
    """``14d``: a number and a unit of ``m h d w``."""
    if isinstance(value, timedelta) and value > timedelta(0):
        return value
    # Five digits of weeks are still within the calendar.
    if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,4}[mhdw]", value):
        return timedelta(**{_UNITS[value[-1]]: int(value[:-1])})
    raise ConfigurationError(
        f"{value!r} is not a duration; write 1 to 99999 and a unit (minutes m, hours h, days d, "
        "weeks w), as in 14d."
    )


def _freshness_limits(value: object) -> FreshnessLimits:
    if isinstance(value, FreshnessLimits):
        return value
    soft, hard = _numbers(value, "65/130")
    return FreshnessLimits(timedelta(minutes=soft), timedelta(minutes=hard))


def _numbers(value: object, example: str) -> list[int]:
    """As many whole numbers, separated by slashes, as the example has."""
    given = text(value)
    numbers = given.split("/")
    if len(numbers) != example.count("/") + 1 or not all(
        re.fullmatch(r"[0-9]{1,9}", number.strip()) for number in numbers
    ):
        raise ConfigurationError(
            f"{given!r} is not made of {example.count('/') + 1} whole numbers with slashes; "
            f"write it as in {example}."
        )
    return [int(number) for number in numbers]
