"""A living exchange through the real ccxt client, which here talks to a fake one on this machine.

- Every closed candle of ``[start, end)`` arrives once, in order, exactly as the exchange has it.
  The pages follow each other without a break up to the newest closed candle. Neither short pages
  nor repeated, unordered or missing candles nor any habit of an exchange disturb the reading.
- What passes by itself is tried again, and not for ever; see test_retrying.py.
- The running candle is never returned; our clock decides which one that is.
- An error that does not pass says whom to correct. An answer that is no answer is never an empty
  one, and wrong times are refused, never skipped.
- Nothing is contacted before the first use or after `close`, and nobody but the exchange ever.
"""

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pandas as pd
import pytest

from coin_assets.domain.candles.frame import TIMESTAMP_DTYPE, VALUES, between, empty_candles
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets.errors import (
    ConfigurationError,
    InvalidCandles,
    MarketUnavailable,
    PermanentError,
    RangeRefused,
    SymbolUnavailable,
    TemporaryError,
)
from coin_assets.market.base import Estimate, Market, Page
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.factory import open_market
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.market.exchange import (
    INTERVALS,
    FakeExchange,
)
from coin_assets_tests.market.faults import (
    Fault,
    Kline,
    Reply,
    changed_klines,
    cut_off,
    dropped_connection,
    every_candle_twice,
    html,
    http_status,
    in_microseconds,
    in_seconds,
    json_error,
    json_reply,
    newest_first,
    other_json,
    reset,
    slow,
)
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.realdata import REAL_DATA, requires_real_data

