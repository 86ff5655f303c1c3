"""The candle contract and what follows from it.

- `validated` lets exactly the frames through that keep every rule, in one canonical form, and
  otherwise names the rule and the first offenders. It repairs nothing but order of columns, units
  and zone.
- `between` and `closed_by` cut half-open ranges.
- `merged` is a union of two readings in which the newer one counts.

Of the bad files found in the wild, those are offered that pandas reads into candle columns by
itself. The hours of ``CDD_BTCUSDT_1h_newest_first_banner.csv`` ("10-AM") need a parser for that
format, so its wrong order and invented rows are the business of whoever parses it; here it is
refused because its times are text.
"""

import io
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.frame import (
    COLUMNS,
    TIMESTAMP_DTYPE,
    VALUES,
    between,
    closed_by,
    empty_candles,
    merged,
    require_plausible_times,
    validated,
)
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets.errors import DataRefused, InvalidCandles
from coin_assets_tests.realdata import REAL_DATA, bad_file, real_candles, requires_real_data

LAW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HOUR = Timeframe.parse("1h")
START = datetime(2024, 2, 29, 20, tzinfo=UTC)  # so that five hours cross a day and a month

Row = tuple[float, float, float, float, float]  # open, high, low, close, volume
GOOD_ROW: Row = (10.0, 12.0, 9.0, 11.0, 5.0)


def candles_at(opens: list[datetime], rows: list[Row]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=VALUES, dtype="float64")
    frame.insert(0, "timestamp", pd.Series(opens, dtype=TIMESTAMP_DTYPE))
    return frame


def good_candles(timeframe: Timeframe = HOUR, count: int = 5) -> pd.DataFrame:
    opens = [timeframe.shift(START, number) for number in range(count)]
    return candles_at(
        opens, [(10.0 + n, 12.0 + n, 9.0 + n, 11.0 + n, float(n)) for n in range(count)]
    )


def as_rows(candles: pd.DataFrame) -> dict[datetime, Row]:
    return {row[0].to_pydatetime(): row[1:] for row in candles.itertuples(index=False, name=None)}


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True)


# ------------------------------------------------------------------------------- what is accepted


def with_timestamps(
    change: Callable[["pd.Series[pd.Timestamp]"], "pd.Series[Any]"],
) -> pd.DataFrame:
    frame = good_candles()
    return frame.assign(timestamp=change(frame["timestamp"]))


ACCEPTED = {
    "canonical": good_candles(),
    "nanoseconds": with_timestamps(lambda stamps: stamps.dt.as_unit("ns")),
    "milliseconds": with_timestamps(lambda stamps: stamps.dt.as_unit("ms")),
    "seconds": with_timestamps(lambda stamps: stamps.dt.as_unit("s")),
    "Seoul time": with_timestamps(lambda stamps: stamps.dt.tz_convert("Asia/Seoul")),
    "New York time": with_timestamps(lambda stamps: stamps.dt.tz_convert("America/New_York")),
    "fixed offset": with_timestamps(lambda stamps: stamps.dt.tz_convert("+03:00")),
    "arrow types": good_candles().convert_dtypes(dtype_backend="pyarrow"),
    "int columns": good_candles().astype(dict.fromkeys(VALUES, "int64")),
    "float32 columns": good_candles().astype(dict.fromkeys(VALUES, "float32")),
    "extra columns": good_candles().assign(symbol="BTCUSDT", trades=7),
    "reversed column order": good_candles()[COLUMNS[::-1]],
    "foreign index": good_candles().set_index(pd.Index(list("edcba"))),
    "filtered rows": good_candles(count=7).query("volume < 5"),
}


