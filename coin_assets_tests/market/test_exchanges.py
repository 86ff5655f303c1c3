"""`CcxtMarket` on exchanges of many habits, each through the real ccxt client.

- Every closed candle that the exchange serves arrives once, as the exchange has it; the pages
  follow each other without a break, over holes too. What an exchange no longer serves is called
  unavailable, never missing.
- A candle that breaks the contract is named with its page and costs no other candle.
- `listed` finds the first candle that is served, `edge` where an exchange's memory ends.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.market.base import Page
from coin_assets.market.ccxt import CcxtMarket
from coin_assets_tests.market.exchanges import EXCHANGES, StandIn

NOW = datetime(2026, 11, 20, 7, 25, 30, tzinfo=UTC)
LISTED = datetime(2025, 6, 3, 14, 20, tzinfo=UTC)
WEEK = timedelta(days=7)
HOLES = [
    (NOW - timedelta(days=12, hours=3), NOW - timedelta(days=12)),
    (datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 20, 5, tzinfo=UTC)),
    (datetime(2025, 9, 1, tzinfo=UTC), datetime(2025, 9, 1, 1, tzinfo=UTC)),
]
WINDOWS = {
    "the newest hours": (NOW - timedelta(hours=5), NOW),
    "more than an answer": (NOW - timedelta(days=90), NOW - timedelta(days=3)),
    "over a long hole": (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)),
    "in a hole": (datetime(2026, 7, 9, tzinfo=UTC), datetime(2026, 7, 19, tzinfo=UTC)),
    "over the first candle": (LISTED - 3 * WEEK, LISTED + WEEK),
    "over everything": (LISTED - WEEK, NOW + WEEK),
    "one candle": (datetime(2026, 11, 10, 4, tzinfo=UTC), datetime(2026, 11, 10, 5, tzinfo=UTC)),
}
FORGETFUL = ("gate", "kraken")


@pytest.fixture(params=EXCHANGES)
def exchange_id(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fake(exchange_id: str) -> Iterator[StandIn]:
    with EXCHANGES[exchange_id](NOW, LISTED, HOLES) as exchange:
        yield exchange


def _market(fake: StandIn) -> CcxtMarket:
    return CcxtMarket(
        fake.exchange_id, fake.configure, sleep=lambda _: None, clock=lambda: fake.now
    )


def _series(fake: StandIn, timeframe: str = "1h") -> Series:
    return Series(fake.symbol, Timeframe(timeframe))


def _rows(pages: list[Page]) -> list[tuple[Any, ...]]:
    return [
        (int(time.timestamp() * 1000), *values)
        for page in pages
        for time, *values in page.candles.itertuples(index=False, name=None)
    ]


def _check(fake: StandIn, timeframe: str, start: datetime, end: datetime) -> None:
    series = _series(fake, timeframe)
    pages = list(_market(fake).pages(series, start, end, fake.now))
    assert [page.error for page in pages if page.error] == []
    assert pages[0].start == start
    assert [page.start for page in pages[1:]] == [page.end for page in pages[:-1]]
    assert pages[-1].end == min(end, series.timeframe.floor(fake.now))
    assert _rows(pages) == [tuple(each) for each in fake.candles(timeframe, start, end)]
    begin, oldest = series.timeframe.floor(LISTED), fake.oldest(series.timeframe)
    for page in pages:
        if page.is_unavailable:
            assert page.end <= oldest, "what is served is not unavailable"
        elif page.start < oldest:
            assert page.end <= begin or oldest == begin, "what is unavailable is not missing"


@pytest.mark.parametrize("window", WINDOWS)
def test_every_true_candle_arrives_once(fake: StandIn, window: str) -> None:
    start, end = WINDOWS[window]
    hour = Timeframe("1h")
    _check(fake, "1h", hour.floor(start), hour.floor(end))


def test_days_arrive_as_well(fake: StandIn) -> None:
    day = Timeframe("1d")
    _check(fake, "1d", day.floor(LISTED - WEEK), day.floor(NOW))


def test_minutes_arrive_as_well(fake: StandIn) -> None:
    minute = Timeframe("1m")
    _check(fake, "1m", minute.floor(NOW - timedelta(days=2)), minute.floor(NOW))


def test_a_broken_candle_costs_no_other(exchange_id: str) -> None:
    hour = Timeframe("1h")
    start = hour.floor(NOW) - timedelta(days=9)
    odd, null = start + timedelta(hours=30), start + timedelta(hours=50)
    broken = {odd: (5.0, 1.0, 9.0, 4.0, 1.0), null: (None, None, None, None, 0.0)}
    with EXCHANGES[exchange_id](NOW, LISTED, HOLES, broken=broken) as fake:
        pages = list(_market(fake).pages(_series(fake), start, hour.floor(NOW), NOW))
        assert _rows(pages) == [tuple(each) for each in fake.candles("1h", start, NOW)]
        assert [each.start for page in pages for each in page.refused] == [odd, null]


@pytest.mark.parametrize("timeframe", ["1h", "1d"])
def test_listed_is_the_first_candle_that_is_served(fake: StandIn, timeframe: str) -> None:
    first = fake.candles(timeframe, datetime(2020, 1, 1, tzinfo=UTC), NOW)[0]
    found = _market(fake).listed(_series(fake, timeframe), NOW)
    assert found is not None
    assert int(found.timestamp() * 1000) == first.open_time


def test_the_edge_is_where_an_exchange_forgets(fake: StandIn) -> None:
    market, series = _market(fake), _series(fake)
    assert market.edge(series) is None
    list(market.pages(series, series.timeframe.floor(LISTED), NOW, NOW))
    oldest = fake.oldest(series.timeframe)
    assert market.edge(series) == (oldest if fake.exchange_id in FORGETFUL else None)


def test_a_nearer_edge_is_found_as_well() -> None:
    hour = Timeframe("1h")
    for edge in (100, timedelta(days=33)):
        with EXCHANGES["gate"](NOW, LISTED, edge=edge) as fake:
            market, series = _market(fake), _series(fake)
            pages = list(market.pages(series, hour.floor(NOW - 9 * WEEK), hour.floor(NOW), NOW))
            assert _rows(pages) == [tuple(each) for each in fake.candles("1h", NOW - 9 * WEEK, NOW)]
            assert market.edge(series) == fake.oldest(hour)


def test_a_market_that_has_just_begun(exchange_id: str) -> None:
    begun = NOW - timedelta(hours=2)
    with EXCHANGES[exchange_id](NOW, begun) as fake:
        market, series = _market(fake), _series(fake)
        assert market.listed(series, NOW) == series.timeframe.floor(begun)
        pages = list(market.pages(series, series.timeframe.floor(NOW - WEEK), NOW, NOW))
        assert len(_rows(pages)) == 2