NOW = datetime(2026, 11, 22, 20, 40, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC_1H = Series("BTC/USDT", Timeframe("1h"))
SUPPORTED = [name for name in NAMES if name in INTERVALS]


def hour(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(autouse=True)
def refused_hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Hosts that were asked for beyond this machine; none unless the test empties the list."""
    refused: list[str] = []
    resolve, connect = socket.getaddrinfo, socket.socket.connect

    def refuse(host: str) -> None:
        if host != "127.0.0.1":
            refused.append(host)
            raise OSError(f"the test refuses to contact {host}")

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> Any:
        refuse(host)
        return resolve(host, *arguments, **options)

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address[0])
        connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    yield refused
    assert refused == []


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(NOW) as running:
        yield running


@pytest.fixture
def slept() -> list[float]:
    """Seconds that the market waited, or would have."""
    return []


@pytest.fixture
def market(exchange: FakeExchange, slept: list[float]) -> Iterator[CcxtMarket]:
    market = CcxtMarket("binance", exchange.configure, sleep=slept.append, chance=lambda: 0.0)
    yield market
    market.close()


def joined(pages: list[Page]) -> pd.DataFrame:
    frames = [page.candles for page in pages if len(page.candles)]
    return pd.concat(frames, ignore_index=True) if frames else empty_candles()


def assert_contiguous(pages: list[Page], start: datetime, end: datetime) -> None:
    """The pages cover ``[start, end)`` without a break or overlap."""
    edges = [time for page in pages for time in (page.start, page.end)]
    assert (edges[0], edges[-1]) == (start, end)
    assert edges[1:-1:2] == edges[2::2]
    assert all(page.start < page.end for page in pages)


def true_candles(
    series: Series,
    start: datetime,
    end: datetime,
    now: datetime = NOW,
    served: Market | None = None,
) -> pd.DataFrame:
    """What the market behind the exchange has."""
    return joined(list((served or SandboxMarket()).pages(series, start, end, now)))


def opens_of(pages: list[Page]) -> list[datetime]:
    return [stamp.to_pydatetime() for stamp in joined(pages)["timestamp"]]


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True)


# ------------------------------------------------------------------------------ the whole range


@pytest.mark.parametrize(
    ("candles", "page_sizes"),
    [
        (1, [1]),
        (999, [999]),
        (1000, [1000]),
        (1001, [1000, 1]),
        (2000, [1000, 1000]),
        (2500, [1000, 1000, 500]),
    ],
)
@pytest.mark.parametrize("behind_now", [timedelta(minutes=40), 3000 * HOUR])
def test_all_candles_of_a_range_arrive_once_in_order_with_one_request_a_page(
    exchange: FakeExchange,
    market: CcxtMarket,
    candles: int,
    page_sizes: list[int],
    behind_now: timedelta,
) -> None:
    end = NOW - behind_now
    start = end - candles * HOUR
    pages = list(market.pages(BTC_1H, start, end, NOW))
    assert_same(joined(pages), true_candles(BTC_1H, start, end))
    assert [len(page.candles) for page in pages] == page_sizes
    assert_contiguous(pages, start, min(end, NOW.replace(minute=0)))
    assert len(exchange.asked("exchangeInfo")) == 1
    assert len(exchange.asked()) == len(page_sizes)


def test_a_request_starts_where_the_page_before_ended(
    exchange: FakeExchange, market: CcxtMarket
) -> None:
    start = hour("2026-03-01T00:00")
    list(market.pages(BTC_1H, start, start + 2500 * HOUR, NOW))
    assert [request.query for request in exchange.asked()] == [
        {
            "symbol": "BTCUSDT",
            "interval": "1h",
            "startTime": str(int((start + count * HOUR).timestamp()) * 1000 - 1),
            "limit": "1000",
        }
        for count in (0, 1000, 2000)
    ]


def test_pages_are_delivered_before_the_next_one_is_asked_for(
    exchange: FakeExchange, market: CcxtMarket
) -> None:
    pages = market.pages(BTC_1H, NOW - 2500 * HOUR, NOW, NOW)
    for count in (1, 2):
        next(pages)
        assert len(exchange.asked()) == count


def test_pages_keep_the_candle_contract(market: CcxtMarket) -> None:
    (page,) = market.pages(BTC_1H, NOW - 5 * HOUR, NOW, NOW)
    expected = {"timestamp": TIMESTAMP_DTYPE, **dict.fromkeys(VALUES, "float64")}
    assert {name: str(dtype) for name, dtype in page.candles.dtypes.items()} == expected
    assert list(page.candles.index) == list(range(len(page.candles)))


def test_symbols_of_one_market_are_not_confused(exchange: FakeExchange, market: CcxtMarket) -> None:
    start, end = hour("2026-11-01T00:00"), hour("2026-11-02T00:00")
    for symbol in ("BTC/USDT", "ETH/USDT"):
        series = Series(symbol, Timeframe("1h"))
        assert_same(
            joined(list(market.pages(series, start, end, NOW))), true_candles(series, start, end)
        )
    assert len(exchange.asked("exchangeInfo")) == 1


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("2026-11-01T00:00", "2026-11-02T00:00", "2026-11-01T00:00", "2026-11-01T23:00"),
        ("2026-11-01T00:01", "2026-11-02T00:00", "2026-11-01T01:00", "2026-11-01T23:00"),
        ("2026-11-01T00:59", "2026-11-01T23:59", "2026-11-01T01:00", "2026-11-01T23:00"),
        ("2026-11-01T00:00", "2026-11-02T00:01", "2026-11-01T00:00", "2026-11-02T00:00"),
        ("2026-11-01T05:00", "2026-11-01T06:00", "2026-11-01T05:00", "2026-11-01T05:00"),
        ("2026-11-22T10:00", "2027-11-22T00:00", "2026-11-22T10:00", "2026-11-22T19:00"),
    ],
)
def test_a_range_is_half_open(
    market: CcxtMarket, start: str, end: str, first: str, last: str
) -> None:
    opens = opens_of(list(market.pages(BTC_1H, hour(start), hour(end), NOW)))
    assert opens == list(true_candles(BTC_1H, hour(first), hour(last) + HOUR)["timestamp"])


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-01T00:00", "2026-11-01T00:00"),
        ("2026-11-02T00:00", "2026-11-01T00:00"),
        ("2026-11-22T20:00", "2026-11-22T21:00"),  # the running hour
        ("2027-11-01T00:00", "2027-12-01T00:00"),
    ],
)
def test_an_empty_range_costs_no_request(
    exchange: FakeExchange, market: CcxtMarket, start: str, end: str
) -> None:
    assert list(market.pages(BTC_1H, hour(start), hour(end), NOW)) == []
    assert exchange.requests == []


def test_a_range_between_two_opens_has_no_candle(market: CcxtMarket) -> None:
    start = hour("2026-11-01T00:10")
    assert list(market.pages(BTC_1H, start, start + HOUR / 2, NOW)) == []


@pytest.mark.parametrize(
    ("start", "end", "first"),
    [
        ("2016-01-01T00:00", "2016-02-01T00:00", None),
        ("2017-08-01T00:00", "2017-08-17T04:00", None),
        ("2017-08-01T00:00", "2017-08-17T05:00", "2017-08-17T04:00"),
        ("2016-01-01T00:00", "2017-11-01T00:00", "2017-08-17T04:00"),
    ],
)
def test_a_range_from_before_listing_begins_with_the_first_candle(
    market: CcxtMarket, start: str, end: str, first: str | None
) -> None:
    pages = list(market.pages(BTC_1H, hour(start), hour(end), NOW))
    expected = true_candles(BTC_1H, hour(first), hour(end)) if first else empty_candles()
    assert_same(joined(pages), expected)


# ----------------------------------------------------------------------------- the running candle


def latest_kline(exchange: FakeExchange, series: Series) -> Kline:
    """The last candle the exchange has now, without ccxt."""
    query = f"symbol={series.symbol.replace('/', '')}&interval={series.timeframe}&limit=1"
    with urllib.request.urlopen(f"{exchange.url}/api/v3/klines?{query}") as reply:  # noqa: S310
        (kline,) = json.load(reply)
    return list(kline)


@pytest.mark.parametrize("name", ["1m", "1h", "1d", "1w", "1M"])
def test_the_running_candle_is_served_but_never_returned(name: str) -> None:
    series = Series("BTC/USDT", Timeframe(name))
    now = NOW + timedelta(seconds=20)
    running = series.timeframe.floor(now)
    with FakeExchange(now) as exchange:
        market = CcxtMarket("binance", exchange.configure)
        before = list(market.pages(series, series.timeframe.shift(now, -3), now, now))
        unfinished = latest_kline(exchange, series)
        exchange.now = series.timeframe.close_of(running)
        after = list(
            market.pages(series, series.timeframe.shift(now, -3), exchange.now, exchange.now)
        )
        market.close()
    assert unfinished[0] == int(running.timestamp()) * 1000
    assert len(opens_of(before)) == 3
    assert opens_of(after) == [*opens_of(before), running]
    assert joined(after)["close"].iloc[-1] != float(unfinished[4])


@pytest.mark.parametrize(
    ("ours", "newest"),
    [
        ("2026-11-22T19:59", "2026-11-22T18:00"),  # a late settle, or an exchange ahead of us
        ("2026-11-22T20:00", "2026-11-22T19:00"),
        ("2026-11-22T20:59", "2026-11-22T19:00"),
    ],
)
def test_our_clock_decides_what_is_closed(market: CcxtMarket, ours: str, newest: str) -> None:
    pages = list(market.pages(BTC_1H, NOW - 9 * HOUR, NOW, hour(ours)))
    assert opens_of(pages)[-1] == hour(newest)


def test_a_candle_appears_at_the_moment_it_closes(
    exchange: FakeExchange, market: CcxtMarket
) -> None:
    for moment, newest in (("20:59:59", "19:00"), ("21:00:00", "20:00"), ("21:00:01", "20:00")):
        exchange.now = hour(f"2026-11-22T{moment}")
        pages = list(market.pages(BTC_1H, NOW - 3 * HOUR, exchange.now, exchange.now))
        assert opens_of(pages)[-1] == hour(f"2026-11-22T{newest}")


# ------------------------------------------------------------------------------------ timeframes


@pytest.mark.parametrize("name", SUPPORTED)
def test_every_timeframe_that_the_exchange_shares_with_us_is_read(
    market: CcxtMarket, name: str
) -> None:
    series = Series("BTC/USDT", Timeframe(name))
    start = series.timeframe.shift(NOW, -7)
    candles = joined(list(market.pages(series, start, NOW, NOW)))
    assert len(candles) == 7
    assert_same(candles, true_candles(series, start, NOW))


def test_months_and_weeks_are_paged_by_the_calendar(
    exchange: FakeExchange, market: CcxtMarket
) -> None:
    for name, opens in {
        "1M": ["2025-12-01", "2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"],
        "1w": ["2025-12-22", "2025-12-29", "2026-01-05", "2026-01-12", "2026-01-19"],
    }.items():
        exchange.spoil(changed_klines(lambda klines: klines[:2]), times=3)
        series = Series("BTC/USDT", Timeframe(name))
        pages = list(market.pages(series, hour(opens[0]), hour(opens[-1]) + HOUR, NOW))
        assert opens_of(pages) == [hour(text) for text in opens]


def test_the_fake_exchange_offers_what_ccxt_says_that_binance_does() -> None:
    offered: list[dict[str, str]] = []
    market = CcxtMarket("binance", lambda client: offered.append(client.timeframes))
    assert list(market.pages(BTC_1H, NOW, NOW, NOW)) == []
    assert list(offered[0]) == INTERVALS
    assert {"1m", "1h", "4h", "1d", "1w", "1M"} <= set(SUPPORTED)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in INTERVALS])
def test_a_timeframe_that_the_exchange_lacks_is_unavailable_without_asking(
    exchange: FakeExchange, market: CcxtMarket, name: str
) -> None:
    series = Series("BTC/USDT", Timeframe(name))
    with pytest.raises(SymbolUnavailable, match=f"binance has no {name} candles; .* 1m .* 1M"):
        list(market.pages(series, NOW - 9 * HOUR, NOW, NOW))
    assert exchange.requests == []


# ------------------------------------------------------------------------ answers out of the usual


def revised(kline: Kline) -> Kline:
    """Another reading of the same candle: its volume was counted again."""
    return [*kline[:5], "7.00000000", *kline[6:]]


UNUSUAL: dict[str, Fault] = {
    "newest first": newest_first,
    "every candle twice": every_candle_twice,
    "candles a second time at the end": changed_klines(lambda rows: [*rows[:400], *rows[:400]]),
    "short page": changed_klines(lambda klines: klines[:300]),
    "page of one candle": changed_klines(lambda klines: klines[:1]),
    "candles from before the page": changed_klines(
        lambda klines: [[klines[0][0] - 3_600_000, *klines[0][1:]], *klines]
    ),
    "extra fields": changed_klines(lambda klines: [[*kline, "extra"] for kline in klines]),
}


@pytest.mark.parametrize("what", UNUSUAL)
def test_an_unusual_page_neither_ends_nor_disturbs_the_reading(
    exchange: FakeExchange, market: CcxtMarket, what: str
) -> None:
    exchange.spoil(UNUSUAL[what], times=2)
    start = NOW - 2500 * HOUR
    pages = list(market.pages(BTC_1H, start, NOW, NOW))
    assert_same(joined(pages), true_candles(BTC_1H, start, NOW))


def test_of_two_readings_of_a_candle_the_one_sent_last_counts(
    exchange: FakeExchange, market: CcxtMarket
) -> None:
    exchange.spoil(
        changed_klines(lambda klines: [row for kline in klines for row in (kline, revised(kline))])
    )
    (page,) = market.pages(BTC_1H, NOW - 200 * HOUR, NOW, NOW)
    assert len(page.candles) == 199
    assert (page.candles["volume"] == 7.0).all()


@pytest.mark.parametrize("missing_hours", [1, 33, 1500])
def test_an_outage_of_the_exchange_is_passed_over(missing_hours: int) -> None:
    """Whole pages of hours may be missing: the exchange goes on with the next candle it has."""
    start, outage = hour("2026-06-01T00:00"), hour("2026-06-11T00:00")
    end = outage + missing_hours * HOUR
    patchy = PatchyMarket([(f"{outage:%Y-%m-%dT%H:%M}", f"{end:%Y-%m-%dT%H:%M}")])
    with FakeExchange(NOW, market=patchy) as exchange:
        market = CcxtMarket("binance", exchange.configure)
        pages = list(market.pages(BTC_1H, start, NOW, NOW))
        market.close()
    candles = joined(pages)
    assert_same(candles, true_candles(BTC_1H, start, NOW, served=patchy))
    assert_contiguous(pages, start, NOW.replace(minute=0))
    assert len(candles) == Timeframe("1h").count(start, Timeframe("1h").floor(NOW)) - missing_hours


HABITS: dict[str, dict[str, Any]] = {
    "as Binance": {},
    "at most 300 candles": {"most_rows": 300},
    "a window": {"windowed": True},
    "a window of at most 300 candles": {"windowed": True, "most_rows": 300},
    "after since only": {"exclusive": True},
    "after since only, in a window of 300": {"exclusive": True, "windowed": True, "most_rows": 300},
    "no running candle": {"running": False},
    "no running candle, a window of 100": {"running": False, "windowed": True, "most_rows": 100},
}


@pytest.mark.parametrize("fault", [None, newest_first, every_candle_twice])
@pytest.mark.parametrize("habits", HABITS)
def test_whatever_the_habits_of_an_exchange_all_its_candles_arrive(
    habits: str, fault: Fault | None
) -> None:
    start, end = hour("2026-06-01T00:00"), NOW.replace(minute=0)
    absent = [("2026-06-20T00:00", "2026-06-22T00:00"), ("2026-07-01", "2026-09-01")]
    patchy = PatchyMarket(absent, listed="2026-05-17T04:00")
    with FakeExchange(NOW, market=patchy, listed=hour("2026-05-17T04:00")) as exchange:
        for name, value in HABITS[habits].items():
            setattr(exchange, name, value)
        if fault is not None:
            exchange.spoil_always(fault)
        market = CcxtMarket("binance", exchange.configure)
        pages = list(market.pages(BTC_1H, start, NOW, NOW))
        listed = market.listed(BTC_1H, NOW)
        market.close()
    assert_same(joined(pages), true_candles(BTC_1H, start, NOW, served=patchy))
    assert_contiguous(pages, start, end)
    assert listed == hour("2026-05-17T04:00")


def test_an_empty_answer_is_the_end_where_the_range_ends_within_its_window(
    exchange: FakeExchange, market: CcxtMarket
) -> None:
    start = hour("2017-06-01T00:00")
    (page,) = market.pages(BTC_1H, start, start + 999 * HOUR, NOW)
    assert (page.start, page.end, len(page.candles)) == (start, start + 999 * HOUR, 0)
    assert len(exchange.asked()) == 2  # one shows how far an answer looks


def test_newest_candles_that_are_late_are_not_waited_for(
    exchange: FakeExchange, market: CcxtMarket
) -> None:
    exchange.late, exchange.running = 2, False
    pages = list(market.pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW))
    assert opens_of(pages)[-1] == hour("2026-11-22T17:00")
    assert_contiguous(pages, NOW - 9 * HOUR, hour("2026-11-22T20:00"))
    assert len(exchange.asked()) == 2


def test_an_exchange_that_repeats_itself_ends_the_reading(
    exchange: FakeExchange, market: CcxtMarket
) -> None:
    start = NOW - 2500 * HOUR
    stuck: list[Reply] = []

    def repeat(reply: Reply) -> Reply:
        stuck.append(reply)
        return stuck[0]

    exchange.spoil_always(repeat)
    pages = list(market.pages(BTC_1H, start, NOW, NOW))
    assert_same(joined(pages), true_candles(BTC_1H, start, NOW).head(1000))
    assert_contiguous(pages, start, NOW.replace(minute=0))
    assert len(exchange.asked()) == 3


def with_field(position: int, value: Any) -> Fault:
    """The second candle with another value in one field."""

    def change(klines: list[Kline]) -> list[Kline]:
        klines[1][position] = value
        return klines

    return changed_klines(change)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (with_field(0, 1795352460000), "unaligned"),  # 2026-11-22T13:01
        (with_field(0, 0), "implausible_times"),
        (with_field(0, int((NOW + timedelta(days=9)).timestamp() * 1000)), "implausible_times"),
        (with_field(1, "0.00000000"), "price_not_positive"),
        (with_field(1, None), "not_finite"),
        (with_field(1, "n/a"), "not_finite"),
        (with_field(2, "0.00000001"), "ohlc"),
        (with_field(5, "-1.00000000"), "negative_volume"),
        (changed_klines(lambda rows: [rows[0], [None] * 12, *rows[2:]]), "implausible_times"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_candle_that_breaks_the_contract_is_refused_alone(
    exchange: FakeExchange, market: CcxtMarket, fault: Fault, rule: str, order: int
) -> None:
    exchange.spoil(lambda reply: changed_klines(lambda rows: rows[::order])(fault(reply)))  # type: ignore[arg-type]
    pages = list(market.pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW))
    true = true_candles(BTC_1H, NOW - 9 * HOUR, NOW)
    (refusal,) = [refusal for page in pages for refusal in page.refused]
    assert (refusal.start, refusal.rule) == (true["timestamp"].iloc[1], rule)
    assert refusal.value
    assert_same(joined(pages), true.drop(1).reset_index(drop=True))
    assert_contiguous(pages, NOW - 9 * HOUR, NOW.replace(minute=0))


def test_an_answer_of_which_no_candle_keeps_the_contract_is_refused_as_a_whole(
    exchange: FakeExchange, market: CcxtMarket
) -> None:
    exchange.spoil(changed_klines(lambda klines: [kline[:4] for kline in klines]))
    (page,) = market.pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW)
    assert page.candles.empty
    assert {refusal.rule for refusal in page.refused} == {"not_finite"}
    assert len(page.refused) == 8


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (in_seconds, "the exchange sends seconds"),
        (in_microseconds, "the exchange sends microseconds"),
        (changed_klines(lambda rows: [[0, *row[1:]] for row in rows]), "the clock of"),
        (
            changed_klines(lambda rows: [[row[0] + 9 * 86_400_000, *row[1:]] for row in rows]),
            "the clock of",
        ),
    ],
)
def test_implausible_times_are_refused_with_their_likely_cause(
    exchange: FakeExchange, fault: Fault, cause: str
) -> None:
    market = CcxtMarket("binance", exchange.configure, clock=lambda: NOW)
    exchange.spoil(fault)
    with pytest.raises(InvalidCandles, match=f"binance BTC/USDT 1h: .*{cause}") as refused:
        list(market.pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW))
    assert refused.value.rule == "implausible_times"
    assert 1 <= len(refused.value.offenders) <= 3
    market.close()


def test_candles_since_a_time_in_the_past_are_plausible(market: CcxtMarket) -> None:
    then = NOW - 3000 * HOUR
    pages = list(market.pages(BTC_1H, then - 9 * HOUR, then, then))
    assert_same(joined(pages), true_candles(BTC_1H, then - 9 * HOUR, then, then))


# --------------------------------------------------------------------------------- the first candle


@pytest.mark.parametrize(
    ("name", "first", "requests"),
    [
        ("1m", "2017-08-17T04:00", 4),
        ("1h", "2017-08-17T04:00", 4),
        # One more a timeframe makes sure that nothing comes before: the newest candles look alike.
        ("1d", "2017-08-17T00:00", 4),
        ("1w", "2017-08-14T00:00", 4),
        ("1M", "2017-08-01T00:00", 2),
    ],
)
def test_the_first_candle_is_found_with_few_requests(
    exchange: FakeExchange, market: CcxtMarket, name: str, first: str, requests: int
) -> None:
    assert market.listed(Series("BTC/USDT", Timeframe(name)), NOW) == hour(first)
    assert len(exchange.asked()) == requests


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        (NOW - timedelta(minutes=30), None),
        (NOW - HOUR, hour("2026-11-22T19:00")),
        (NOW - 3 * HOUR, hour("2026-11-22T17:00")),
        (NOW + HOUR, None),
    ],
)
def test_a_young_symbol_is_listed_once_it_has_a_closed_candle(
    listed: datetime, found: datetime | None
) -> None:
    with FakeExchange(NOW, listed=listed) as exchange:
        market = CcxtMarket("binance", exchange.configure)
        assert market.listed(BTC_1H, NOW) == found
        market.close()


def test_an_exchange_without_months_is_searched_in_what_it_offers() -> None:
    with FakeExchange(NOW) as exchange:
        exchange.windowed, exchange.most_rows = True, 300

        def configure(client: Any) -> None:
            exchange.configure(client)
            del client.timeframes["1M"], client.timeframes["1w"]

        market = CcxtMarket("binance", configure)
        assert market.listed(BTC_1H, NOW) == hour("2017-08-17T04:00")
        market.close()
    assert {request.query["interval"] for request in exchange.asked()} == {"1d", "1h"}


# ------------------------------------------------------------------------------------ the estimate


def test_an_estimate_asks_nobody(exchange: FakeExchange, market: CcxtMarket) -> None:
    start = hour("2026-01-01T00:00")
    assert market.estimate(BTC_1H, start, start + 2001 * HOUR) == Estimate(3, 0.15)
    assert market.estimate(BTC_1H, start, start) == Estimate(0, 0.0)
    assert exchange.requests == []


def test_pages_are_as_long_as_the_exchange_is_known_to_send() -> None:
    start = hour("2026-01-01T00:00")
    market = CcxtMarket("okx")
    assert market.estimate(BTC_1H, start, start + 2001 * HOUR).requests == 7  # 300 each
    market.close()


# ------------------------------------------------------------------------------------------ errors

PAGE_OF_TEXT = b"<html><body>Scheduled maintenance</body></html>"

PASSING: dict[str, Fault] = {
    "overloaded": http_status(503, PAGE_OF_TEXT),
    "internal error": http_status(500),
    "bad gateway": http_status(502, PAGE_OF_TEXT),
    "gateway timeout": http_status(504, PAGE_OF_TEXT),
    "a time-out that ccxt has no class for": http_status(524, PAGE_OF_TEXT),
    "internal error with a code unknown to ccxt": json_error(-9999, "Unknown.", status=503),
    "too many requests": http_status(429, headers={"Retry-After": "1"}),
    "too many requests, with code": json_error(-1003, "Too many requests.", status=429),
    "too many requests, as success": json_error(-1003, "Too many requests.", status=200),
    "banned for a while": json_error(-1003, "IP banned until 1.", status=418),
    "disconnected": json_error(-1001, "Internal error; unable to process your request."),
    "dropped connection": dropped_connection,
    "connection reset": reset,
    "an empty object": other_json({}),
    "another object": other_json({"candles": 1}),
    "a text": other_json("try later"),
    "nothing in a list": other_json([None]),
    "a candle of nothing": other_json([[None] * 12]),
    "too slow an answer": slow(2.2),
    "half a reply": cut_off,
    "half a reply, as if whole": lambda reply: Reply(reply.body[: len(reply.body) // 2]),
    "a page of text": html,
    "nothing": lambda _: Reply(b""),
}


@pytest.fixture
def hasty_market(exchange: FakeExchange, slept: list[float]) -> Iterator[CcxtMarket]:
    """One that waits 0.2 s for an answer."""

    def configure(client: Any) -> None:
        exchange.configure(client)
        client.timeout = 1500  # long for a busy machine, short for `slow`

    market = CcxtMarket("binance", configure, sleep=slept.append, chance=lambda: 0.0)
    yield market
    market.close()


@pytest.mark.parametrize("endpoint", ["exchangeInfo", "klines"])
@pytest.mark.parametrize("what", PASSING)
def test_trouble_that_passes_is_waited_for(
    exchange: FakeExchange, hasty_market: CcxtMarket, slept: list[float], endpoint: str, what: str
) -> None:
    exchange.spoil(PASSING[what], times=2, endpoint=endpoint)
    pages = list(hasty_market.pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW))
    assert len(opens_of(pages)) == 8
    assert slept == [1.0, 2.0]


@pytest.mark.parametrize("endpoint", ["exchangeInfo", "klines"])
@pytest.mark.parametrize("what", [name for name in PASSING if name != "too slow an answer"])
def test_trouble_that_stays_is_temporary_and_the_market_delivers_afterwards(
    exchange: FakeExchange, market: CcxtMarket, endpoint: str, what: str
) -> None:
    exchange.spoil_always(PASSING[what], endpoint=endpoint)
    expected = "binance did not deliver BTC/USDT 1h candles from 2026-11-22 11:40 in 6 attempts"
    with pytest.raises(MarketUnavailable, match=expected) as raised:
        list(market.pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW))
    assert isinstance(raised.value, TemporaryError)
    assert raised.value.__cause__ is not None
    exchange.heal()
    assert len(opens_of(list(market.pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW)))) == 8


@pytest.mark.parametrize("what", ["overloaded", "dropped connection", "a page of text"])
def test_trouble_on_the_way_keeps_the_pages_before_it(
    exchange: FakeExchange, market: CcxtMarket, what: str
) -> None:
    start = NOW - 2500 * HOUR
    pages = market.pages(BTC_1H, start, NOW, NOW)
    arrived = list(islice(pages, 2))
    exchange.spoil_always(PASSING[what])
    with pytest.raises(MarketUnavailable):
        next(pages)
    exchange.heal()
    resumed = market.pages(BTC_1H, opens_of(arrived)[-1] + HOUR, NOW, NOW)
    assert_same(joined([*arrived, *resumed]), true_candles(BTC_1H, start, NOW))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (json_error(-1100, "Illegal characters found in parameter."), r"BadRequest: .*-1100"),
        (json_error(-9999, "Never heard of."), r"ExchangeError: .*-9999"),
        (http_status(401), "wants credentials .*AuthenticationError.*COIN_MARKET"),
        (json_error(-2015, "Invalid API-key, IP, or permissions."), "wants credentials .*-2015"),
        (http_status(403, PAGE_OF_TEXT), "blocks this machine, HTTP 403 .*COIN_MARKET"),
        (http_status(451, b"restricted location"), "blocks this machine, HTTP 451 .*COIN_MARKET"),
    ],
)
def test_a_refusal_is_permanent_and_says_what_the_exchange_said(
    exchange: FakeExchange, market: CcxtMarket, slept: list[float], fault: Fault, message: str
) -> None:
    exchange.spoil(fault)
    with pytest.raises(PermanentError, match=message) as raised:
        list(market.pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW))
    assert not isinstance(raised.value, SymbolUnavailable)
    # Whether it is too old is found out by asking for newer and for older candles.
    assert len(exchange.asked()) == (3 if isinstance(raised.value, RangeRefused) else 1)
    assert slept == []


@pytest.mark.parametrize("symbol", ["NOPE/USDT", "BTCUSDT/", "BTCUSDT", ""])
def test_an_unlisted_symbol_is_unavailable_without_asking_for_its_candles(
    exchange: FakeExchange, market: CcxtMarket, symbol: str
) -> None:
    with pytest.raises(SymbolUnavailable, match=f"binance has no {symbol}.*COIN_SYMBOLS"):
        list(market.pages(Series(symbol, Timeframe("1h")), NOW - 9 * HOUR, NOW, NOW))
    assert exchange.asked() == []


def test_a_symbol_in_another_script_is_asked_for_as_the_exchange_writes_it(
    slept: list[float],
) -> None:
    series = Series("币安人生/USDT", Timeframe("1h"))
    with FakeExchange(NOW, symbols=["币安人生/USDT"]) as exchange:
        market = CcxtMarket("binance", exchange.configure, sleep=slept.append)
        assert_same(
            joined(list(market.pages(series, NOW - 9 * HOUR, NOW, NOW))),
            true_candles(series, NOW - 9 * HOUR, NOW.replace(minute=0)),
        )
        assert exchange.asked()[0].query["symbol"] == "币安人生USDT"
        market.close()


@pytest.mark.parametrize(
    ("listed", "written"), [("É/USDT", "E\u0301/USDT"), ("E\u0301/USDT", "É/USDT")], ids=ascii
)
def test_a_symbol_in_another_unicode_form_is_told_which_one_the_exchange_has(
    listed: str, written: str
) -> None:
    with FakeExchange(NOW, symbols=[listed]) as exchange:
        market = CcxtMarket("binance", exchange.configure)
        with pytest.raises(SymbolUnavailable) as raised:
            list(market.pages(Series(written, Timeframe("1h")), NOW - 9 * HOUR, NOW, NOW))
        assert f"Correct COIN_SYMBOLS: did you mean {listed!a}?" in str(raised.value)
        market.close()


def test_a_symbol_that_the_exchange_took_off_its_list_is_unavailable(
    exchange: FakeExchange, market: CcxtMarket
) -> None:
    exchange.spoil(json_error(-1121, "Invalid symbol."))
    with pytest.raises(SymbolUnavailable, match=r"binance has no BTC/USDT .*Invalid symbol"):
        list(market.pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW))


def test_a_delisted_symbol_delivers_what_it_has_and_then_says_so(
    exchange: FakeExchange, market: CcxtMarket
) -> None:
    ended = NOW.replace(minute=0) - 100 * HOUR
    exchange.delisted["BTC/USDT"] = ended
    start = ended - 1500 * HOUR
    pages = market.pages(BTC_1H, start, NOW, NOW)
    arrived = list(islice(pages, 2))
    assert_same(joined(arrived), true_candles(BTC_1H, start, ended))
    with pytest.raises(SymbolUnavailable, match=r"does not trade BTC/USDT .*COIN_SYMBOLS"):
        next(pages)
    assert_same(
        joined(list(market.pages(BTC_1H, start, ended, NOW))), true_candles(BTC_1H, start, ended)
    )


# --------------------------------------------------------------------------------------- life cycle


def test_nothing_is_contacted_before_the_first_page_is_asked_for(exchange: FakeExchange) -> None:
    configured: list[Any] = []
    market: Market = CcxtMarket("binance", configured.append)
    assert market.horizon(BTC_1H, NOW) == NOW
    market.pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW)
    market.close()
    assert configured == []
    assert exchange.requests == []


def test_all_keys_share_one_connection(exchange: FakeExchange, market: CcxtMarket) -> None:
    for symbol in ("BTC/USDT", "ETH/USDT"):
        list(market.pages(Series(symbol, Timeframe("1h")), NOW - 2500 * HOUR, NOW, NOW))
    assert len(exchange.asked()) == 6
    assert len(exchange.asked("exchangeInfo")) == 1
    assert exchange.connections == 1


def test_a_closed_market_can_be_used_again(exchange: FakeExchange) -> None:
    clients: list[Any] = []

    def configure(client: Any) -> None:
        exchange.configure(client)
        clients.append(client)

    market = CcxtMarket("binance", configure)
    for used in (1, 2):
        assert len(opens_of(list(market.pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW)))) == 8
        assert len(clients) == len(exchange.asked("exchangeInfo")) == used
        market.close()
        market.close()
    assert clients[0] is not clients[1]


def test_closing_hangs_up(exchange: FakeExchange) -> None:
    hung_up: list[str] = []
    clients: list[Any] = []  # or it would hang up by itself when it is forgotten

    def configure(client: Any) -> None:
        exchange.configure(client)
        client.session.close = lambda: hung_up.append("client")
        clients.append(client)

    market = CcxtMarket("binance", configure)
    list(market.pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW))
    assert hung_up == []
    market.close()
    assert hung_up == ["client"]


def test_reading_keeps_to_the_rate_that_the_exchange_allows() -> None:
    clients: list[Any] = []
    market = CcxtMarket("binance", clients.append)
    list(market.pages(BTC_1H, NOW, NOW, NOW))
    assert clients[0].enableRateLimit
    assert clients[0].timeout == 20_000


def test_only_the_spot_host_is_asked_and_an_unreachable_one_is_temporary(
    refused_hosts: list[str],
) -> None:
    with pytest.raises(MarketUnavailable, match="binance did not deliver"):
        list(CcxtMarket("binance", sleep=lambda _: None).pages(BTC_1H, NOW - 9 * HOUR, NOW, NOW))
    assert set(refused_hosts) == {"api.binance.com"}
    refused_hosts.clear()


def test_the_factory_opens_an_exchange_without_contacting_it() -> None:
    market = open_market("ccxt", "kraken")
    assert isinstance(market, CcxtMarket)
    assert market.horizon(BTC_1H, NOW) == NOW


def test_the_factory_opens_the_sandbox() -> None:
    assert isinstance(open_market("sandbox", ""), SandboxMarket)


@pytest.mark.parametrize("kind", ["", "Sandbox", "binance"])
def test_the_factory_refuses_an_unknown_kind(kind: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{kind}'. Use sandbox, ccxt or archive"):
        open_market(kind, "")


def test_ccxt_is_imported_at_first_use_only() -> None:
    code = (
        "import sys; from coin_assets.market.factory import open_market; "
        "open_market('ccxt', 'binance').close(); assert 'ccxt' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------------------- the real exchange


@requires_real_data
def test_recorded_replies_of_the_real_exchange_are_read_as_they_are(
    exchange: FakeExchange, market: CcxtMarket
) -> None:
    raw = REAL_DATA / "raw"
    klines = json.loads((raw / "rest_klines_1m_500.json").read_bytes())
    listing = json.loads((raw / "exchangeInfo_spot_2022-12-17_5_symbols.json").read_bytes())
    exchange.spoil(lambda _: json_reply(listing), endpoint="exchangeInfo")
    exchange.spoil(lambda _: json_reply(klines))
    start, end = (datetime.fromtimestamp(klines[row][0] / 1000, UTC) for row in (0, -1))
    series = Series("BTC/USDT", Timeframe("1m"))
    (page,) = market.pages(series, start, end, end)
    assert len(page.candles) == len(klines) - 1 == 499
    assert page.candles[VALUES].to_numpy().tolist() == [
        [float(text) for text in kline[1:6]] for kline in klines[:-1]
    ]
    assert_same(between(page.candles, start, end), page.candles)