@pytest.mark.parametrize("offered", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_good_candles_pass_in_canonical_form_whatever_form_they_came_in(
    offered: pd.DataFrame,
) -> None:
    before = offered.copy(deep=True)
    passed = validated(offered, HOUR, "test")

    assert_same(passed, good_candles())
    assert list(passed.columns) == COLUMNS
    assert [str(dtype) for dtype in passed.dtypes] == [TIMESTAMP_DTYPE, *["float64"] * 5]
    assert_same(offered, before)


@pytest.mark.parametrize("name", NAMES)
def test_aligned_candles_of_every_timeframe_pass_unchanged(name: str) -> None:
    candles = good_candles(Timeframe.parse(name))

    assert_same(validated(candles, Timeframe.parse(name), "test"), candles)


def test_candles_without_rows_pass() -> None:
    assert_same(validated(empty_candles(), HOUR, "test"), empty_candles())
    assert list(empty_candles().columns) == COLUMNS
    assert empty_candles()["timestamp"].dtype == TIMESTAMP_DTYPE


def test_a_file_with_a_header_only_is_no_candles_whatever_types_were_guessed() -> None:
    header_only = pd.read_csv(io.StringIO("timestamp,open,high,low,close,volume\n"))

    assert_same(validated(header_only, HOUR, "test"), empty_candles())


def test_holes_flat_candles_and_zero_volume_are_no_offence() -> None:
    opens = [START, START + timedelta(hours=1), START + timedelta(hours=40)]
    candles = candles_at(opens, [GOOD_ROW, (10.0, 10.0, 10.0, 10.0, 0.0), GOOD_ROW])

    assert_same(validated(candles, HOUR, "test"), candles)


# -------------------------------------------------------------------------------- what is refused


def with_value(column: str, row: int, value: object) -> pd.DataFrame:
    frame = good_candles()
    values = frame[column].astype(object).tolist()
    values[row] = value
    dtype = TIMESTAMP_DTYPE if column == "timestamp" else None
    return frame.assign(**{column: pd.Series(values, dtype=dtype)})


def with_row(row: int, values: Row) -> pd.DataFrame:
    frame = good_candles()
    frame.loc[row, VALUES] = values
    return frame


# condition -> (frame, rule, what the message names)
REFUSED = {
    "a column is missing": (good_candles().drop(columns="volume"), "columns", "['volume']"),
    "the time is the index": (good_candles().set_index("timestamp"), "columns", "['timestamp']"),
    "times are text": (
        with_timestamps(lambda stamps: stamps.astype(str)),
        "timestamp_type",
        "2024-02-29 20:00:00",
    ),
    "times are numbers": (
        with_timestamps(lambda stamps: stamps.astype("int64")),
        "timestamp_type",
        "1709236800000000",
    ),
    "times are naive": (
        with_timestamps(lambda stamps: stamps.dt.tz_localize(None)),
        "naive_timestamps",
        "2024-02-29 20:00:00",
    ),
    "a price is text": (with_value("open", 2, "n/a"), "not_numeric", "n/a"),
    "a price is a number as text": (with_value("open", 2, "12.0"), "not_numeric", "open='12.0'"),
    "prices are text": (good_candles().astype({"low": str}), "not_numeric", "low='9.0'"),
    "a price is a truth value": (with_value("open", 2, True), "not_numeric", "open=True"),
    "volumes are truth values": (
        good_candles().astype({"volume": bool}),
        "not_numeric",
        "volume=False",
    ),
    "a price is complex": (good_candles().astype({"low": complex}), "not_numeric", "low=(9"),
    "a volume is a date": (
        good_candles().assign(volume=good_candles()["timestamp"]),
        "not_numeric",
        "volume=Timestamp",
    ),
    "newest first": (
        good_candles().iloc[::-1],
        "order",
        "2024-02-29T23:00:00Z open=13 high=15 low=12 close=14 volume=3",
    ),
    "one row is out of order": (
        good_candles().iloc[[0, 2, 1, 3, 4]],
        "order",
        "2024-02-29T21:00:00Z",
    ),
    "a time comes back later": (good_candles().iloc[[0, 1, 0]], "order", "2024-02-29T20:00:00Z"),
    "a row is there twice": (
        good_candles().iloc[[0, 1, 1, 2]],
        "duplicates",
        "2024-02-29T21:00:00Z",
    ),
    "a time is between boundaries": (
        with_value("timestamp", 1, START + timedelta(hours=1, minutes=5)),
        "unaligned",
        "2024-02-29T21:05:00Z",
    ),
    "a time is a microsecond off": (
        with_value("timestamp", 4, START + timedelta(hours=4, microseconds=1)),
        "unaligned",
        "2024-03-01T00:00:00.000001Z",
    ),
    "a time is a nanosecond off": (
        with_timestamps(lambda stamps: stamps.dt.as_unit("ns") + pd.Timedelta(1, unit="ns")),
        "unaligned",
        "2024-02-29T20:00:00.000000001Z",
    ),
    "a time is absent": (with_value("timestamp", 2, pd.NaT), "unaligned", "NaT open=12"),
    "the first time is absent": (with_value("timestamp", 0, pd.NaT), "unaligned", "NaT open=10"),
    "a price is not a number": (with_value("high", 3, math.nan), "not_finite", "high=nan"),
    "a price is absent": (with_value("open", 3, None), "not_finite", "open=nan"),
    "a volume is infinite": (with_value("volume", 0, math.inf), "not_finite", "volume=inf"),
    "a price is minus infinity": (with_value("low", 0, -math.inf), "not_finite", "low=-inf"),
    "a row is all zero": (
        with_row(1, (0.0, 0.0, 0.0, 0.0, 0.0)),
        "price_not_positive",
        "2024-02-29T21:00:00Z open=0 high=0 low=0 close=0 volume=0",
    ),
    "one price is zero": (with_value("low", 2, 0.0), "price_not_positive", "low=0"),
    "a price is negative": (with_value("close", 2, -0.5), "price_not_positive", "close=-0.5"),
    "low is above open": (with_row(1, (8.9, 12, 9, 11, 1)), "ohlc", "open=8.9"),
    "low is above close": (with_row(1, (11, 12, 9, 8.9, 1)), "ohlc", "close=8.9"),
    "high is below open": (with_row(1, (12.1, 12, 9, 11, 1)), "ohlc", "open=12.1"),
    "high is below close": (with_row(1, (11, 12, 9, 12.1, 1)), "ohlc", "close=12.1"),
    "high and low are swapped": (with_row(4, (10, 9, 12, 11, 1)), "ohlc", "2024-03-01T00:00:00Z"),
    "volume is negative": (with_value("volume", 4, -1e-9), "negative_volume", "volume=-1e-09"),
    "a price is absurdly high": (with_row(1, (10, 1e308, 9, 11, 1)), "out_of_range", "high=1e+308"),
    "a price is absurdly low": (with_value("low", 1, 1e-300), "out_of_range", "low=1e-300"),
    "volume is absurd": (with_value("volume", 1, 1e31), "out_of_range", "volume=1e+31"),
}


@pytest.mark.parametrize(("offered", "rule", "offender"), REFUSED.values(), ids=REFUSED.keys())
def test_broken_candles_are_refused_by_rule_with_source_and_offender(
    offered: pd.DataFrame, rule: str, offender: str
) -> None:
    with pytest.raises(InvalidCandles) as refusal:
        validated(offered, HOUR, "some/file.csv")

    assert refusal.value.rule == rule
    assert offender in str(refusal.value)
    assert "some/file.csv" in str(refusal.value)
    if rule != "columns":  # which is not about rows
        assert offender in refusal.value.offenders[0]


def test_every_rule_has_a_condition_that_breaks_it() -> None:
    assert {rule for _, rule, _ in REFUSED.values()} == {
        "columns",
        "timestamp_type",
        "naive_timestamps",
        "not_numeric",
        "order",
        "duplicates",
        "unaligned",
        "not_finite",
        "price_not_positive",
        "ohlc",
        "negative_volume",
        "out_of_range",
    }


# Tickers seen: SHIB/USDT 8e-6, PEPE/BTC 1e-10, LADYS/ETH 1e-12, BTC/IDR 1.6e9, BTC/IRR 1e11. A
# month of PEPE trades 1e16 coins, one of 1000SATS counted in SATS 1e18.
@pytest.mark.parametrize(("price", "volume"), [(1e-14, 1e20), (1e12, 1e-12), (8e-6, 1e18)])
def test_prices_of_the_cheapest_coins_and_the_weakest_currencies_pass(
    price: float, volume: float
) -> None:
    candles = candles_at([START], [(price, price * 2, price / 2, price, volume)])
    assert_same(validated(candles, HOUR, "test"), candles)


def test_refused_candles_are_refused_data() -> None:
    with pytest.raises(DataRefused, match=r"^\[order\]"):
        validated(good_candles().iloc[::-1], HOUR, "test")


def test_the_message_counts_all_offenders_and_shows_the_first_three() -> None:
    candles = good_candles(count=9)
    candles.loc[[2, 3, 5, 8], "volume"] = -1.0

    with pytest.raises(InvalidCandles, match="4 of 9 1h candles") as refusal:
        validated(candles, HOUR, "test")

    assert [text[:20] for text in refusal.value.offenders] == [
        "2024-02-29T22:00:00Z",
        "2024-02-29T23:00:00Z",
        "2024-03-01T01:00:00Z",
    ]


def test_further_broken_rules_are_named_beside_the_first() -> None:
    candles = good_candles()
    candles.loc[[1, 2], "high"] = 1.0
    candles.loc[3, "volume"] = -1.0

    with pytest.raises(InvalidCandles, match=r"Also broken: negative_volume \(1 rows\)") as refusal:
        validated(candles, HOUR, "test")

    assert refusal.value.rule == "ohlc"


def test_the_likely_cause_is_an_attribute_and_stands_in_the_message() -> None:
    with pytest.raises(InvalidCandles) as refusal:
        validated(good_candles().iloc[::-1], HOUR, "test")

    assert refusal.value.cause == "the rows stand newest first; sort them by open time"
    assert f"Likely cause: {refusal.value.cause}. Nothing was stored." in str(refusal.value)


@pytest.mark.parametrize(
    ("opened", "plausible"),
    [
        ("2009-01-01T00:00", True),
        ("2099-12-31T23:59", True),
        ("2008-12-31T23:59", False),
        ("1970-01-20T17:00", False),
        ("2100-01-01T00:00", False),
        ("9999-01-01T00:00", False),
    ],
)
def test_times_without_any_market_are_implausible(opened: str, plausible: bool) -> None:
    opens = [START, datetime.fromisoformat(opened).replace(tzinfo=UTC)]
    stamps = candles_at(opens, [GOOD_ROW] * 2)["timestamp"]
    if plausible:
        require_plausible_times(stamps, "test")
        return
    with pytest.raises(InvalidCandles, match="1 of 2 open times lie outside") as refusal:
        require_plausible_times(stamps, "test")
    assert refusal.value.rule == "implausible_times"
    assert refusal.value.offenders[0].startswith(opened[:10])


def test_a_year_of_minutes_is_validated_fast_enough_for_every_write() -> None:
    minutes = Timeframe("1m")
    opens = minutes.opens(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 12, 31, tzinfo=UTC))
    candles = pd.DataFrame(dict.fromkeys(VALUES, 1.0), index=range(len(opens)))
    candles.insert(0, "timestamp", opens)

    def seconds() -> float:
        begun = time.perf_counter()
        validated(candles, minutes, "test")
        return time.perf_counter() - begun

    assert min(seconds() for _ in range(5)) < 0.15


