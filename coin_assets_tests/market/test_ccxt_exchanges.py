"""Every exchange that ccxt lists with candles, walked without a network.

The real ccxt client of each exchange makes its requests; a recording transport stands in for the
exchange. It answers with the oldest candles of the range that was asked for, as the request itself
says it, in ccxt's own rows. So the test shows how far each request reaches after ccxt has changed
it, and that consecutive windows leave no hole, whatever ccxt asks for.

The table in docs/operations/exchanges.md is made here: exchange, window sent, cap, covered range
and verdict. Those that cannot be walked are named with the reason, and settings refuse them.
"""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import ccxt
import pytest

from coin_assets.config.settings import Settings
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import ConfigurationError
from coin_assets.market.base import Meter
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.ccxt_client import Client
from coin_assets.market.ccxt_requests import Asked, read_request
from coin_assets.market.ccxt_support import made_up_market, why_not
from coin_assets_tests.realdata import REPOSITORY

EVER, NOW = datetime(2017, 1, 1, tzinfo=UTC), datetime(2026, 11, 22, 20, 40, tzinfo=UTC)
HOURLY, HOUR = Timeframe("1h"), timedelta(hours=1)
START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
HOLE = datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 4, 25, 7, tzinfo=UTC)
UNDOCUMENTED_CAP = 150
# What the exchange cannot be asked for at all, as ccxt says; settings refuse it.
REFUSED = {
    "cex": "cannot be asked for from a time on alone",
    "luno": "its customers only",
    "modetrade": "its customers only",
    "woofipro": "its customers only",
    "zebpay": "cannot be asked for from a time on alone",
}
# They send their newest candles whatever is asked for: the rest is older than they serve.
NEWEST_ONLY = {
    "bithumb",
    "bitrue",
    "bitteam",
    "bittrade",
    "deepcoin",
    "extended",
    "gemini",
    "nado",
    "p2b",
    "phemex",
    "weex",
}


def symbol_of(exchange_id: str) -> str:
    has = getattr(ccxt, exchange_id)().has
    return "BTC/USDT" if has.get("spot") else "BTC/USDT:USDT"


EXCHANGES = sorted(
    name for name in ccxt.exchanges if getattr(ccxt, name)().has.get("fetchOHLCV") is True
)
WALKED = [name for name in EXCHANGES if name not in REFUSED]


