"""The likely cause of refused candles is read from the candles, with a remedy.

Each mistake that people make with candles is made here to good ones; the cause must name it. Where
the candles show nothing there is no cause.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.candles.diagnosis import diagnose, diagnose_difference
from coin_assets.domain.candles.frame import PRICES, TIMESTAMP_DTYPE, VALUES, validated
from coin_assets.domain.candles.time_diagnosis import diagnose_implausible
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InvalidCandles
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.realdata import REAL_DATA, real_candles, requires_real_data

START = datetime(2024, 3, 4, tzinfo=UTC)  # a Monday
ROWS = 60
Change = Callable[[pd.DataFrame], pd.DataFrame]


def sandbox_candles(name: str = "1h", rows: int = ROWS) -> pd.DataFrame:
    return _sandbox_candles(name, rows).copy()


@cache
def _sandbox_candles(name: str, rows: int) -> pd.DataFrame:
    timeframe = Timeframe(name)
    start = timeframe.floor(START)
    end = timeframe.shift(start, rows)
    pages = SandboxMarket().pages(Series("BTC/USDT", timeframe), start, end, end)
    return pd.concat([page.candles for page in pages], ignore_index=True)


def late(**by: float) -> Change:
    return lambda frame: frame.assign(timestamp=frame["timestamp"] + timedelta(**by))


def late_from(row: int, **by: float) -> Change:
    """From a row on, open times lie so much later."""
    return lambda frame: frame.assign(
        timestamp=frame["timestamp"].where(frame.index < row, frame["timestamp"] + timedelta(**by))
    )


def rows(*parts: range) -> Change:
    return lambda frame: frame.iloc[[row for part in parts for row in part]]


def renamed(**names: str) -> Change:
    return lambda frame: frame.rename(columns=names)


def set_rows(first: int, last: int, **values: float) -> Change:
    """Values of the rows ``first`` to ``last``, both included."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        others = (frame.index < first) | (frame.index > last)
        return frame.assign(
            **{name: frame[name].where(others, value) for name, value in values.items()}
        )

    return change


def rerun(frame: pd.DataFrame) -> pd.DataFrame:
    """The last candle saved while running, then again when closed."""
    running = frame.tail(1).assign(volume=frame["volume"] / 2)
    return pd.concat([frame.iloc[:-1], running, frame.tail(1)])


ZERO = dict.fromkeys(VALUES, 0.0)
BLANK = dict.fromkeys(VALUES, float("nan"))
LAST = ROWS - 1

