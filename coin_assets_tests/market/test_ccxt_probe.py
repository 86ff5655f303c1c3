"""One request tells within seconds whether an exchange answers, and if not, why."""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coin_assets.errors import MarketUnavailable, PermanentError
from coin_assets.market import ccxt_probe
from coin_assets.market.base import RemoteMarket
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.combined import CombinedMarket
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.faults import http_status
from coin_assets_tests.market.unreachable import FOREIGN, REASONS, Configure, at, out_of_order
from coin_assets_tests.platform import series

NOW = datetime(2026, 11, 22, 20, 40, tzinfo=UTC)
BTC_1H = series("1h")


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(NOW) as made:
        yield made


def market(way: Configure) -> CcxtMarket:
    """A market for which any wait is an error."""
    return CcxtMarket("binance", way, sleep=lambda _: pytest.fail("it waits"))


@pytest.mark.parametrize("kind", REASONS)
def test_an_exchange_out_of_order_is_found_by_one_request(
    exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with out_of_order(kind, exchange, monkeypatch) as way:
        probed = market(way)
        expected = rf"^binance does not answer \({REASONS[kind]}.*\)\. Check the network and COIN"
        with pytest.raises(MarketUnavailable, match=expected) as raised:
            probed.probe(BTC_1H)
    assert [word for word in FOREIGN if word in str(raised.value)] == []
    assert probed.usage().requests == 1


@pytest.mark.parametrize("symbol", ["BTC/USDT", "NOPE/USDT"])
def test_an_exchange_that_answers_is_asked_for_its_list_alone(
    exchange: FakeExchange, symbol: str
) -> None:
    probed = market(exchange.configure)
    probed.probe(series("1h", symbol))
    assert [request.endpoint for request in exchange.requests] == ["exchangeInfo"]
    assert len(list(probed.pages(BTC_1H, NOW, NOW, NOW))) == 0
    probed.close()


def test_an_exchange_that_blocks_this_machine_says_so(exchange: FakeExchange) -> None:
    exchange.spoil_always(http_status(451), "exchangeInfo")
    with pytest.raises(PermanentError, match="binance blocks this machine, HTTP 451"):
        market(exchange.configure).probe(BTC_1H)


def test_nothing_is_waited_for_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt_probe, "PROBE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        with pytest.raises(MarketUnavailable, match=r"does not answer within 0\.3 s"):
            market(at(f"http://127.0.0.1:{mute.getsockname()[1]}")).probe(BTC_1H)
        assert time.monotonic() - began < 5


def test_a_name_server_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ccxt_probe, "PROBE_SECONDS", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(5))
    began = time.monotonic()
    with pytest.raises(MarketUnavailable, match=r"no answer within 0\.3 s"):
        market(at("http://exchange.invalid")).probe(BTC_1H)
    assert time.monotonic() - began < 4


def test_an_exchange_with_an_archive_is_probed_and_the_sandbox_is_not(
    exchange: FakeExchange, tmp_path: Path
) -> None:
    exchange.spoil_always(http_status(503), "exchangeInfo")
    combined = CombinedMarket(ArchiveFiles(str(tmp_path)), market(exchange.configure))
    assert isinstance(combined, RemoteMarket)
    with pytest.raises(MarketUnavailable, match="answers HTTP 503"):
        combined.probe(BTC_1H)
    assert not isinstance(SandboxMarket(), RemoteMarket)