@pytest.mark.parametrize(
    ("name", "opened"),
    [
        ("5m", "2024-01-01T00:03"),
        ("4h", "2024-01-01T03:00"),
        ("1d", "2024-01-01T15:00"),  # a day of Korea
        ("3d", "2024-01-01T00:00"),
        ("1w", "2024-01-04T00:00"),  # a Thursday, as KuCoin and Flux have it
        ("1w", "2023-12-31T00:00"),  # a Sunday
        ("1M", "2024-01-02T00:00"),
        ("1M", "2024-01-01T01:00"),
    ],
)
def test_opens_off_the_boundaries_of_their_timeframe_are_refused(name: str, opened: str) -> None:
    candles = candles_at([datetime.fromisoformat(opened).replace(tzinfo=UTC)], [GOOD_ROW])

    with pytest.raises(InvalidCandles) as refusal:
        validated(candles, Timeframe.parse(name), "test")

    assert refusal.value.rule == "unaligned"
    assert refusal.value.offenders[0].startswith(opened)


def keeps_contract(opens: list[datetime], rows: list[Row]) -> bool:
    for position, (opened, values) in enumerate(zip(opens, rows, strict=True)):
        if position and opened <= opens[position - 1]:
            return False
        if opened.minute or not all(math.isfinite(value) for value in values):
            return False
        first, high, low, last, volume = values
        if min(values[:4]) <= 0 or low > min(first, last) or high < max(first, last) or volume < 0:
            return False
    return True


