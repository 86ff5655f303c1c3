"""The store contract: what every backend of `Store` must do, whatever it stores into.

- What is read is what was written, to the bit; ranges are half-open.
- A window write is exact, a merge removes nothing, both change nothing when repeated, and both
  remember their months as fetched even without a candle.
- What breaks the candle or forecast contract is refused whole.
- Keys never mix, not even those that differ in case only or hold characters no path may have.
- A forecast that is stored is never overwritten by adding one, only by revising it.
- A ledger is changed by one at a time, and comes back as it was. Revisions are kept by candle and
  time seen.

- Writers in many threads wait for each other where they must.

A backend runs these tests by subclassing `StoreContract` with a ``store`` fixture. Tests that need
many stores use a fresh symbol instead, so that one store serves them all.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.absences import FAILED
from coin_assets.domain.candles.frame import (
    HIGHEST_PRICE,
    HIGHEST_VOLUME,
    LOWEST_PRICE,
    VALUES,
    empty_candles,
)
from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.candles.gaps import Gap
from coin_assets.domain.candles.revisions import (
    REVISION_COLUMNS,
    empty_revisions,
    revisions_between,
)
from coin_assets.domain.forecasting.frame import (
    FORECAST_SCHEMA,
    LIVE,
    PRICE_COLUMNS,
    STEPS,
    forecast_frame,
)
from coin_assets.domain.methods import CHAMPION, ROLES
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import DataRefused, InvalidCandles
from coin_assets.store.base import CandleRange, Extent, Store, Written

Row = tuple[float, ...]

SLOW_LAW = settings(
    max_examples=8,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,  # every example has its own symbol
        HealthCheck.differing_executors,  # every backend is one
        HealthCheck.too_slow,
    ],
)
FOREVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
WRITES = ("write_candles", "merge_candles")


def utc(text: str) -> datetime:
    """``2026-11-01`` or ``2026-11-01T12:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def series_of(timeframe: str, symbol: str = "BTC/USDT") -> Series:
    return Series(symbol, Timeframe.parse(timeframe))


HOURLY = series_of("1h")
OCT, NOV, DEC, JAN = (utc(f"{month}-01") for month in ("2026-10", "2026-11", "2026-12", "2027-01"))
HOUR = timedelta(hours=1)

_symbols = itertools.count()


def fresh_series(timeframe: str) -> Series:
    """A key that no test has used before."""
    return series_of(timeframe, f"N{next(_symbols)}/USDT")


def candles_at(opens: list[datetime], price: float = 10.0) -> pd.DataFrame:
    """Valid candles with these opens, all at ``price`` and different in every column."""
    rows = [(price, price * 1.5, price * 0.5, price * 1.25, price * 7) for _ in opens]
    frame = pd.DataFrame(rows, columns=VALUES, dtype="float64")
    frame.insert(0, "timestamp", pd.Series(opens, dtype="datetime64[us, UTC]"))
    return frame


def hours(start: datetime, count: int, price: float = 10.0) -> pd.DataFrame:
    """``count`` hourly candles from ``start`` on."""
    return candles_at([start + HOUR * number for number in range(count)], price)


def everything(store: Store, series: Series) -> pd.DataFrame:
    return store.read_candles(series, *FOREVER)


def as_rows(candles: pd.DataFrame) -> dict[datetime, Row]:
    return {row[0].to_pydatetime(): row[1:] for row in candles.itertuples(index=False, name=None)}


