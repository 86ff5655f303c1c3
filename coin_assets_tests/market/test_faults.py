"""Every fault of an exchange, and what becomes of a pull that meets it: a table of both.

Candles (real ones where the machine has them) go from the fake exchange through the real ccxt
client into a store. A fault begins once the first page is stored, and passes after two replies or
lasts. Whatever it is, the pull ends in one of these ways:

- identical: the candle files are, byte for byte, those of a pull without the fault;
- explained: candles are missing, the ledger knows each of them, and all others are right;
- refused: a typed error, the ledger says failed, and nothing wrong is stored;
- as sent: what no candle rule can tell from a true candle is stored, until it is read again.

After the fault, pulling once more (and for what was stored as sent, reading again) makes the
store identical to one that never met it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coin_assets.domain.candles.absences import FAILED
from coin_assets.domain.candles.gap_ledger import Missing
from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.candles.resampling import resample
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import CoinAssetsError
from coin_assets.market.base import Market
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.market import faults
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.faults import Fault, http_status, json_error, wait_please
from coin_assets_tests.market.recorded import RecordedMarket
from coin_assets_tests.realdata import REAL_DATA, real_candles

BTC_1H = Series("BTC/USDT", Timeframe("1h"))
START, END = datetime(2018, 1, 1, tzinfo=UTC), datetime(2018, 5, 1, tzinfo=UTC)
# In the middle of an hour, so that there is a running candle. The months hold real outages.
NOW, LATER = datetime(2018, 3, 20, 12, 30, tzinfo=UTC), datetime(2018, 5, 2, 12, 30, tzinfo=UTC)
_REQUESTS_BEFORE = 3  # two find the first candle, one brings the first page

UNAVAILABLE = "refused: MarketUnavailable"
INVALID = "refused: InvalidCandles"
PERMANENT = "refused: PermanentError"
LATE = "explained: CandlesNotYetAvailable"
NO_SYMBOL = "refused: SymbolUnavailable"

FAULTS: dict[str, tuple[Fault, str, str]] = {
    # what happens to replies: outcome if it passes, outcome if it lasts
    **{
        f"HTTP {status}": (http_status(status), "identical", UNAVAILABLE)
        for status in (500, 502, 503, 504)
    },
    "429, Retry-After 30 s": (wait_please(429, "30"), "identical", UNAVAILABLE),
    "418, Retry-After 2 h": (wait_please(418, "7200"), UNAVAILABLE, UNAVAILABLE),
    "connection reset": (faults.reset, "identical", UNAVAILABLE),
    "connection dropped": (faults.dropped_connection, "identical", UNAVAILABLE),
    "reply cut off": (faults.cut_off, "identical", UNAVAILABLE),
    "slow answer": (faults.slow(2.2), "identical", UNAVAILABLE),
    "HTML with status 200": (faults.html, "identical", UNAVAILABLE),
    "empty object": (faults.other_json({}), "identical", UNAVAILABLE),
    "other object": (faults.other_json({"rows": 1}), "identical", UNAVAILABLE),
    "HTTP 401": (http_status(401), PERMANENT, PERMANENT),
    "HTTP 403": (http_status(403), PERMANENT, PERMANENT),
    "HTTP 451": (http_status(451), PERMANENT, PERMANENT),
    "unknown symbol": (json_error(-1121, "Invalid symbol."), NO_SYMBOL, NO_SYMBOL),
    "seconds": (faults.in_seconds, INVALID, INVALID),
    "microseconds": (faults.in_microseconds, INVALID, INVALID),
    "rows of zeros": (faults.zero_rows, INVALID, INVALID),
    "newest first": (faults.newest_first, "identical", "identical"),
    "every candle twice": (faults.every_candle_twice, "identical", "identical"),
    "no candles": (faults.no_candles, LATE, LATE),  # nor the newest one
    "one hour missing": (
        faults.without(datetime(2018, 2, 20, tzinfo=UTC)),
        "explained",
        "explained",
    ),
    "quote volume": (faults.quote_volume, "as sent", "as sent"),
}

HABITS: dict[str, tuple[dict[str, Any], str]] = {
    "at most 300 candles": ({"most_rows": 300}, "identical"),
    "a window": ({"windowed": True}, "identical"),
    "a window of 300": ({"windowed": True, "most_rows": 300}, "identical"),
    "after since only": ({"exclusive": True}, "identical"),
    "no running candle": ({"running": False}, "identical"),
    "newest candles late": (
        {"late": 2, "running": False},
        LATE,
    ),
    "delisted": ({"delisted": {"BTC/USDT": datetime(2018, 3, 1, tzinfo=UTC)}}, NO_SYMBOL),
}


def served() -> Market:
    if not REAL_DATA.is_dir():
        return SandboxMarket()
    hours = real_candles("BTC/USDT", "1h")
    frames = {BTC_1H: hours}
    for target in (Timeframe("1d"), Timeframe("1M")):
        frames[Series("BTC/USDT", target)] = resample(hours, BTC_1H.timeframe, target).candles
    return RecordedMarket(frames)


@pytest.fixture(scope="module")
def candles() -> Market:
    return served()


@pytest.fixture
def exchange(candles: Market) -> Iterator[FakeExchange]:
    with FakeExchange(NOW, candles) as running:
        yield running


class Puller:
    """Pulls of one store from one exchange, each as a run of its own."""

    def __init__(self, exchange: FakeExchange, home: Path) -> None:
        self._exchange = exchange
        self._home = home
        self.store = ParquetStore(home)

    def pull(self, now: datetime) -> str | None:
        """Pull as of ``now``; the name of the error, if one is raised."""
        self._exchange.now = now
        market = CcxtMarket(
            "binance", self._configure, lambda _: None, chance=lambda: 0.0, clock=lambda: now
        )
        wanted = FetchRequest(BTC_1H, START, END, first_expected=START, closed_by=now, reread=5)
        try:
            fetch_candles(self.store, market, wanted, lambda: now)
        except CoinAssetsError as error:
            return type(error).__name__
        finally:
            market.close()
        return None

    def files(self) -> dict[str, bytes]:
        """The candle files."""
        folder = self._home / "candles"
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def frame(self) -> pd.DataFrame:
        return self.store.read_candles(BTC_1H, START, END)

    def missing(self, now: datetime) -> list[Missing]:
        """What the ledger says about each candle that is not stored."""
        due = START, BTC_1H.timeframe.floor(min(now, END))
        gaps = find_gaps(self.frame()["timestamp"], BTC_1H.timeframe, *due)
        return self.store.read_ledger(BTC_1H).explained(gaps, BTC_1H.timeframe)

    def _configure(self, client: Any) -> None:
        self._exchange.configure(client)
        client.timeout = 1500  # long for a busy machine, short for `slow`


@pytest.fixture(scope="module")
def faultless(candles: Market, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A pull without a fault: its files then and later, its candles and what it lacks."""
    with FakeExchange(NOW, candles) as exchange:
        puller = Puller(exchange, tmp_path_factory.mktemp("faultless"))
        assert puller.pull(NOW) is None
        then = {
            "files": puller.files(),
            "frame": puller.frame(),
            "lacks": puller.missing(NOW),
        }
        assert puller.pull(LATER) is None
        return {**then, "files later": puller.files()}