near_prices = st.sampled_from([9.0, 10.0, 11.0])
odd_numbers = st.sampled_from([0.0, -1.0, math.nan, math.inf, -math.inf])
good_rows = st.tuples(near_prices, near_prices, near_prices, near_prices, st.just(1.0)).map(
    lambda row: (row[0], max(row[:4]), min(row[:4]), row[3], row[4])
)
any_number = st.one_of(near_prices, near_prices, near_prices, odd_numbers)
any_rows = st.tuples(any_number, any_number, any_number, any_number, any_number)


@settings(LAW, max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.just(60), st.just(60), st.sampled_from([0, -60, 30, 120])),
            st.one_of(good_rows, good_rows, good_rows, any_rows),
        ),
        max_size=4,
    )
)
def test_candles_pass_exactly_when_a_row_by_row_reading_of_the_contract_agrees(
    steps: list[tuple[int, Row]],
) -> None:
    opens, rows, opened = [], [], START
    for minutes, row in steps:
        opened += timedelta(minutes=minutes)
        opens.append(opened)
        rows.append(row)

    try:
        passed = as_rows(validated(candles_at(opens, rows), HOUR, "test"))
    except InvalidCandles:
        assert not keeps_contract(opens, rows)
    else:
        assert keeps_contract(opens, rows)
        assert passed == dict(zip(opens, rows, strict=True))