def opens_of(candles: pd.DataFrame) -> list[datetime]:
    return list(as_rows(candles))


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Equal in columns, types, order and every bit."""
    pd.testing.assert_frame_equal(left, right, check_exact=True)
    floats = [name for name in left.columns if left[name].dtype == "float64"]
    assert left[floats].to_numpy().tobytes() == right[floats].to_numpy().tobytes()


def candle_state(store: Store, series: Series) -> tuple[dict[datetime, Row], list[datetime]]:
    return as_rows(everything(store, series)), store.fetched_months(series)


def forecasts_at(
    origins: list[datetime], price: float = 100.0, role: str = CHAMPION, version: str = "1"
) -> pd.DataFrame:
    """Valid forecasts whose quantiles are spread around ``price``, wider at every step."""
    width = np.linspace(-0.3, 0.3, 7)[None, None, :] * np.linspace(0.1, 1, STEPS)[None, :, None]
    quantiles = price * np.exp(np.repeat(width, len(origins), axis=0))
    index = pd.DatetimeIndex(pd.Series(origins, dtype="datetime64[us, UTC]"))
    frame = forecast_frame(index, quantiles, version, [LIVE] * len(origins))
    return frame.assign(role=pd.Series([role] * len(frame), dtype="str"))


def all_forecasts(store: Store, series: Series) -> pd.DataFrame:
    return store.read_forecasts(series, *FOREVER)


def revisions_at(opens: list[datetime], seen_at: datetime, price: float = 20.0) -> pd.DataFrame:
    """Candles at ``opens`` that cost 10 before, and ``price`` as of ``seen_at``."""
    return revisions_between(candles_at(opens), candles_at(opens, price), seen_at)


def all_revisions(store: Store, series: Series) -> pd.DataFrame:
    return store.read_revisions(series, *FOREVER)


def versions_by_origin(forecasts: pd.DataFrame) -> dict[tuple[str, datetime], str]:
    """Model version of every role and origin, each of which must have its steps in order."""
    found: dict[tuple[str, datetime], str] = {}
    steps: dict[tuple[str, datetime], list[int]] = defaultdict(list)
    columns = forecasts[["role", "as_of", "step", "model_version"]]
    for role, origin, step, version in columns.itertuples(index=False, name=None):
        name = role, origin.to_pydatetime()
        steps[name].append(step)
        assert found.setdefault(name, version) == version
    assert all(numbers == list(range(1, STEPS + 1)) for numbers in steps.values())
    return found


# -------------------------------------------------------------------- tables of what is not allowed

Change = Callable[[pd.DataFrame], pd.DataFrame]


def with_value(column: str, value: float, row: int = 2) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(**{column: frame[column].where(frame.index != row, value)})

    return change


# broken rule -> how to break it
INVALID_CANDLES: dict[str, Change] = {
    "order": lambda frame: frame.iloc[::-1],
    "duplicates": lambda frame: frame.iloc[[0, 1, 1, 2]],
    "unaligned": lambda frame: frame.assign(timestamp=frame["timestamp"] + timedelta(minutes=1)),
    "naive_timestamps": lambda frame: frame.assign(
        timestamp=frame["timestamp"].dt.tz_localize(None)
    ),
    "not_finite": with_value("close", float("nan")),
    "price_not_positive": with_value("low", 0.0),
    "ohlc": with_value("high", 9.0),
    "negative_volume": with_value("volume", -1.0),
    "not_numeric": lambda frame: frame.assign(open="ten"),
    "columns": lambda frame: frame.drop(columns="volume"),
    # Numbers that a backend might take for nanoseconds or rows: they would lie in 1970.
    "timestamp_type": lambda frame: frame.assign(timestamp=range(len(frame))),
}

# words of the message -> how to break the rule
INVALID_FORECASTS: dict[str, Change] = {
    "do not cross": with_value("q25", 90.0),
    "above zero": with_value("q05", -1.0),
    "finite": with_value("q95", float("inf")),
    "price is the median": with_value("price", 101.0),
    "steps 1..24 once: 23 rows": lambda frame: frame.iloc[:-1],
    "steps 1..24 once: 25 rows": lambda frame: pd.concat([frame, frame.iloc[[3]]]),
    "steps 1..24 once: 1 rows": lambda frame: frame.assign(step=frame["step"] - 1),
    "role is one of": lambda frame: frame.assign(role="pretender"),
    "kind is one of": lambda frame: frame.assign(kind="guess"),
    "1h boundaries": lambda frame: frame.assign(as_of=frame["as_of"] + timedelta(minutes=1)),
    "model version": lambda frame: frame.assign(model_version=None),
    "['q50', 'kind'] are missing": lambda frame: frame.drop(columns=["q50", "kind"]),
    "wrong types": lambda frame: frame.assign(as_of=frame["as_of"].dt.tz_localize(None)),
}


# --------------------------------------------------------------------------- random changes, oracle

GRID_TIMEFRAME = "8h"
GRID = [utc("2024-01-30") + timedelta(hours=8) * number for number in range(190)]  # to 2 April


@dataclass(frozen=True)
class CandleChange:
    """One change of the window of ``length`` grid opens from ``first`` on."""

    kind: str
    first: int
    length: int
    offered: frozenset[int]
    price: int

    @property
    def window(self) -> tuple[datetime, datetime]:
        return GRID[self.first], GRID[min(self.first + self.length, len(GRID) - 1)]

    @property
    def inside(self) -> list[datetime]:
        start, end = self.window
        return [time for time in GRID if start <= time < end]

    @property
    def candles(self) -> pd.DataFrame:
        """Offered candles; their prices repeat often enough that some changes change nothing."""
        opens = [time for number, time in enumerate(self.inside) if number in self.offered]
        return candles_at(opens, float(self.price))


class CandleModel:
    """The naive store: a dictionary and a set."""

    def __init__(self) -> None:
        self.rows: dict[datetime, Row] = {}
        self.fetched: set[datetime] = set()

    def apply(self, change: CandleChange) -> Written | int:
        months = {time.replace(day=1, hour=0) for time in change.inside}
        if change.kind == "delete_candles":
            gone = [time for time in change.inside if self.rows.pop(time, None) is not None]
            self.fetched -= {month for month in months if not self._rows_in({month})}
            return len(gone)
        wanted = as_rows(change.candles)
        if change.kind == "merge_candles":
            wanted = {t: self.rows[t] for t in change.inside if t in self.rows} | wanted
        changed = 0
        for time in change.inside:
            changed += self.rows.get(time) != wanted.get(time)
            self.rows.pop(time, None)
            if time in wanted:
                self.rows[time] = wanted[time]
        self.fetched |= months
        return Written(self._rows_in(months), changed)

    def _rows_in(self, months: set[datetime]) -> int:
        return sum(time.replace(day=1, hour=0) in months for time in self.rows)


CANDLE_CHANGES = st.lists(
    st.builds(
        CandleChange,
        kind=st.sampled_from((*WRITES, "delete_candles")),
        first=st.integers(0, len(GRID) - 2),
        length=st.integers(0, 120),
        offered=st.frozensets(st.integers(0, 119), max_size=20),
        price=st.integers(1, 2),
    ),
    min_size=1,
    max_size=8,
)


@st.composite
def price_rows(draw: st.DrawFn) -> list[Row]:
    """Rows of any values that the contract allows, from the smallest to the largest."""
    prices = st.floats(min_value=LOWEST_PRICE, max_value=HIGHEST_PRICE)
    volumes = st.floats(min_value=0.0, max_value=HIGHEST_VOLUME)
    rows: list[Row] = []
    for _ in range(draw(st.integers(1, 6))):
        low, *inner, high = sorted(draw(st.tuples(prices, prices, prices, prices)))
        opened, close = draw(st.permutations(inner))
        rows.append((opened, high, low, close, draw(volumes)))
    return rows


# ----------------------------------------------------------------------------------------- contract


class StoreContract:
    """Subclass it as ``Test<Backend>`` and override the ``store`` fixture."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """An empty store, closed after the test."""
        raise NotImplementedError

    # -- reading what was written

    def test_empty_store_answers_with_nothing_of_the_right_type(self, store: Store) -> None:
        assert_same(everything(store, HOURLY), empty_candles())
        assert store.fetched_months(HOURLY) == []
        assert store.newest_candles([HOURLY]) == {}
        assert store.extent(HOURLY) is None
        assert store.count_candles(HOURLY, *FOREVER) == 0
        assert store.delete_candles(HOURLY, OCT, JAN) == 0
        assert store.newest_forecasts([HOURLY]) == {}
        assert store.delete_forecasts(HOURLY, OCT, JAN) == 0
        assert store.read_ledger(HOURLY) == Ledger()
        assert_same(all_revisions(store, HOURLY), empty_revisions())
        assert store.delete_revisions(HOURLY, OCT, JAN) == 0
        empty = all_forecasts(store, HOURLY)
        store.add_forecasts(HOURLY, forecasts_at([NOV]))
        assert empty.empty
        assert empty.dtypes.equals(all_forecasts(store, HOURLY).dtypes)

    @SLOW_LAW
    @given(rows=price_rows())
    def test_candles_come_back_to_the_bit(self, store: Store, rows: list[Row]) -> None:
        series = fresh_series("1h")
        frame = hours(NOV, len(rows))
        frame[VALUES] = np.array(rows, dtype="float64")
        store.write_candles(series, frame, NOV, DEC)
        assert_same(everything(store, series), frame)

    @pytest.mark.parametrize(
        "price", [0.1 + 0.2, 1 / 3, LOWEST_PRICE, 2.2250738585072014e-19, 123456.78901234567]
    )
    def test_awkward_prices_come_back_to_the_bit(self, store: Store, price: float) -> None:
        frame = hours(NOV, 3).assign(open=price, high=price, low=price, close=price, volume=-0.0)
        store.write_candles(HOURLY, frame, NOV, DEC)
        assert_same(everything(store, HOURLY), frame)

    def test_columns_order_and_extra_columns_do_not_matter(self, store: Store) -> None:
        frame = hours(NOV, 3)
        shuffled = frame[frame.columns[::-1]].assign(trades=7)
        shuffled.index = pd.Index([5, 5, 1])
        store.write_candles(HOURLY, shuffled, NOV, DEC)
        assert_same(everything(store, HOURLY), frame)

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            (NOV, NOV + 3 * HOUR, [0, 1, 2]),
            (NOV + HOUR, NOV + 2 * HOUR, [1]),
            (NOV + HOUR, NOV + HOUR, []),
            (NOV + 2 * HOUR, NOV, []),
            (NOV + HOUR + timedelta.resolution, NOV + 3 * HOUR, [2]),
            (NOV, NOV + HOUR + timedelta.resolution, [0, 1]),
            (OCT, NOV, []),
            (NOV + 4 * HOUR, DEC, []),
            (OCT, DEC, [0, 1, 2, 3]),
        ],
    )
    def test_ranges_are_half_open(
        self, store: Store, start: datetime, end: datetime, expected: list[int]
    ) -> None:
        store.write_candles(HOURLY, hours(NOV, 4), NOV, DEC)
        read = store.read_candles(HOURLY, start, end)
        assert opens_of(read) == [NOV + HOUR * number for number in expected]
        assert store.count_candles(HOURLY, start, end) == len(expected)
        assert read.index.tolist() == list(range(len(expected)))

    def test_the_state_of_candles_changes_when_one_is_stored_and_not_by_looking(
        self, store: Store
    ) -> None:
        store.write_candles(HOURLY, hours(NOV, 4), NOV, DEC)
        with patch("time.time_ns", lambda: 2**62):  # files changed long ago
            state = store.candles_state(HOURLY, NOV, DEC)
            store.read_candles(HOURLY, NOV, DEC)
            assert state is not None
            assert store.candles_state(HOURLY, NOV, DEC) == state
            store.merge_candles(HOURLY, hours(NOV + 4 * HOUR, 1), NOV, DEC)
            assert store.candles_state(HOURLY, NOV, DEC) != state

    def test_the_digest_of_a_month_changes_with_its_rows_and_with_nothing_else(
        self, store: Store
    ) -> None:
        found = [store.candles_digest(HOURLY, NOV)]
        for count in (3, 4, 4):
            store.write_candles(HOURLY, hours(NOV, count), NOV, DEC)
            store.write_candles(HOURLY, hours(OCT, count), OCT, NOV)
            found.append(store.candles_digest(HOURLY, NOV))
        store.delete_candles(HOURLY, NOV, DEC)
        found.append(store.candles_digest(HOURLY, NOV))
        nothing, three, four, again, emptied = found
        if three is not None:  # a server records none
            assert four == again
            assert emptied == nothing
            assert len({nothing, three, four}) == 3

    def test_a_range_over_months_is_in_order_whatever_month_was_written_first(
        self, store: Store
    ) -> None:
        for start in (DEC - 2 * HOUR, OCT - 2 * HOUR, NOV - 2 * HOUR):
            store.merge_candles(HOURLY, hours(start, 4), start, start + 4 * HOUR)
        expected = [start + HOUR * number for start in (OCT, NOV, DEC) for number in (-2, -1, 0, 1)]
        assert opens_of(everything(store, HOURLY)) == expected
        assert opens_of(store.read_candles(HOURLY, NOV - HOUR, NOV + HOUR)) == [NOV - HOUR, NOV]

    def test_what_a_reader_does_to_its_frame_stays_with_it(self, store: Store) -> None:
        store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC)
        read = everything(store, HOURLY)
        read["close"] = 0.0
        assert_same(everything(store, HOURLY), hours(NOV, 3))

    def test_a_store_that_works_is_told_to(self, store: Store) -> None:
        for _ in range(2):
            findings = store.examine(OCT, datetime.now(UTC))
            assert findings
            assert [finding for finding in findings if not finding.is_fine] == []
            store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC)
            store.add_forecasts(HOURLY, forecasts_at([NOV]))

    # -- writing windows

    def test_a_window_write_removes_what_it_does_not_offer_and_nothing_else(
        self, store: Store
    ) -> None:
        store.write_candles(HOURLY, hours(NOV - 2 * HOUR, 10), OCT, DEC)
        offered = candles_at([NOV, NOV + 3 * HOUR], price=20.0)
        written = store.write_candles(HOURLY, offered, NOV - HOUR, NOV + 5 * HOUR)
        assert {time: row[0] for time, row in as_rows(everything(store, HOURLY)).items()} == {
            NOV - 2 * HOUR: 10.0,
            NOV: 20.0,
            NOV + 3 * HOUR: 20.0,
            NOV + 5 * HOUR: 10.0,
            NOV + 6 * HOUR: 10.0,
            NOV + 7 * HOUR: 10.0,
        }
        assert written == Written(rows=6, rows_changed=6)  # 4 removed, 2 replaced

    def test_an_empty_window_write_empties_the_window(self, store: Store) -> None:
        store.write_candles(HOURLY, hours(NOV, 4), NOV, DEC)
        written = store.write_candles(HOURLY, empty_candles(), NOV + HOUR, NOV + 3 * HOUR)
        assert written == Written(rows=2, rows_changed=2)
        assert opens_of(everything(store, HOURLY)) == [NOV, NOV + 3 * HOUR]

    @pytest.mark.parametrize("method", WRITES)
    def test_writing_the_same_again_changes_nothing(self, store: Store, method: str) -> None:
        write = getattr(store, method)
        frame = hours(NOV - 3 * HOUR, 6)
        assert write(HOURLY, frame, OCT, DEC) == Written(rows=6, rows_changed=6)
        assert write(HOURLY, frame, OCT, DEC) == Written(rows=6, rows_changed=0)
        assert_same(everything(store, HOURLY), frame)

    @pytest.mark.parametrize(
        ("offered", "changed"),
        [
            (hours(NOV, 4), 0),
            (hours(NOV, 5), 1),
            (hours(NOV, 3), 1),
            (hours(NOV + HOUR, 4), 2),
            (hours(NOV, 4).assign(volume=[70.0, 70.0, 71.0, 70.0]), 1),
            (hours(NOV, 4, price=11.0), 4),
            (empty_candles(), 4),
        ],
        ids=["same", "added", "removed", "moved", "revised in one column", "revised", "emptied"],
    )
    def test_rows_changed_counts_rows_added_removed_and_revised(
        self, store: Store, offered: pd.DataFrame, changed: int
    ) -> None:
        store.write_candles(HOURLY, hours(NOV, 4), NOV, DEC)
        assert store.write_candles(HOURLY, offered, NOV, DEC).rows_changed == changed

    def test_a_merge_keeps_what_it_does_not_offer_and_new_candles_win(self, store: Store) -> None:
        store.write_candles(HOURLY, hours(NOV, 4), NOV, DEC)
        written = store.merge_candles(HOURLY, hours(NOV + 3 * HOUR, 2, price=20.0), NOV, DEC)
        assert [row[0] for row in as_rows(everything(store, HOURLY)).values()] == [
            10.0,
            10.0,
            10.0,
            20.0,
            20.0,
        ]
        assert written == Written(rows=5, rows_changed=2)

    def test_a_merge_of_older_candles_keeps_time_order(self, store: Store) -> None:
        store.merge_candles(HOURLY, hours(NOV + 4 * HOUR, 2), NOV, DEC)
        store.merge_candles(HOURLY, hours(NOV, 2), NOV, DEC)
        assert_same(
            everything(store, HOURLY),
            candles_at([NOV, NOV + HOUR, NOV + 4 * HOUR, NOV + 5 * HOUR]),
        )

    def test_an_empty_merge_loses_no_candle(self, store: Store) -> None:
        store.write_candles(HOURLY, hours(NOV, 4), NOV, DEC)
        assert store.merge_candles(HOURLY, empty_candles(), NOV, DEC) == Written(4, 0)
        assert_same(everything(store, HOURLY), hours(NOV, 4))

    # -- what was fetched, how far it reaches

    @pytest.mark.parametrize("method", WRITES)
    def test_months_without_a_candle_are_remembered_as_fetched(
        self, store: Store, method: str
    ) -> None:
        write = getattr(store, method)
        assert write(HOURLY, empty_candles(), NOV, JAN) == Written(0, 0)
        assert store.fetched_months(HOURLY) == [NOV, DEC]
        assert_same(everything(store, HOURLY), empty_candles())
        assert store.extent(HOURLY) is None
        assert store.newest_candles([HOURLY]) == {}

    @pytest.mark.parametrize(
        ("start", "end", "months"),
        [
            (NOV, DEC, [NOV]),
            (NOV + HOUR, NOV + 2 * HOUR, [NOV]),
            (DEC - HOUR, DEC + HOUR, [NOV, DEC]),
            (OCT, JAN, [OCT, NOV, DEC]),
            (NOV, NOV, []),
        ],
    )
    def test_a_write_counts_every_month_its_window_touches_as_fetched(
        self, store: Store, start: datetime, end: datetime, months: list[datetime]
    ) -> None:
        store.merge_candles(HOURLY, empty_candles(), start, end)
        assert store.fetched_months(HOURLY) == months

    def test_fetched_months_ascend_and_belong_to_their_key(self, store: Store) -> None:
        for month, end in ((DEC, JAN), (OCT, NOV), (NOV, DEC)):
            store.merge_candles(HOURLY, empty_candles(), month, end)
        assert store.fetched_months(HOURLY) == [OCT, NOV, DEC]
        assert store.fetched_months(series_of("4h")) == []
        assert store.fetched_months(series_of("1h", "ETH/USDT")) == []

    def test_newest_candles_answers_for_many_keys_at_once(self, store: Store) -> None:
        daily, ether, young, never = (
            series_of("1d"),
            series_of("1h", "ETH/USDT"),
            series_of("1h", "NEW/USDT"),
            series_of("1h", "OLD/USDT"),
        )
        store.write_candles(HOURLY, hours(OCT, 3), OCT, DEC)
        store.write_candles(daily, candles_at([OCT, NOV]), OCT, DEC)
        store.write_candles(ether, hours(NOV, 2), NOV, DEC)
        store.merge_candles(ether, empty_candles(), DEC, JAN)
        store.write_candles(young, empty_candles(), NOV, DEC)
        series_list = (series for series in (HOURLY, daily, ether, young, never))
        assert store.newest_candles(series_list) == {
            HOURLY: OCT + 2 * HOUR,  # November was fetched, and empty
            daily: NOV,
            ether: NOV + HOUR,
        }

    def test_extent_spans_all_months_of_a_key(self, store: Store) -> None:
        store.write_candles(HOURLY, hours(NOV - 2 * HOUR, 5), OCT, JAN)
        assert store.extent(HOURLY) == Extent(NOV - 2 * HOUR, NOV + 2 * HOUR, 5)
        store.write_candles(HOURLY, hours(NOV + HOUR, 1), OCT, JAN)
        assert store.extent(HOURLY) == Extent(NOV + HOUR, NOV + HOUR, 1)

    def test_spans_are_the_ends_of_what_is_stored_in_each_range(self, store: Store) -> None:
        ether, never = series_of("1h", "ETH/USDT"), series_of("1h", "NEVER/USDT")
        store.write_candles(HOURLY, hours(NOV - 2 * HOUR, 5), OCT, JAN)
        store.write_candles(ether, candles_at([OCT, NOV, DEC]), OCT, JAN)
        last = NOV + 2 * HOUR
        expected: dict[CandleRange, tuple[datetime, datetime] | None] = {
            CandleRange(HOURLY, OCT, JAN): (NOV - 2 * HOUR, last),
            CandleRange(HOURLY, OCT, NOV): (NOV - 2 * HOUR, NOV - HOUR),
            CandleRange(HOURLY, NOV, last): (NOV, NOV + HOUR),  # half-open
            CandleRange(HOURLY, last, JAN): (last, last),
            CandleRange(HOURLY, DEC, JAN): None,  # fetched, and empty
            CandleRange(HOURLY, JAN, OCT): None,
            CandleRange(ether, OCT + HOUR, JAN): (NOV, DEC),
            CandleRange(ether, OCT, OCT + HOUR): (OCT, OCT),
            CandleRange(never, OCT, JAN): None,
        }
        assert store.spans(expected.keys()) == {k: v for k, v in expected.items() if v is not None}
        for each, span in expected.items():
            assert store.spans([each]).get(each) == span
        assert store.spans([]) == {}

    # -- deleting

    def test_delete_removes_its_range_and_tells_how_many(self, store: Store) -> None:
        store.write_candles(HOURLY, hours(NOV - 3 * HOUR, 6), OCT, DEC)
        assert store.delete_candles(HOURLY, NOV - HOUR, NOV + HOUR) == 2
        assert opens_of(everything(store, HOURLY)) == [
            NOV - 3 * HOUR,
            NOV - 2 * HOUR,
            NOV + HOUR,
            NOV + 2 * HOUR,
        ]
        assert store.delete_candles(HOURLY, NOV - HOUR, NOV + HOUR) == 0
        assert store.fetched_months(HOURLY) == [OCT, NOV]

    def test_an_emptied_month_counts_as_never_fetched_until_it_is_written_again(
        self, store: Store
    ) -> None:
        store.write_candles(HOURLY, hours(NOV - 3 * HOUR, 6), OCT, JAN)  # December is empty
        assert store.delete_candles(HOURLY, NOV, JAN) == 3
        assert store.fetched_months(HOURLY) == [OCT]
        assert store.newest_candles([HOURLY]) == {HOURLY: NOV - HOUR}
        store.write_candles(HOURLY, hours(NOV, 1), NOV, DEC)
        assert store.fetched_months(HOURLY) == [OCT, NOV]

    # -- refusing

    @pytest.mark.parametrize("method", WRITES)
    @pytest.mark.parametrize("rule", INVALID_CANDLES)
    def test_invalid_candles_are_refused_whole(self, store: Store, method: str, rule: str) -> None:
        store.write_candles(HOURLY, hours(NOV, 2), NOV, DEC)
        before = candle_state(store, HOURLY)
        # The broken month is the second of the window; the first must not be stored either.
        broken = INVALID_CANDLES[rule](hours(DEC - 2 * HOUR, 4, price=20.0))
        with pytest.raises(InvalidCandles, match=rf"\[{rule}\] BTC/USDT 1h .*") as refusal:
            getattr(store, method)(HOURLY, broken, NOV, JAN)
        assert refusal.value.rule == rule
        assert candle_state(store, HOURLY) == before

    @pytest.mark.parametrize("method", WRITES)
    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (NOV + HOUR, DEC),
            (NOV, NOV + 3 * HOUR),
            (NOV + timedelta.resolution, DEC),
            (DEC, JAN),
            (NOV, NOV),
        ],
        ids=["first before", "last at end", "first just before", "all before", "empty window"],
    )
    def test_candles_outside_the_window_are_refused(
        self, store: Store, method: str, start: datetime, end: datetime
    ) -> None:
        with pytest.raises(InvalidCandles, match="lie outside the window") as refusal:
            getattr(store, method)(HOURLY, hours(NOV, 4), start, end)
        assert refusal.value.rule == "outside_window"
        assert refusal.value.offenders
        assert candle_state(store, HOURLY) == ({}, [])

    # -- keys

    @pytest.mark.parametrize(
        "symbol",
        [
            "BTC/USDT",
            "BTC/USDT:USDT",
            "BTC/USDT:USDT-261225",
            "1000PEPE/USDT",
            "BTC/USDT:USDT-261225-80000-C",
            "币安人生/USDT",
            "E\u0301🐸/USDT",
            "$PAC_A/USDT",
            "Ä=1/USDT",
            r"""A"B'C\D E,F=G/H:I#J""",
            "A ${B}/$C%s%",
            "NA",
            "#datatype",
        ],
    )
    def test_any_symbol_can_be_stored(self, store: Store, symbol: str) -> None:
        series, other = series_of("1h", symbol), series_of("1h", "OTHER/USDT")
        store.write_candles(series, hours(NOV, 2), NOV, DEC)
        store.write_candles(other, hours(NOV, 3, price=20.0), NOV, DEC)
        store.add_forecasts(series, forecasts_at([NOV]))
        assert_same(everything(store, series), hours(NOV, 2))
        assert store.newest_candles([series, other]) == {series: NOV + HOUR, other: NOV + 2 * HOUR}
        assert store.newest_forecasts([series, other]) == {series: NOV}
        assert store.delete_candles(series, NOV, DEC) == 2
        assert_same(everything(store, other), hours(NOV, 3, price=20.0))

    def test_names_with_what_query_languages_read_into_them_lie_side_by_side(
        self, store: Store
    ) -> None:
        symbols = ["A/USDT", 'A/USDT" or "" == "', "A/USDT' and '' = '", r"A/USDT\n", "a/usdt"]
        series_list = [series_of("1h", symbol) for symbol in symbols]
        for number, series in enumerate(series_list, 1):
            store.write_candles(series, hours(NOV, number, price=float(number)), NOV, DEC)
        assert store.newest_candles(series_list) == {
            series: NOV + HOUR * (number - 1) for number, series in enumerate(series_list, 1)
        }
        for number, series in enumerate(series_list, 1):
            assert store.delete_candles(series, NOV, NOV + HOUR) == 1
            assert_same(
                everything(store, series),
                hours(NOV, number, price=float(number))[1:].reset_index(drop=True),
            )

    def test_candles_of_1970_and_before_are_as_good_as_any(self, store: Store) -> None:
        start = datetime(1969, 12, 1, tzinfo=UTC)
        end = datetime(1970, 2, 1, tzinfo=UTC)
        frame = hours(datetime(1969, 12, 31, 22, tzinfo=UTC), 5)
        store.write_candles(HOURLY, frame, start, end)
        assert_same(store.read_candles(HOURLY, start, end), frame)
        assert store.newest_candles([HOURLY]) == {HOURLY: datetime(1970, 1, 1, 2, tzinfo=UTC)}
        assert store.delete_candles(HOURLY, start, end) == 5

    def test_writers_of_different_symbols_do_not_disturb_each_other(self, store: Store) -> None:
        series_list = [fresh_series("1h") for _ in range(4)]

        def write(series: Series) -> None:
            for part in range(6):
                start = NOV + 5 * HOUR * part
                store.merge_candles(
                    series, hours(start, 5, price=1.0 + series_list.index(series)), NOV, DEC
                )
                store.update_ledger(series, partial(Ledger.listed_at, time=DEC - HOUR * part))

        with ThreadPoolExecutor(len(series_list)) as pool:
            assert list(pool.map(write, series_list)) == [None] * len(series_list)
        for number, series in enumerate(series_list):
            assert_same(everything(store, series), hours(NOV, 30, price=1.0 + number))
            assert store.read_ledger(series) == Ledger(listed=DEC - 5 * HOUR)
        assert store.newest_candles(series_list) == dict.fromkeys(series_list, NOV + 29 * HOUR)

    def test_writers_of_one_month_lose_nothing_of_each_other(self, store: Store) -> None:
        def write(part: int) -> None:
            start = NOV + 5 * HOUR * part
            store.merge_candles(HOURLY, hours(start, 5), start, start + 5 * HOUR)

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(write, range(8))) == [None] * 8
        assert_same(everything(store, HOURLY), hours(NOV, 40))

    def test_spot_and_swap_of_one_pair_lie_side_by_side(self, store: Store) -> None:
        spot, swap = series_of("1h", "BTC/USDT"), series_of("1h", "BTC/USDT:USDT")
        store.write_candles(spot, hours(NOV, 2), NOV, DEC)
        store.write_candles(swap, hours(NOV, 2, price=20.0), NOV, DEC)
        assert_same(everything(store, spot), hours(NOV, 2))
        assert_same(everything(store, swap), hours(NOV, 2, price=20.0))

    def test_minutes_and_months_lie_side_by_side(self, store: Store) -> None:
        minute, month = series_of("1m"), series_of("1M")
        minutes = candles_at([NOV + timedelta(minutes=number) for number in range(5)])
        months = candles_at([OCT, NOV], price=20.0)
        store.write_candles(minute, minutes, NOV, DEC)
        store.write_candles(month, months, OCT, DEC)
        store.add_forecasts(month, forecasts_at([NOV]))
        assert_same(everything(store, minute), minutes)
        assert_same(everything(store, month), months)
        assert all_forecasts(store, minute).empty
        assert store.delete_candles(minute, NOV, DEC) == 5
        assert_same(everything(store, month), months)

    # -- candles against the naive store

    @SLOW_LAW
    @given(changes=CANDLE_CHANGES, ranges=st.lists(st.tuples(st.integers(), st.integers())))
    def test_any_changes_leave_what_the_naive_store_has(
        self, store: Store, changes: list[CandleChange], ranges: list[tuple[int, int]]
    ) -> None:
        series, model = fresh_series(GRID_TIMEFRAME), CandleModel()
        for change in changes:
            if change.kind == "delete_candles":
                answer = store.delete_candles(series, *change.window)
            else:
                answer = getattr(store, change.kind)(series, change.candles, *change.window)
            assert answer == model.apply(change)
            assert as_rows(everything(store, series)) == model.rows
            assert opens_of(everything(store, series)) == sorted(model.rows)
            assert store.fetched_months(series) == sorted(model.fetched)
            newest = {series: max(model.rows)} if model.rows else {}
            assert store.newest_candles([series]) == newest
            extent = store.extent(series)
            assert (extent is None) == (not model.rows)
            if extent is not None:
                assert extent == Extent(min(model.rows), max(model.rows), len(model.rows))
        minutes = int((GRID[-1] - GRID[0]) / timedelta(minutes=1))
        for first, second in ranges:
            start, end = (GRID[0] + timedelta(minutes=n % minutes) for n in (first, second))
            expected = {t: row for t, row in model.rows.items() if start <= t < end}
            assert as_rows(store.read_candles(series, start, end)) == expected
            assert store.count_candles(series, start, end) == len(expected)

    # -- forecasts

    def test_forecasts_come_back_to_the_bit_ordered_by_role_origin_and_step(
        self, store: Store
    ) -> None:
        origins = [NOV - HOUR, NOV, NOV + HOUR]
        champion = forecasts_at(origins, price=1 / 3)
        challenger = forecasts_at(origins, role="challenger", price=0.1 + 0.2)
        naive = forecasts_at(origins, role="challenger_naive", price=0.7)
        offered = pd.concat([champion, naive, challenger]).sample(frac=1, random_state=1)
        written = store.add_forecasts(HOURLY, offered)
        assert written == Written(rows=9 * STEPS, rows_changed=9 * STEPS)
        stored = all_forecasts(store, HOURLY)
        assert list(stored.columns) == list(FORECAST_SCHEMA)
        assert_same(stored, pd.concat([challenger, naive, champion], ignore_index=True))

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            (NOV - HOUR, NOV + HOUR, [-1, 0]),
            (NOV, NOV + timedelta.resolution, [0]),
            (NOV, NOV, []),
            (NOV, DEC, [0, 1]),
            (OCT, NOV, [-1]),
        ],
    )
    def test_forecast_ranges_are_half_open_in_the_origin(
        self, store: Store, start: datetime, end: datetime, expected: list[int]
    ) -> None:
        store.add_forecasts(HOURLY, forecasts_at([NOV - HOUR, NOV, NOV + HOUR]))
        read = store.read_forecasts(HOURLY, start, end)
        origins = [NOV + HOUR * number for number in expected]
        assert list(versions_by_origin(read)) == [(CHAMPION, origin) for origin in origins]

    def test_a_stored_forecast_is_never_overwritten(self, store: Store) -> None:
        first = forecasts_at([NOV, NOV + HOUR])
        store.add_forecasts(HOURLY, first)
        later = forecasts_at([NOV, NOV + HOUR, NOV + 2 * HOUR], price=200.0, version="2")
        written = store.add_forecasts(HOURLY, later)
        assert written == Written(rows=3 * STEPS, rows_changed=STEPS)
        assert_same(store.read_forecasts(HOURLY, NOV, NOV + 2 * HOUR), first)
        assert versions_by_origin(all_forecasts(store, HOURLY)) == {
            (CHAMPION, NOV): "1",
            (CHAMPION, NOV + HOUR): "1",
            (CHAMPION, NOV + 2 * HOUR): "2",
        }

    def test_roles_of_one_origin_do_not_keep_each_other_out(self, store: Store) -> None:
        store.add_forecasts(HOURLY, forecasts_at([NOV]))
        store.add_forecasts(HOURLY, forecasts_at([NOV], role="challenger", version="2"))
        assert versions_by_origin(all_forecasts(store, HOURLY)) == {
            ("challenger", NOV): "2",
            (CHAMPION, NOV): "1",
        }

    def test_adding_the_same_forecasts_again_changes_nothing(self, store: Store) -> None:
        frame = forecasts_at([NOV - HOUR, NOV])
        store.add_forecasts(HOURLY, frame)
        assert store.add_forecasts(HOURLY, frame) == Written(2 * STEPS, 0)
        assert_same(all_forecasts(store, HOURLY), frame)

    def test_adding_no_forecast_is_no_error(self, store: Store) -> None:
        assert store.add_forecasts(HOURLY, forecasts_at([])) == Written(0, 0)
        assert all_forecasts(store, HOURLY).empty

    def test_delete_forecasts_makes_room_for_new_ones(self, store: Store) -> None:
        store.add_forecasts(HOURLY, forecasts_at([NOV - HOUR, NOV, NOV + HOUR]))
        store.add_forecasts(HOURLY, forecasts_at([NOV], role="challenger"))
        assert store.delete_forecasts(HOURLY, NOV - HOUR, NOV + HOUR) == 3 * STEPS
        assert list(versions_by_origin(all_forecasts(store, HOURLY))) == [(CHAMPION, NOV + HOUR)]
        store.add_forecasts(HOURLY, forecasts_at([NOV], price=200.0, version="2"))
        assert versions_by_origin(all_forecasts(store, HOURLY))[CHAMPION, NOV] == "2"

    def test_every_version_that_forecasts_name_is_found(self, store: Store) -> None:
        assert store.forecast_versions(HOURLY) == frozenset()
        for origin, version in ((OCT, "1"), (NOV - HOUR, "12"), (NOV, "3")):
            store.add_forecasts(HOURLY, forecasts_at([origin], version=version))
        store.add_forecasts(HOURLY, forecasts_at([NOV], role="challenger", version="13"))
        store.add_forecasts(series_of("1h", "ETH/USDT"), forecasts_at([NOV], version="99"))
        assert store.forecast_versions(HOURLY) == {"1", "12", "3", "13"}
        assert store.snapshot([HOURLY]).forecast_versions(HOURLY) == {"1", "12", "3", "13"}

    def test_newest_forecasts_answers_for_many_keys_at_once(self, store: Store) -> None:
        daily, ether, never = series_of("1d"), series_of("1h", "ETH/USDT"), series_of("4h")
        store.add_forecasts(HOURLY, forecasts_at([NOV + HOUR, NOV - HOUR]))
        store.add_forecasts(daily, forecasts_at([OCT]))
        store.add_forecasts(ether, forecasts_at([NOV], role="challenger"))
        store.write_candles(never, candles_at([NOV]), NOV, DEC)
        newest = store.newest_forecasts(series for series in (HOURLY, daily, ether, never))
        assert newest == {HOURLY: NOV + HOUR, daily: OCT, ether: NOV}

    @pytest.mark.parametrize("words", INVALID_FORECASTS)
    def test_invalid_forecasts_are_refused_whole(self, store: Store, words: str) -> None:
        good = forecasts_at([NOV - HOUR])
        broken = INVALID_FORECASTS[words](forecasts_at([NOV]))
        offered = pd.concat([good, broken], ignore_index=True)
        if words in ("wrong types", "['q50', 'kind'] are missing"):  # of a whole column
            offered = broken
        with pytest.raises(DataRefused) as refusal:
            store.add_forecasts(HOURLY, offered)
        assert words in str(refusal.value)
        assert all_forecasts(store, HOURLY).empty

    def test_candles_and_forecasts_leave_each_other_alone(self, store: Store) -> None:
        store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC)
        store.add_forecasts(HOURLY, forecasts_at([NOV + HOUR]))
        assert store.delete_candles(HOURLY, OCT, JAN) == 3
        assert list(versions_by_origin(all_forecasts(store, HOURLY))) == [(CHAMPION, NOV + HOUR)]
        store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC)
        assert store.delete_forecasts(HOURLY, OCT, JAN) == STEPS
        assert_same(everything(store, HOURLY), hours(NOV, 3))

    def test_a_revised_forecast_replaces_the_stored_one_of_its_origin_and_role(
        self, store: Store
    ) -> None:
        store.add_forecasts(HOURLY, forecasts_at([NOV - HOUR, NOV, NOV + HOUR]))
        store.add_forecasts(HOURLY, forecasts_at([NOV], role="challenger"))
        revised = forecasts_at([NOV, NOV + 2 * HOUR], price=200.0, version="2")
        written = store.revise_forecasts(HOURLY, revised)
        assert written == Written(rows=4 * STEPS, rows_changed=2 * STEPS)
        assert versions_by_origin(all_forecasts(store, HOURLY)) == {
            ("challenger", NOV): "1",
            (CHAMPION, NOV - HOUR): "1",
            (CHAMPION, NOV): "2",
            (CHAMPION, NOV + HOUR): "1",
            (CHAMPION, NOV + 2 * HOUR): "2",
        }
        stored = store.read_forecasts(HOURLY, NOV, NOV + HOUR)
        champion = stored[stored["role"] == CHAMPION].reset_index(drop=True)
        assert_same(champion, forecasts_at([NOV], price=200.0, version="2"))

    def test_revising_to_the_same_changes_nothing_and_adding_still_does_not_overwrite(
        self, store: Store
    ) -> None:
        store.revise_forecasts(HOURLY, forecasts_at([NOV]))
        assert store.revise_forecasts(HOURLY, forecasts_at([NOV])) == Written(STEPS, 0)
        assert store.revise_forecasts(HOURLY, forecasts_at([])) == Written(0, 0)
        store.add_forecasts(HOURLY, forecasts_at([NOV], price=200.0, version="2"))
        assert_same(all_forecasts(store, HOURLY), forecasts_at([NOV]))

    @pytest.mark.parametrize("words", INVALID_FORECASTS)
    def test_invalid_revised_forecasts_are_refused_whole(self, store: Store, words: str) -> None:
        stored = forecasts_at([NOV])
        store.add_forecasts(HOURLY, stored)
        broken = INVALID_FORECASTS[words](forecasts_at([NOV], version="2"))
        with pytest.raises(DataRefused) as refusal:
            store.revise_forecasts(HOURLY, broken)
        assert words in str(refusal.value)
        assert_same(all_forecasts(store, HOURLY), stored)

    # -- ledgers

    def test_a_ledger_comes_back_as_it_was(self, store: Store) -> None:
        holes = [Gap(NOV, NOV + 3 * HOUR, 3), Gap(NOV + 5 * HOUR, NOV + 6 * HOUR, 1)]
        seen = DEC + timedelta(microseconds=123_457)

        def change(ledger: Ledger) -> Ledger:
            asked = ledger.listed_at(OCT).answered(OCT, DEC, holes, seen)
            told = asked.failed(NOV + HOUR, DEC, holes, 'Ä "quoted"\nerror', seen + HOUR)
            return told.failed(DEC, JAN, [Gap(DEC, JAN, 744)], "never answered", seen)

        written = store.update_ledger(HOURLY, change)
        assert written == change(Ledger())
        assert store.read_ledger(HOURLY) == written
        assert [each.state for each in written.absences].count(FAILED) == 3

    def test_a_ledger_is_changed_from_what_is_stored(self, store: Store) -> None:
        store.update_ledger(HOURLY, lambda ledger: ledger.listed_at(NOV))
        seen: list[Ledger] = []

        def change(ledger: Ledger) -> Ledger:
            seen.append(ledger)
            return ledger.listed_at(OCT)

        assert store.update_ledger(HOURLY, change) == Ledger(listed=OCT)
        assert seen == [Ledger(listed=NOV)]
        assert store.update_ledger(HOURLY, lambda ledger: ledger) == Ledger(listed=OCT)
        assert store.read_ledger(HOURLY) == Ledger(listed=OCT)

    def test_a_change_that_fails_leaves_the_ledger_as_it_was(self, store: Store) -> None:
        store.update_ledger(HOURLY, lambda ledger: ledger.listed_at(NOV))

        def fail(_: Ledger) -> Ledger:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.update_ledger(HOURLY, fail)
        assert store.read_ledger(HOURLY) == Ledger(listed=NOV)
        store.update_ledger(HOURLY, lambda ledger: ledger.listed_at(OCT))
        assert store.read_ledger(HOURLY) == Ledger(listed=OCT)

    def test_keys_have_ledgers_of_their_own(self, store: Store) -> None:
        series_list = [HOURLY, series_of("1m"), series_of("1M"), series_of("1h", "BTC/USDT:USDT")]
        for number, series in enumerate(series_list):
            store.update_ledger(series, partial(Ledger.listed_at, time=OCT + HOUR * number))
        found = [store.read_ledger(series).listed for series in series_list]
        assert found == [OCT, OCT + HOUR, OCT + 2 * HOUR, OCT + 3 * HOUR]

    def test_deleting_candles_leaves_the_ledger(self, store: Store) -> None:
        store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC)
        ledger = store.update_ledger(HOURLY, lambda ledger: ledger.listed_at(NOV))
        store.delete_candles(HOURLY, OCT, JAN)
        assert store.read_ledger(HOURLY) == ledger

    # -- revisions

    def test_revisions_come_back_to_the_bit_ordered_by_candle_and_time_seen(
        self, store: Store
    ) -> None:
        opens = [NOV - HOUR, NOV, NOV + HOUR]
        early, late = revisions_at(opens, DEC, 1 / 3), revisions_at(opens[1:], DEC + HOUR, 0.1)
        come_late = revisions_between(empty_candles(), hours(OCT, 1), DEC, [(OCT, OCT + HOUR)])
        assert store.record_revisions(HOURLY, late) == Written(2, 2)
        offered = pd.concat([early, come_late]).sample(frac=1, random_state=1)
        store.record_revisions(HOURLY, offered)
        stored = all_revisions(store, HOURLY)
        assert list(stored.columns) == REVISION_COLUMNS
        assert len(stored) == 6
        expected = pd.concat([come_late, early, late]).sort_values(["timestamp", "seen_at"])
        assert_same(stored, expected.reset_index(drop=True))
        assert stored["redone_at"].isna().all()
        assert stored["old_close"].isna().tolist() == [True] + [False] * 5

    def test_a_revision_of_the_same_candle_and_time_seen_replaces_the_stored_one(
        self, store: Store
    ) -> None:
        store.record_revisions(HOURLY, revisions_at([NOV], DEC))
        done = revisions_at([NOV], DEC)
        done["redone_at"] = pd.Series([DEC + HOUR], dtype="datetime64[us, UTC]")
        assert store.record_revisions(HOURLY, done) == Written(rows=1, rows_changed=1)
        assert store.record_revisions(HOURLY, done) == Written(rows=1, rows_changed=0)
        assert_same(all_revisions(store, HOURLY), done)

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            (NOV - HOUR, NOV + HOUR, [-1, 0]),
            (NOV, NOV + timedelta.resolution, [0]),
            (NOV, NOV, []),
            (OCT, NOV, [-1]),
            (NOV, JAN, [0, 1]),
        ],
    )
    def test_revision_ranges_are_half_open_in_the_candle(
        self, store: Store, start: datetime, end: datetime, expected: list[int]
    ) -> None:
        opens = [NOV + HOUR * number for number in (-1, 0, 1)]
        store.record_revisions(HOURLY, revisions_at(opens, JAN))
        read = store.read_revisions(HOURLY, start, end)
        assert read["timestamp"].tolist() == [NOV + HOUR * number for number in expected]
        assert store.delete_revisions(HOURLY, start, end) == len(expected)
        assert len(all_revisions(store, HOURLY)) == 3 - len(expected)

    def test_recording_no_revision_is_no_error(self, store: Store) -> None:
        assert store.record_revisions(HOURLY, empty_revisions()) == Written(0, 0)
        assert_same(all_revisions(store, HOURLY), empty_revisions())

    def test_revisions_leave_candles_and_other_keys_alone(self, store: Store) -> None:
        store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC)
        store.record_revisions(HOURLY, revisions_at([NOV], DEC))
        store.record_revisions(series_of("1M"), revisions_at([NOV], DEC, 30.0))
        assert_same(everything(store, HOURLY), hours(NOV, 3))
        assert store.delete_candles(HOURLY, OCT, JAN) == 3
        assert_same(all_revisions(store, HOURLY), revisions_at([NOV], DEC))
        assert store.delete_revisions(HOURLY, OCT, JAN) == 1
        assert_same(all_revisions(store, series_of("1M")), revisions_at([NOV], DEC, 30.0))
        assert all_revisions(store, series_of("1m")).empty

    # -- forecasts against the naive store

    @SLOW_LAW
    @given(
        changes=st.lists(
            st.tuples(
                st.sampled_from([*ROLES, "revise", "delete"]),
                st.lists(st.integers(0, 40), min_size=1, max_size=5, unique=True),
            ),
            max_size=8,
        )
    )
    def test_any_forecast_changes_leave_what_the_naive_store_has(
        self, store: Store, changes: list[tuple[str, list[int]]]
    ) -> None:
        series = fresh_series("1d")
        model: dict[tuple[str, datetime], str] = {}
        for number, (change, days) in enumerate(changes):
            origins = [NOV + timedelta(days=day) for day in days]
            if change == "delete":
                start, end = min(origins), max(origins)
                gone = [name for name in model if start <= name[1] < end]
                assert store.delete_forecasts(series, start, end) == len(gone) * STEPS
                for name in gone:
                    del model[name]
            elif change == "revise":
                offered = forecasts_at(sorted(origins), version=str(number))
                changed = store.revise_forecasts(series, offered).rows_changed
                assert changed == len(origins) * STEPS
                model |= dict.fromkeys([(CHAMPION, origin) for origin in origins], str(number))
            else:
                new = {(change, origin) for origin in origins} - model.keys()
                offered = forecasts_at(sorted(origins), role=change, version=str(number))
                assert store.add_forecasts(series, offered).rows_changed == len(new) * STEPS
                model |= dict.fromkeys(new, str(number))
            stored = all_forecasts(store, series)
            assert versions_by_origin(stored) == model
            assert not stored[PRICE_COLUMNS].isna().to_numpy().any()
            newest = {series: max(origin for _, origin in model)} if model else {}
            assert store.newest_forecasts([series]) == newest