# mistake -> (timeframe, change, rule, words of the cause)
MISTAKES: dict[str, tuple[str, Change, str, str]] = {
    "newest first": ("1h", lambda frame: frame[::-1], "order", "newest first; sort"),
    "newest first, a block not": (
        "1h",
        rows(range(59, 30, -1), range(20, 31), range(19, -1, -1)),
        "order",
        "newest first, with 10 rows out of that order",
    ),
    "blocks out of order": (
        "1h",
        rows(range(20, 40), range(20), range(40, 60)),
        "order",
        "1 blocks are out of order, the first from 2024-03-04 00:00",
    ),
    "readings appended": (
        "1h",
        rows(range(40), range(30, 60)),
        "order",
        "from 2024-03-05 06:00 on 10 open times come again",
    ),
    "rows appended twice": (
        "1h",
        rows(range(10), range(9, 60)),
        "duplicates",
        "the same rows were appended twice, first at 2024-03-04 09:00",
    ),
    "running, then closed": (
        "1h",
        rerun,
        "duplicates",
        "saved while still running and again later, first at 2024-03-06 11:00",
    ),
    "days of Korea": (
        "1d",
        late(hours=15),
        "unaligned",
        "time-zone offset of 15 h: local times labelled as UTC, or 1d candles that begin at "
        "midnight 9 h ahead of UTC",
    ),
    "4h of Berlin": ("4h", late(hours=1), "unaligned", "time-zone offset of 1 h"),
    "hours of India": ("1h", late(minutes=30), "unaligned", "a fraction of 0.5 h"),
    "weeks from Thursday": ("1w", late(days=3), "unaligned", "begin 3 days late"),
    "close times": ("1h", late(milliseconds=-1), "unaligned", "these are close times"),
    "an odd offset": ("1h", late(minutes=5), "unaligned", "lies 0:05:00 late"),
    "drift": (
        "1h",
        late_from(20, hours=2, minutes=5),
        "unaligned",
        "drift: from 2024-03-04 22:05, after a break of 3:05:00, they lie 0:05:00 past",
    ),
    "one stray row": (
        "1h",
        lambda frame: late_from(59, minutes=3)(frame),
        "unaligned",
        "single rows come from another source",
    ),
    "other timeframe": (
        "1h",
        lambda _frame: sandbox_candles("5m"),
        "unaligned",
        "these are 5m candles, not 1h; offer them as 5m",
    ),
    "nanoseconds": (
        "1h",
        lambda frame: frame.assign(
            timestamp=frame["timestamp"].dt.as_unit("ns") + pd.Timedelta(1, unit="ns")
        ),
        "unaligned",
        "times carry nanoseconds",
    ),
    "a row without time": (
        "1h",
        lambda frame: frame.assign(timestamp=frame["timestamp"].where(frame.index != 3)),
        "unaligned",
        "1 rows have no open time",
    ),
    "zero before listing": (
        "1h",
        set_rows(0, 19, **ZERO),
        "price_not_positive",
        "20 zero rows from 2024-03-04 00:00 to 2024-03-04 19:00, before the listing",
    ),
    "zero in an outage": (
        "1h",
        set_rows(20, 29, **ZERO),
        "price_not_positive",
        "10 zero rows from 2024-03-04 20:00 to 2024-03-05 05:00, filled in",
    ),
    "blank rows": ("1h", set_rows(20, 29, **BLANK), "not_finite", "10 rows are blank"),
    "blank last row": ("1h", set_rows(LAST, LAST, close=np.nan), "not_finite", "still running"),
    "running last row": ("1h", set_rows(LAST, LAST, high=1.0), "ohlc", "still running"),
    "high and low swapped": (
        "1h",
        renamed(high="low", low="high"),
        "ohlc",
        "the highest price stands in low, the lowest in high",
    ),
    "close first": (
        "1h",
        renamed(open="close", close="low", low="open"),
        "ohlc",
        "the highest price stands in high, the lowest in open",
    ),
    "no zone": (
        "1h",
        lambda frame: frame.assign(timestamp=frame["timestamp"].dt.tz_localize(None)),
        "naive_timestamps",
        "tz_localize",
    ),
    "numbers for times": (
        "1h",
        lambda frame: frame.assign(timestamp=frame["timestamp"].astype("int64")),
        "timestamp_type",
        "numbers since 1970",
    ),
    "text for times": (
        "1h",
        lambda frame: frame.assign(timestamp=frame["timestamp"].astype(str)),
        "timestamp_type",
        "text in an unknown format",
    ),
    "JSON as it came": (
        "1h",
        lambda frame: frame.astype(dict.fromkeys(PRICES, str)),
        "not_numeric",
        "exchanges send numbers as text",
    ),
    "decimal commas": (
        "1h",
        lambda frame: frame.assign(low=frame["low"].map(lambda low: str(low).replace(".", ","))),
        "not_numeric",
        "commas",
    ),
    "words": ("1h", lambda frame: frame.assign(low="dear"), "not_numeric", "words stand"),
    "times in the index": (
        "1h",
        lambda frame: frame.set_index("timestamp"),
        "columns",
        "are the index",
    ),
    "other names": ("1h", renamed(volume="Volume BTC"), "columns", "'Volume BTC'"),
    "no header": (
        "1h",
        lambda frame: frame.set_axis([f"{number}.5" for number in range(6)], axis=1),
        "columns",
        "no header row",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_as_the_cause_of_the_refusal(mistake: str) -> None:
    name, change, rule, words = MISTAKES[mistake]
    candles = sandbox_candles(name)
    validated(candles, Timeframe(name), "before the mistake")

    with pytest.raises(InvalidCandles) as refusal:
        validated(change(candles), Timeframe(name), "test")

    assert refusal.value.rule == rule
    assert words in (refusal.value.cause or "")


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("price_not_positive", set_rows(7, 7, low=-1.0)),
        ("ohlc", set_rows(7, 7, high=1.0)),
        ("not_finite", set_rows(7, 7, volume=float("inf"))),
        ("negative_volume", set_rows(7, 7, volume=-1.0)),
        ("a rule of the future", lambda frame: frame),
    ],
)
def test_where_the_candles_show_nothing_there_is_no_cause(rule: str, change: Change) -> None:
    assert diagnose(rule, change(sandbox_candles()), Timeframe("1h")) is None