def spoiled(candles: pd.DataFrame, row: int, column: str, value: float) -> pd.DataFrame:
    candles = candles.copy()
    candles.loc[row, column] = value
    return candles


EARLIER = pd.Timestamp(START - timedelta(hours=1)).as_unit("us")

# rule -> what breaks it in one row, whatever the valid candle there
SPOILERS: dict[str, Callable[[pd.DataFrame, int], pd.DataFrame]] = {
    "unaligned": lambda frame, row: frame.assign(
        timestamp=frame["timestamp"].where(
            frame.index != row, frame["timestamp"] + timedelta(minutes=7)
        )
    ),
    "duplicates": lambda frame, row: frame.iloc[
        [*range(row + 1), row, *range(row + 1, len(frame))]
    ],
    "order": lambda frame, row: pd.concat([frame, frame.iloc[[row]].assign(timestamp=EARLIER)]),
    "not_finite": lambda frame, row: spoiled(frame, row, "close", math.nan),
    "price_not_positive": lambda frame, row: spoiled(frame, row, "low", 0.0),
    "ohlc": lambda frame, row: spoiled(frame, row, "high", 0.5),
    "negative_volume": lambda frame, row: spoiled(frame, row, "volume", -1.0),
    "out_of_range": lambda frame, row: spoiled(frame, row, "high", 1e308),
    "not_numeric": lambda frame, row: frame.assign(
        open=[str(value) if at == row else value for at, value in enumerate(frame["open"])]
    ),
}


@pytest.mark.parametrize("rule", SPOILERS)
@settings(LAW, max_examples=25)
@given(rows=st.lists(good_rows, min_size=1, max_size=8), data=st.data())
def test_a_valid_frame_stays_accepted_and_one_broken_value_is_refused_by_its_rule(
    rule: str, rows: list[Row], data: st.DataObject
) -> None:
    candles = candles_at([START + timedelta(hours=hour) for hour in range(len(rows))], rows)
    assert_same(validated(candles, HOUR, "test"), candles)

    broken = SPOILERS[rule](candles, data.draw(st.integers(0, len(rows) - 1)))
    with pytest.raises(InvalidCandles) as refusal:
        validated(broken, HOUR, "test")

    assert refusal.value.rule == rule
    assert len(refusal.value.offenders) == 1


