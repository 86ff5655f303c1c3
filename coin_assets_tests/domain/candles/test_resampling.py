"""Derived candles are what the exchange itself would publish, and exist only when they may.

- `resample` keeps every bucket that has a source candle and counts what each lacks. Cutting the
  source at a bucket boundary, or going through a timeframe in between, changes nothing.
- `derive` gives a bucket only inside the requested window and only when the source is covered
  through its close, so that nothing that comes later can change it.

Oracles: a loop over rows with calendar fields, and `pandas.DataFrame.resample`. Volumes of random
candles are eighths, so that their sums are exact in any order.
"""

import calendar
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.frame import PRICES, empty_candles, validated
from coin_assets.domain.candles.resampling import Resampled, derive, resample
from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.realdata import real_candles, requires_real_data

LAW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Row = tuple[datetime, float, float, float, float, float]

LENGTHS = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "8h": timedelta(hours=8),
    "1d": timedelta(days=1),
    "3d": timedelta(days=3),
    "1w": timedelta(days=7),
}
PAIRS = [
    ("1m", "5m"),
    ("5m", "15m"),
    ("15m", "1h"),
    ("1m", "1h"),
    ("1h", "4h"),
    ("4h", "1d"),
    ("1h", "1d"),
    ("1h", "3d"),
    ("1h", "1w"),
    ("1d", "1w"),
    ("8h", "1M"),
    ("1d", "1M"),
]
PANDAS_RULES = {  # without 3d, whose bins pandas counts from the first row
    "5m": "5min",
    "15m": "15min",
    "1h": "1h",
    "4h": "4h",
    "1d": "1D",
    "1w": "W-MON",
    "1M": "MS",
}

each_pair = pytest.mark.parametrize(("source", "target"), PAIRS)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ------------------------------------------------------------------------------------- oracles