class Recorder:
    """An exchange that has every hour but those of a hole, and answers what it was asked for.

    Args:
        newest: of more candles than it sends, it sends the newest ones instead of the oldest.
        cap: candles that it sends at most; an undocumented one shows in its answers only.
        hole: opens of which it has no candle, half-open.
    """

    def __init__(
        self,
        exchange_id: str,
        *,
        newest: bool,
        cap: int,
        hole: tuple[datetime, datetime] = HOLE,
    ) -> None:
        self.exchange_id, self.newest, self.cap, self.hole = exchange_id, newest, cap, hole
        self.asked: list[Asked] = []
        self.since = START

    def configure(self, client: Any) -> None:
        symbol = symbol_of(self.exchange_id)
        client.enableRateLimit = False
        client.milliseconds = lambda: int(NOW.timestamp() * 1000)
        market = made_up_market(client, symbol)
        client.set_markets([market])
        client.load_markets = lambda *_, **__: client.markets
        sent: list[tuple[str, Any]] = []
        fetch = client.fetch  # counts and remembers

        def transport(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:  # noqa: ARG001
            sent.append((url, body))
            raise _Asked

        client.fetch = transport
        ask = client.fetch_ohlcv

        def fetch_ohlcv(
            symbol: str, timeframe: str, since: int, limit: int, params: Any
        ) -> list[list[Any]]:
            sent.clear()
            with pytest.raises(_Asked):
                ask(symbol, timeframe, since=since, limit=limit, params=params)
            self._remember(fetch, *sent[-1])
            client.last_json_response = {"candles": True}
            at = datetime.fromtimestamp((since + 1) / 1000, UTC)
            return self._rows(read_request(*sent[-1], at, HOURLY))

        client.fetch_ohlcv = fetch_ohlcv

    def _remember(self, fetch: Any, url: str, body: Any) -> None:
        """Let the platform's own wrapper see the request; its transport is cut off below."""
        fetch.__closure__  # noqa: B018 (a wrapper, not ccxt's own)
        wrapper = fetch
        inner = {
            name: cell.cell_contents
            for name, cell in zip(wrapper.__code__.co_freevars, wrapper.__closure__, strict=True)
        }
        client = inner["self"]
        client.answered, client.sent = True, (url, body)

    def _rows(self, asked: Asked) -> list[list[Any]]:
        self.asked.append(asked)
        first = max(asked.start or EVER, EVER)
        count = HOURLY.count(first, min(asked.end or NOW, NOW))
        opened = HOURLY.next(first - timedelta.resolution)
        most = min(asked.limit or self.cap, self.cap)
        is_newest = self.newest or asked.start is None
        places = range(count - 1, -1, -1) if is_newest else range(count)
        opens = (opened + place * HOUR for place in places)
        begin, end = self.hole
        sent = list(islice((each for each in opens if not begin <= each < end), most))
        return [[int(each.timestamp() * 1000), 1.0, 2.0, 0.5, 1.5, 3.0] for each in sorted(sent)]


class _Asked(BaseException):
    """Ends the request instead of sending it."""


def walked(recorder: Recorder) -> tuple[set[datetime], list[tuple[datetime, datetime, bool]]]:
    """Opens that a walk over the range found, and the ranges of its pages."""
    market = CcxtMarket(
        recorder.exchange_id, recorder.configure, sleep=lambda _: None, clock=lambda: NOW
    )
    series = Series(symbol_of(recorder.exchange_id), HOURLY)
    pages = list(market.pages(series, START, END, NOW))
    found = {each.to_pydatetime() for page in pages for each in page.candles["timestamp"]}
    assert all(page.error is None for page in pages)
    return found, [(page.start, page.end, page.is_unavailable) for page in pages]


def expected() -> set[datetime]:
    return {
        opened.to_pydatetime()
        for opened in HOURLY.opens(START, END)
        if not HOLE[0] <= opened < HOLE[1]
    }


@pytest.mark.parametrize("cap", [10_000, UNDOCUMENTED_CAP])
@pytest.mark.parametrize("newest", [False, True], ids=["oldest", "newest"])
@pytest.mark.parametrize("exchange_id", WALKED)
def test_consecutive_windows_leave_no_hole(exchange_id: str, newest: bool, cap: int) -> None:
    recorder = Recorder(exchange_id, newest=newest, cap=cap)
    found, ranges = walked(recorder)
    edges = [time for start, end, _ in ranges for time in (start, end)]
    assert (edges[0], edges[-1]) == (START, END)
    assert edges[1:-1:2] == edges[2::2]
    unavailable = [(start, end) for start, end, gone in ranges if gone]
    lost = {
        opened
        for opened in expected() - found
        if not any(start <= opened < end for start, end in unavailable)
    }
    assert lost == set()
    # Without an end, or with now as the end, the newest candles are the same whatever the start is.
    is_ranged = not newest or all(
        asked.end is not None and asked.end < NOW for asked in recorder.asked
    )
    if exchange_id not in NEWEST_ONLY and is_ranged:
        assert unavailable == []


@pytest.mark.parametrize("exchange_id", WALKED)
def test_an_answer_is_never_taken_for_more_than_its_request(exchange_id: str) -> None:
    """An exchange without a candle: each empty page ends where its request ends, or before."""
    recorder = Recorder(exchange_id, newest=False, cap=0)
    _, ranges = walked(recorder)
    wanted = [asked for asked in recorder.asked if asked.start is not None]
    for (start, end, _), asked in zip(ranges, wanted, strict=False):
        reach = asked.end or NOW
        if asked.end is None and asked.limit:
            reach = HOURLY.shift(start, asked.limit)
        assert end <= HOURLY.next(reach)


def row(exchange_id: str) -> str:
    """What the first request of a walk asks for, the cap that ccxt documents, the range that its
    answer covers, and the verdict."""
    symbol = symbol_of(exchange_id)
    reason = why_not(exchange_id, symbol)
    assert (reason is None) == (exchange_id not in REFUSED), (exchange_id, reason)
    if reason is not None:
        return f"| {exchange_id} | - | - | - | refused by settings: {REFUSED[exchange_id]} |"
    recorder = Recorder(exchange_id, newest=False, cap=10_000, hole=(EVER, EVER))
    _, pages = walked(recorder)
    asked = recorder.asked[0]
    cap = Client(exchange_id, lambda _: None, Meter()).documented_limit(symbol)
    start, end, _ = pages[0]
    covered = "-" if asked.start is None else f"{HOURLY.count(start, end)}"
    verdict = "newest candles only" if asked.start is None else "walked"
    return f"| {exchange_id} | {_window(asked)} | {cap or '-'} | {covered} | {verdict} |"


def test_the_table_of_all_exchanges_is_what_the_walk_shows() -> None:
    """To write the table anew: ``python -m coin_assets_tests.market.test_ccxt_exchanges``."""
    text = (REPOSITORY / "docs" / "operations" / "exchanges.md").read_text()
    shown = [line for line in text.splitlines() if line.startswith("| ")]
    begin = shown.index(next(line for line in shown if line.startswith("| exchange |")))
    assert len(EXCHANGES) > 80
    assert shown[begin + 1 :] == [row(exchange_id) for exchange_id in EXCHANGES]


def _window(asked: Asked) -> str:
    parts = []
    if asked.start is None:
        parts.append("newest")
    if asked.limit is not None:
        parts.append(f"limit {asked.limit}")
    if asked.end is not None and asked.start is not None:
        after = HOURLY.count(asked.start, asked.end)
        parts.append("end now" if asked.end > NOW - HOUR else f"end after {after}")
    return ", ".join(parts) or "start only"


@pytest.mark.parametrize("exchange_id", sorted(REFUSED))
def test_settings_refuse_an_exchange_that_cannot_be_walked(exchange_id: str, tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match=REFUSED[exchange_id]):
        Settings(home=tmp_path, market=f"ccxt:{exchange_id}", symbols=symbol_of(exchange_id))


@pytest.mark.parametrize(
    ("exchange_id", "symbol", "reason"),
    [
        ("binanceusdm", "BTC/USDT", "lists no spot markets"),
        ("kraken", "BTC/USD:USD", "lists spot markets only"),
    ],
)
def test_settings_refuse_a_symbol_of_a_market_type_that_the_exchange_lacks(
    exchange_id: str, symbol: str, reason: str, tmp_path: Any
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Settings(home=tmp_path, market=f"ccxt:{exchange_id}", symbols=symbol)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a test without a network asked for one")

    monkeypatch.setattr("socket.create_connection", refuse)


def test_times_are_read_in_every_unit_and_form() -> None:
    at = START - timedelta(milliseconds=1)
    millis = int(at.timestamp() * 1000)
    for query in (
        f"startTime={millis}",
        f"from={millis // 1000}",
        f"start_time={millis * 1_000_000}",
        "start=2026-02-28T23%3A59%3A59.999Z",
    ):
        asked = read_request(f"http://localhost/candles?{query}&limit=7", None, START, HOURLY)
        assert asked.start is not None
        assert START - timedelta(seconds=1) <= asked.start <= START
        assert (asked.end, asked.limit) == (None, 7)


if __name__ == "__main__":
    print("\n".join(map(row, EXCHANGES)))  # noqa: T201