# --------------------------------------------------------------------------- files from the wild

PUBLISHED = [
    *((symbol, name) for symbol in ("BTC/USDT", "ETH/USDT", "XRP/USDT") for name in ("1h", "1d")),
    *((symbol, name) for symbol in ("BTC/USDT", "ETH/USDT", "XRP/USDT") for name in ("1w", "1M")),
    ("BTC/USDT", "1m"),
]


@requires_real_data
@pytest.mark.parametrize(("symbol", "name"), PUBLISHED)
def test_what_the_exchange_published_passes(symbol: str, name: str) -> None:
    path = REAL_DATA / "candles" / f"{symbol.replace('/', '_')}_{name}.parquet"
    published = pd.read_parquet(path)

    assert len(published) > 7
    assert_same(real_candles(symbol, name), published.astype({"timestamp": TIMESTAMP_DTYPE}))


@requires_real_data
def test_korean_time_labelled_naive_is_refused() -> None:
    candles = pd.read_parquet(bad_file("BTC_1m_KST_labelled_naive.parquet"))

    with pytest.raises(InvalidCandles) as refusal:
        validated(candles, Timeframe.parse("1m"), "KST")

    assert refusal.value.rule == "naive_timestamps"
    assert refusal.value.offenders[0] == "2026-06-01 00:00:00"


@requires_real_data
def test_drifting_open_times_are_refused_and_the_first_is_named() -> None:
    candles = pd.read_csv(bad_file("BTC_1h_drifting_open_times.csv")).rename(columns=str.lower)
    candles["timestamp"] = pd.to_datetime(candles["open time"], unit="ms", utc=True)

    with pytest.raises(InvalidCandles, match="37294 of 37394 1h candles") as refusal:
        validated(candles, HOUR, "drift")

    first = next(text for text in candles["date"] if not text.endswith(":00:00"))
    assert refusal.value.rule == "unaligned"
    assert refusal.value.offenders[0].startswith(first.replace("_", "T") + "Z")


def zero_rows_file() -> pd.DataFrame:
    candles = pd.read_csv(bad_file("BTC_1h_zero_rows_close_first.csv"))
    return candles.assign(timestamp=pd.to_datetime(candles["datetime"], utc=True))


@requires_real_data
def test_zero_rows_before_listing_are_refused() -> None:
    with pytest.raises(InvalidCandles, match="3316 of 27956 1h candles") as refusal:
        validated(zero_rows_file(), HOUR, "zeros")

    assert refusal.value.rule == "price_not_positive"
    assert refusal.value.offenders[0].startswith("2017-04-01T00:00:00Z open=0")


@requires_real_data
def test_close_first_column_order_alone_is_no_reason_to_refuse() -> None:
    listed = zero_rows_file().query("close > 0")
    passed = validated(listed, HOUR, "after listing")

    assert list(passed.columns) == COLUMNS
    assert passed["close"].tolist() == listed["close"].tolist()
    assert passed["open"].tolist() == listed["open"].tolist()


@requires_real_data
def test_newest_first_file_with_hours_as_text_is_refused_before_anything_is_guessed() -> None:
    candles = pd.read_csv(bad_file("CDD_BTCUSDT_1h_newest_first_banner.csv"), header=1)
    candles = candles.rename(columns=str.lower)
    candles = candles.rename(columns={"date": "timestamp", "volume btc": "volume"})

    with pytest.raises(InvalidCandles) as refusal:
        validated(candles, HOUR, "CDD")

    assert refusal.value.rule == "timestamp_type"
    assert refusal.value.offenders[0] == "'2019-07-24 10-AM'"