@pytest.mark.parametrize(
    ("unit", "read_as", "words"),
    [
        (1, 1000, "seconds were read as milliseconds"),
        (1000, 1_000_000, "seconds were read as milliseconds (or ms as us)"),
        (1_000_000, 1000, "milliseconds were read as seconds (or us as ms)"),
    ],
)
def test_the_year_shows_which_unit_was_taken_for_another(
    unit: int, read_as: int, words: str
) -> None:
    micros = sandbox_candles()["timestamp"].astype("int64") // 1_000_000 * unit
    stamps = (micros * (1_000_000 // read_as)).astype("datetime64[us]").dt.tz_localize("UTC")
    assert words in (diagnose_implausible(stamps) or "")


def test_other_implausible_times_have_no_cause() -> None:
    assert diagnose_implausible(late(days=-9000)(sandbox_candles())["timestamp"]) is None
    assert diagnose_implausible(pd.Series([pd.NaT], dtype=TIMESTAMP_DTYPE)) is None


# ------------------------------------------------------------------------------ two readings


def other_market(volume: float) -> Change:
    """Prices a little off, as another market has them, and so many times the volume."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        off = 1 + 0.0005 * np.sin(np.arange(len(frame)) + 1)
        return frame.assign(
            **{name: frame[name] * off for name in PRICES}, volume=frame["volume"] * volume
        )

    return change


def quoted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(volume=frame["volume"] * frame[["open", "close"]].mean(axis=1))


def shorter(frame: pd.DataFrame) -> pd.DataFrame:
    """The last candle as it was in the middle of its time."""
    last = frame.index == frame.index[-1]
    return frame.assign(
        volume=frame["volume"].where(~last, frame["volume"] / 2),
        high=frame["high"].where(~last, frame[["open", "close"]].max(axis=1)),
    )


READINGS: dict[str, tuple[Change, str | None]] = {
    "the same": (lambda frame: frame, None),
    "a part": (lambda frame: frame[10:40], None),
    "no overlap": (late(days=400), None),
    "one corrected value": (set_rows(7, 7, volume=1e9), None),
    "quote volume": (quoted, "the new candles hold quote volume"),
    "futures": (other_market(6.0), "futures in place of spot: nearly all prices differ"),
    "a smaller market": (other_market(0.2), "spot beside known futures"),
    "another exchange": (other_market(1.1), "another exchange"),
    "another symbol": (
        lambda frame: frame.assign(**{name: frame[name] * 1.5 for name in PRICES}),
        "another symbol",
    ),
    "unfinished": (shorter, "an unfinished candle was saved (2024-03-06 11:00)"),
    "Korean time": (late(hours=9), "9 candles too late, a time-zone offset of 9 h"),
    "New York time": (late(hours=-5), "5 candles too early, a time-zone offset of 5 h"),
}


@pytest.mark.parametrize("what", READINGS)
def test_a_second_reading_shows_what_is_wrong_with_the_first(what: str) -> None:
    change, words = READINGS[what]
    cause = diagnose_difference(change(sandbox_candles()), sandbox_candles())
    if words is None:
        assert cause is None
    else:
        assert words in (cause or "")


def test_quote_volume_is_seen_in_the_known_candles_as_well() -> None:
    cause = diagnose_difference(sandbox_candles(), quoted(sandbox_candles()))
    assert "the known candles hold quote volume" in (cause or "")


def test_a_shift_of_minutes_is_found_by_whole_hours() -> None:
    minutes = sandbox_candles("1m", 2000)
    cause = diagnose_difference(late(hours=9)(minutes), minutes)
    assert "540 candles too late, a time-zone offset of 9 h" in (cause or "")


def from_zip(name: str) -> pd.DataFrame:
    """A real Binance Vision archive; those of spot have no header row."""
    frame = pd.read_csv(REAL_DATA / "raw" / name, header=None, comment="o")
    frame = frame.iloc[:, :6].set_axis(["timestamp", *VALUES], axis=1)
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="ms", utc=True)
    return validated(frame, Timeframe("1h"), name)


@requires_real_data
def test_real_futures_are_separated_from_real_spot_which_agrees_with_what_is_known() -> None:
    futures, spot = (
        from_zip(f"{market}-klines-BTCUSDT-1h-2024-10-28.zip") for market in ("futures-um", "spot")
    )
    known = real_candles("BTC/USDT", "1h")

    assert "futures in place of spot" in (diagnose_difference(futures, known) or "")
    assert diagnose_difference(spot, known) is None


@requires_real_data
def test_a_real_day_that_was_saved_before_its_end_is_seen() -> None:
    hours = real_candles("BTC/USDT", "1h")
    days = real_candles("BTC/USDT", "1d")
    last = days["timestamp"].iloc[-1]
    part = hours[(hours["timestamp"] >= last) & (hours["timestamp"] < last + timedelta(hours=5))]
    stale = days.copy()
    stale.iloc[-1, 1:] = [
        part["open"].iloc[0],
        part["high"].max(),
        part["low"].min(),
        part["close"].iloc[-1],
        part["volume"].sum(),
    ]
    assert "an unfinished candle was saved (2025-06-30 00:00)" in (
        diagnose_difference(stale, days) or ""
    )


@requires_real_data
@pytest.mark.parametrize("hours", [-5, 1, 9])
def test_real_hours_of_another_zone_are_seen(hours: int) -> None:
    known = real_candles("BTC/USDT", "1h").tail(5000)
    cause = diagnose_difference(late(hours=hours)(known), known)
    assert f"a time-zone offset of {abs(hours)} h" in (cause or "")


@requires_real_data
def test_real_ether_is_not_taken_for_bitcoin() -> None:
    ether, bitcoin = (real_candles(f"{name}/USDT", "1d") for name in ("ETH", "BTC"))
    assert "another symbol" in (diagnose_difference(ether, bitcoin) or "")