def outcome_of(puller: Puller, error: str | None, faultless: dict[str, Any]) -> str:
    """How a pull ended; asserts what every end promises."""
    stored, true = puller.frame(), faultless["frame"]
    lost = ~true["timestamp"].isin(stored["timestamp"])
    missing = puller.missing(NOW)
    same = stored.equals(true[~lost].reset_index(drop=True))
    if error is not None and any(each.state == FAILED for each in missing):
        assert same
        assert all(each.error for each in missing if each.state == FAILED)
        return f"refused: {error}"
    ledger = puller.store.read_ledger(BTC_1H)
    for opened in true["timestamp"][lost]:
        assert any(each.start <= opened < each.end for each in ledger.absences), opened
    if not same:
        return "as sent"
    if lost.any():
        return "explained" if error is None else f"explained: {error}"
    assert error is None
    assert puller.files() == faultless["files"]
    assert missing == faultless["lacks"]
    return "identical"


def pulls_until_healed(puller: Puller, faultless: dict[str, Any]) -> int:
    """How many pulls after the fault make the store as if there had been none."""
    for count in (1, 2):
        assert puller.pull(LATER) is None
        if puller.files() == faultless["files later"]:
            return count
    raise AssertionError("the store does not heal")


@pytest.mark.parametrize("lasts", [False, True], ids=["passes", "lasts"])
@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_of_replies_does_no_lasting_harm(
    exchange: FakeExchange,
    tmp_path: Path,
    faultless: dict[str, Any],
    record_property: Any,
    what: str,
    lasts: bool,
) -> None:
    fault, if_passing, if_lasting = FAULTS[what]
    exchange.spoil(lambda reply: reply, times=_REQUESTS_BEFORE)
    if lasts:
        exchange.spoil_always(fault)
    else:
        exchange.spoil(fault, times=2)
    puller = Puller(exchange, tmp_path)
    outcome = outcome_of(puller, puller.pull(NOW), faultless)
    assert outcome == (if_lasting if lasts else if_passing)
    exchange.heal()
    healed = pulls_until_healed(puller, faultless)
    assert healed == (2 if outcome == "as sent" else 1)
    record_property("fault", (what, "lasts" if lasts else "passes", outcome, healed))


@pytest.mark.parametrize("what", HABITS)
def test_a_habit_of_an_exchange_does_no_lasting_harm(
    exchange: FakeExchange,
    tmp_path: Path,
    faultless: dict[str, Any],
    record_property: Any,
    what: str,
) -> None:
    habits, expected = HABITS[what]
    for name, value in habits.items():
        setattr(exchange, name, value)
    puller = Puller(exchange, tmp_path)
    outcome = outcome_of(puller, puller.pull(NOW), faultless)
    assert outcome == expected
    exchange.heal()
    healed = pulls_until_healed(puller, faultless)
    assert healed == 1
    record_property("fault", (what, "habit", outcome, healed))


def test_what_is_stored_as_sent_is_recorded_as_revised_when_it_is_read_again(
    exchange: FakeExchange, tmp_path: Path, faultless: dict[str, Any]
) -> None:
    exchange.spoil(lambda reply: reply, times=_REQUESTS_BEFORE)
    exchange.spoil(faults.quote_volume, times=1)
    puller = Puller(exchange, tmp_path)
    assert puller.pull(NOW) is None
    exchange.heal()
    pulls_until_healed(puller, faultless)
    revisions = puller.store.read_revisions(BTC_1H, START, END)
    assert len(revisions) >= 840  # a page, less what outages took


def test_a_fault_while_the_first_candle_is_looked_for_stores_nothing(
    exchange: FakeExchange, tmp_path: Path, faultless: dict[str, Any]
) -> None:
    exchange.spoil_always(http_status(503))
    puller = Puller(exchange, tmp_path)
    assert puller.pull(NOW) == "MarketUnavailable"
    assert puller.files() == {}
    exchange.heal()
    assert puller.pull(NOW) is None
    assert puller.files() == faultless["files"]