@requires_real_data
def test_a_stale_partial_tail_keeps_the_contract_so_only_reconciling_can_find_it() -> None:
    candles = pd.read_csv(bad_file("BTC_1d_stale_partial_tail.csv"))
    candles["timestamp"] = pd.to_datetime(candles["open_time"])

    passed = validated(candles, Timeframe.parse("1d"), "stale tail")

    assert passed["close"].tolist() == candles["close"].tolist()


# ---------------------------------------------------------------------------------------- cutting


@pytest.mark.parametrize(
    ("start_minutes", "end_minutes", "hours"),
    [
        (0, 300, [20, 21, 22, 23, 0]),
        (0, 60, [20]),
        (60, 180, [21, 22]),
        (61, 180, [22]),
        (60, 181, [21, 22, 23]),
        (-600, 6000, [20, 21, 22, 23, 0]),
        (60, 60, []),
        (120, 60, []),
        (300, 400, []),
    ],
)
def test_between_includes_its_start_and_excludes_its_end(
    start_minutes: int, end_minutes: int, hours: list[int]
) -> None:
    start, end = (START + timedelta(minutes=minutes) for minutes in (start_minutes, end_minutes))
    inside = between(good_candles(), start, end)

    assert inside["timestamp"].dt.hour.tolist() == hours
    assert inside.index.tolist() == list(range(len(hours)))
    assert inside.dtypes.to_dict() == good_candles().dtypes.to_dict()


@pytest.mark.parametrize("name", NAMES)
@settings(LAW, max_examples=10)
@given(candle=st.integers(-1, 6), microseconds=st.integers(-1, 1), halves=st.integers(0, 1))
def test_closed_by_keeps_exactly_the_candles_that_are_closed(
    name: str, candle: int, microseconds: int, halves: int
) -> None:
    timeframe = Timeframe.parse(name)
    candles = good_candles(timeframe)
    time = timeframe.shift(START, candle) + timedelta(
        microseconds=microseconds, seconds=halves * timeframe.seconds // 2
    )
    opens = [opened.to_pydatetime() for opened in candles["timestamp"]]

    kept = [opened.to_pydatetime() for opened in closed_by(candles, timeframe, time)["timestamp"]]

    assert kept == [opened for opened in opens if timeframe.is_closed(opened, time)]


# ---------------------------------------------------------------------------------------- merging

readings = st.dictionaries(st.integers(0, 12), good_rows, max_size=10).map(
    lambda hours: candles_at(
        [START + timedelta(hours=hour) for hour in sorted(hours)],
        [hours[hour] for hour in sorted(hours)],
    )
)


@LAW
@given(readings, readings)
def test_merge_is_a_dictionary_update(stored: pd.DataFrame, fetched: pd.DataFrame) -> None:
    old, new = as_rows(stored), as_rows(fetched)

    union = merged(stored, fetched)

    assert as_rows(union) == {**old, **new}
    assert_same(validated(union, HOUR, "merged"), union)


@LAW
@given(readings, readings)
def test_merging_the_same_reading_again_changes_nothing(
    stored: pd.DataFrame, fetched: pd.DataFrame
) -> None:
    once = merged(stored, fetched)
    twice = merged(once, fetched)

    assert_same(twice, once)


@LAW
@given(readings)
def test_merging_with_nothing_keeps_what_there_is(candles: pd.DataFrame) -> None:
    onto_nothing, nothing_onto = merged(empty_candles(), candles), merged(candles, empty_candles())

    assert_same(onto_nothing, candles)
    assert_same(nothing_onto, candles)


@LAW
@given(readings, readings, readings)
def test_merging_page_by_page_equals_merging_all_at_once(
    stored: pd.DataFrame, first: pd.DataFrame, second: pd.DataFrame
) -> None:
    page_by_page = merged(merged(stored, first), second)

    assert_same(page_by_page, merged(stored, merged(first, second)))


@pytest.mark.parametrize("column", VALUES)
def test_a_difference_in_any_single_value_is_taken_over(column: str) -> None:
    stored, fetched = good_candles(), good_candles()
    fetched[column] += [0.0, 0.0, 1e-9, 0.0, 0.0]

    union = merged(stored, fetched)

    assert_same(union, fetched)