def naive_bucket(name: str, time: datetime) -> datetime:
    """Open of the bucket that holds ``time``, from the fields of the calendar."""
    length, unit = int(name[:-1]), name[-1]
    midnight = time.replace(hour=0, minute=0)
    if unit == "m":
        return time.replace(minute=time.minute // length * length)
    if unit == "h":
        return time.replace(hour=time.hour // length * length, minute=0)
    if unit == "d":
        return midnight - timedelta(days=(time.date() - date(1970, 1, 1)).days % length)
    return midnight - timedelta(days=time.weekday()) if unit == "w" else midnight.replace(day=1)


def naive_close(name: str, opened: datetime) -> datetime:
    days = timedelta(days=calendar.monthrange(opened.year, opened.month)[1])
    return opened + LENGTHS.get(name, days)


def naive_resample(candles: pd.DataFrame, source: str, target: str) -> list[tuple[Row, int]]:
    """Rows of the derived candles, each with the number of source candles it lacks."""
    buckets: dict[datetime, list[Row]] = defaultdict(list)
    for opened, *values in candles.itertuples(index=False, name=None):
        time = opened.to_pydatetime()
        buckets[naive_bucket(target, time)].append((time, *values))
    derived = []
    for opened, rows in sorted(buckets.items()):
        _, opens, highs, lows, closes, volumes = zip(*rows, strict=True)
        expected = (naive_close(target, opened) - opened) // LENGTHS[source]
        row = (opened, opens[0], max(highs), min(lows), closes[-1], sum(volumes))
        derived.append((row, expected - len(rows)))
    return derived


def as_list(derived: Resampled) -> list[tuple[Row, int]]:
    rows = derived.candles.itertuples(index=False, name=None)
    return [
        ((row[0].to_pydatetime(), *row[1:]), missing)
        for row, missing in zip(rows, derived.missing, strict=True)
    ]


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True)


# ---------------------------------------------------------------------------------- random markets


@st.composite
def markets(draw: st.DrawFn, source: str) -> pd.DataFrame:
    """Valid candles with scattered holes and one outage, over a leap day and a new year."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    start = datetime(2023, 11, 20, tzinfo=UTC) + timedelta(hours=int(random.integers(3000)))
    slots = draw(st.sampled_from([250, 100, 10, 2, 1]))
    present = random.random(slots) < draw(st.sampled_from([0.8, 1.0, 0.05]))
    outage, length = draw(st.integers(0, slots - 1)), draw(st.sampled_from([0, 1, 60]))
    present[outage : outage + length] = False
    present[0] = True
    first = naive_bucket(source, start)
    return random_candles(random, [first + LENGTHS[source] * int(n) for n in present.nonzero()[0]])


def random_candles(random: np.random.Generator, opens: list[datetime]) -> pd.DataFrame:
    body = random.integers(800, 900, (len(opens), 2)) / 8
    wicks = random.integers(0, 80, (len(opens), 2)) / 8
    frame = pd.DataFrame(
        {
            "timestamp": pd.DatetimeIndex(opens, dtype="datetime64[us, UTC]"),
            "open": body[:, 0],
            "high": body.max(axis=1) + wicks[:, 0],
            "low": body.min(axis=1) - wicks[:, 1],
            "close": body[:, 1],
            "volume": random.integers(0, 1000, len(opens)) / 8,
        }
    )
    return validated(frame, Timeframe("1m"), "random market")


def hours_from(start: str, count: int, lacking: tuple[int, ...] = ()) -> pd.DataFrame:
    opens = [utc(start) + timedelta(hours=n) for n in range(count) if n not in lacking]
    return random_candles(np.random.default_rng(7), opens)


# ---------------------------------------------------------------------------------------- resample


@each_pair
@LAW
@given(data=st.data())
def test_resample_equals_a_loop_over_rows_including_what_buckets_lack(
    data: st.DataObject, source: str, target: str
) -> None:
    candles = data.draw(markets(source))

    derived = resample(candles, Timeframe(source), Timeframe(target))

    expected = naive_resample(candles, source, target)
    assert as_list(derived) == expected
    assert derived.partial == len([row for row, missing in expected if missing])
    assert_same(validated(derived.candles, Timeframe(target), "derived"), derived.candles)


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair[1] in PANDAS_RULES])
@LAW
@given(data=st.data())
def test_resample_equals_pandas_closed_and_labelled_left(
    data: st.DataObject, source: str, target: str
) -> None:
    candles = data.draw(markets(source))
    grouped = candles.set_index("timestamp").resample(
        PANDAS_RULES[target], closed="left", label="left"
    )
    expected = grouped.agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    )

    derived = resample(candles, Timeframe(source), Timeframe(target)).candles

    expected = expected[grouped.size() > 0].reset_index()
    pd.testing.assert_frame_equal(derived, expected, check_exact=True, check_freq=False)


@each_pair
@LAW
@given(data=st.data())
def test_resampling_parts_cut_at_a_bucket_boundary_equals_resampling_the_whole(
    data: st.DataObject, source: str, target: str
) -> None:
    finer, coarser = Timeframe(source), Timeframe(target)
    candles = data.draw(markets(source))
    row = data.draw(st.integers(0, len(candles) - 1))
    cut = naive_bucket(target, candles["timestamp"].iloc[row].to_pydatetime())
    before = candles[candles["timestamp"] < cut].reset_index(drop=True)
    after = candles[candles["timestamp"] >= cut].reset_index(drop=True)

    left, right = resample(before, finer, coarser), resample(after, finer, coarser)

    whole = resample(candles, finer, coarser)
    assert_same(pd.concat([left.candles, right.candles], ignore_index=True), whole.candles)
    assert [*left.missing, *right.missing] == whole.missing.tolist()
    assert left.partial + right.partial == whole.partial


@pytest.mark.parametrize(
    ("source", "between", "target"),
    [
        ("1m", "5m", "1h"),
        ("1m", "15m", "4h"),
        ("1h", "4h", "1d"),
        ("1h", "8h", "3d"),
        ("1h", "1d", "1w"),
        ("4h", "1d", "1M"),
    ],
)
@settings(LAW, max_examples=12)
@given(data=st.data())
def test_resampling_through_a_timeframe_in_between_changes_nothing(
    data: st.DataObject, source: str, between: str, target: str
) -> None:
    fine, middle, coarse = Timeframe(source), Timeframe(between), Timeframe(target)
    candles = data.draw(markets(source))

    stepwise = resample(resample(candles, fine, middle).candles, middle, coarse).candles

    assert_same(stepwise, resample(candles, fine, coarse).candles)


@pytest.mark.parametrize(
    ("candles", "target", "missing"),
    [
        (hours_from("2024-02-29", 24), "1d", [0]),
        (hours_from("2024-02-29T05:00", 24), "1d", [5, 19]),
        (hours_from("2024-02-29", 48, lacking=(3, 4, 30)), "1d", [2, 1]),
        (hours_from("2024-02-29", 72, lacking=tuple(range(24, 48))), "1d", [0, 0]),
        (hours_from("2024-02-28", 48), "1M", [(29 - 2) * 24]),
        (hours_from("2023-02-28", 48), "1M", [(28 - 1) * 24, (31 - 1) * 24]),
        (hours_from("2024-04-30T23:00", 2), "1M", [30 * 24 - 1, 31 * 24 - 1]),
        (hours_from("2023-12-31", 48), "1w", [6 * 24, 6 * 24]),
    ],
)
def test_each_bucket_counts_the_source_candles_it_lacks(
    candles: pd.DataFrame, target: str, missing: list[int]
) -> None:
    derived = resample(candles, Timeframe("1h"), Timeframe(target))

    assert derived.missing.tolist() == missing
    assert derived.missing.dtype == "int64"
    assert derived.partial == len([count for count in missing if count])


def test_resampling_leaves_its_input_alone() -> None:
    candles = hours_from("2024-02-29", 48)
    before = candles.copy(deep=True)

    resample(candles, Timeframe("1h"), Timeframe("1d"))

    assert_same(candles, before)


@each_pair
def test_no_candles_give_no_buckets(source: str, target: str) -> None:
    now = utc("2024-03-01")

    for derived in (
        resample(empty_candles(), Timeframe(source), Timeframe(target)),
        derive(empty_candles(), Timeframe(source), Timeframe(target), utc("2020-01-01"), now, now),
    ):
        assert_same(derived.candles, empty_candles())
        assert derived.missing.tolist() == []
        assert derived.missing.dtype == "int64"
        assert derived.partial == 0


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("1h", "1m"),
        ("1h", "1h"),
        ("1M", "1M"),
        ("1M", "1m"),
        ("10m", "15m"),
        ("3m", "5m"),
        ("4h", "6h"),
        ("3h", "4h"),
        ("3d", "1w"),
        ("3d", "1M"),
        ("1w", "1M"),
    ],
)
def test_timeframes_that_do_not_divide_are_refused_with_or_without_candles(
    source: str, target: str
) -> None:
    one_candle = hours_from("2024-01-01", 1)

    for candles in (one_candle, empty_candles()):
        with pytest.raises(ValueError, match=f"^{target} buckets .* {source} candles"):
            resample(candles, Timeframe(source), Timeframe(target))


# ------------------------------------------------------------------------------------------ derive


@each_pair
@LAW
@given(data=st.data())
def test_derive_gives_exactly_the_covered_buckets_of_the_window(
    data: st.DataObject, source: str, target: str
) -> None:
    candles = data.draw(markets(source))
    whole = naive_resample(candles, source, target)
    edges = [row[0] for row, _ in whole] + [naive_close(target, row[0]) for row, _ in whole]
    times = st.builds(
        lambda edge, ticks: edge + timedelta(microseconds=ticks),
        st.sampled_from(edges),
        st.sampled_from([0, 0, -1, 1, 10**9]),
    )
    start, end, covered_until = data.draw(times), data.draw(times), data.draw(times)

    derived = derive(candles, Timeframe(source), Timeframe(target), start, end, covered_until)

    assert as_list(derived) == [
        (row, missing)
        for row, missing in whole
        if start <= row[0] < end and naive_close(target, row[0]) <= covered_until
    ]
    assert derived.candles.index.tolist() == list(range(len(derived.candles)))
    assert derived.candles.dtypes.to_dict() == empty_candles().dtypes.to_dict()


@each_pair
@LAW
@given(data=st.data())
def test_candles_that_come_later_never_change_a_derived_candle(
    data: st.DataObject, source: str, target: str
) -> None:
    finer, coarser = Timeframe(source), Timeframe(target)
    candles = data.draw(markets(source))
    opens = candles["timestamp"]
    row = data.draw(st.integers(0, len(candles) - 1))
    known_until = opens.iloc[row].to_pydatetime() + LENGTHS[source]
    start, end = utc("2000-01-01"), utc("2100-01-01")

    then = derive(candles[opens < known_until], finer, coarser, start, end, known_until)
    later = derive(candles, finer, coarser, start, end, end)

    assert as_list(then) == as_list(later)[: len(then.candles)]
    closed = [row for row, _ in as_list(later) if naive_close(target, row[0]) <= known_until]
    assert len(then.candles) == len(closed)


@pytest.mark.parametrize(
    ("covered_until", "days"),
    [
        ("2024-02-28T23:59:59.999999", []),
        ("2024-02-29T00:00", [28]),
        ("2024-02-29T23:00", [28]),
        ("2024-03-01T00:00", [28, 29]),
        ("2024-03-09T00:00", [28, 29, 1]),
    ],
)
def test_a_day_appears_once_the_source_is_covered_through_its_close(
    covered_until: str, days: list[int]
) -> None:
    candles = hours_from("2024-02-28", 72)
    start, end = utc("2024-02-01"), utc("2024-04-01")

    derived = derive(
        candles, Timeframe("1h"), Timeframe("1d"), start, end, utc(covered_until)
    ).candles

    assert derived["timestamp"].dt.day.tolist() == days


def test_a_week_that_straddles_months_belongs_to_the_window_of_its_open() -> None:
    candles, far = hours_from("2024-01-22", 24 * 21), utc("2024-06-01")
    january, february, march = utc("2024-01-01"), utc("2024-02-01"), utc("2024-03-01")
    hour, week = Timeframe("1h"), Timeframe("1w")

    first = derive(candles, hour, week, january, february, far).candles["timestamp"]
    second = derive(candles, hour, week, february, march, far).candles["timestamp"]

    assert [f"{opened:%m-%d}" for opened in first] == ["01-22", "01-29"]
    assert [f"{opened:%m-%d}" for opened in second] == ["02-05"]


# --------------------------------------------------------------------------------- the real market


def assert_as_published(derived: pd.DataFrame, published: pd.DataFrame) -> None:
    assert derived["timestamp"].tolist() == published["timestamp"].tolist()
    assert_same(derived[PRICES], published[PRICES])
    np.testing.assert_allclose(derived["volume"], published["volume"], rtol=1e-9, atol=0)


@requires_real_data
@pytest.mark.parametrize("target", ["1d", "1w"])
@pytest.mark.parametrize("symbol", ["BTC/USDT", "ETH/USDT", "XRP/USDT"])
def test_days_and_weeks_derived_from_hours_are_all_that_the_exchange_published(
    symbol: str, target: str
) -> None:
    hours, published = real_candles(symbol, "1h"), real_candles(symbol, target)
    start, cut = utc("2017-08-01"), utc("2025-07-01")

    derived = derive(hours, Timeframe("1h"), Timeframe(target), start, cut, cut)

    assert len(published) > 370
    assert_as_published(derived.candles, published)


@requires_real_data
@pytest.mark.parametrize("symbol", ["BTC/USDT", "ETH/USDT", "XRP/USDT"])
def test_months_derived_from_hours_are_those_that_the_exchange_published(symbol: str) -> None:
    hours, published = real_candles(symbol, "1h"), real_candles(symbol, "1M")
    start, end, cut = utc("2024-01-01"), utc("2024-09-01"), utc("2025-07-01")

    derived = derive(hours, Timeframe("1h"), Timeframe("1M"), start, end, cut)

    assert len(published) == 8
    assert_as_published(derived.candles, published)
    assert derived.partial == 0


@requires_real_data
def test_hours_derived_from_minutes_are_those_that_the_exchange_published() -> None:
    minutes, hours = real_candles("BTC/USDT", "1m"), real_candles("BTC/USDT", "1h")
    start, end = utc("2025-06-01T18:00"), utc("2025-06-15")  # minutes begin at 17:20

    derived = derive(minutes, Timeframe("1m"), Timeframe("1h"), start, end, end)

    opens = hours["timestamp"]
    overlap = hours[(opens >= start) & (opens < end)].reset_index(drop=True)
    assert len(overlap) == 13 * 24 + 6
    assert_as_published(derived.candles, overlap)
    assert derived.partial == 0


@requires_real_data
def test_real_days_with_outages_are_kept_and_counted_as_partial() -> None:
    hours = real_candles("BTC/USDT", "1h")
    days = resample(hours, Timeframe("1h"), Timeframe("1d"))
    present = hours["timestamp"].dt.date.value_counts()

    lacking = {
        opened.date(): missing
        for opened, missing in zip(days.candles["timestamp"], days.missing, strict=True)
        if missing
    }

    assert lacking == {day: 24 - count for day, count in present.items() if count < 24}
    assert lacking[date(2018, 2, 8)] == 23
    assert days.partial == len(lacking)
