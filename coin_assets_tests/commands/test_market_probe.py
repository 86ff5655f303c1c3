"""``make up`` on an exchange that does not answer: one sentence at the start, and it goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coin_assets.commands import market_probe
from coin_assets.market import factory
from coin_assets.market.ccxt import CcxtMarket
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.unreachable import FOREIGN, REASONS, Configure, out_of_order
from coin_assets_tests.platform import utc


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(utc("2026-11-22T20:40")) as made:
        yield made


def connect(monkeypatch: pytest.MonkeyPatch, home: Path, way: Configure) -> None:
    monkeypatch.setenv("COIN_HOME", str(home))
    monkeypatch.setenv("COIN_MARKET", "ccxt:binance")
    monkeypatch.setattr(factory, "CcxtMarket", lambda exchange: CcxtMarket(exchange, way))


@pytest.mark.parametrize("kind", REASONS)
def test_an_exchange_that_does_not_answer_is_told_in_one_sentence(
    tmp_path: Path,
    exchange: FakeExchange,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    with out_of_order(kind, exchange, monkeypatch) as way:
        connect(monkeypatch, tmp_path, way)
        market_probe.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("make up: binance does not answer (")
    assert line.endswith("Collecting goes on by itself.")
    assert [word for word in FOREIGN if word in line] == []


def test_an_exchange_that_answers_is_not_mentioned(
    tmp_path: Path,
    exchange: FakeExchange,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    connect(monkeypatch, tmp_path, exchange.configure)
    market_probe.main()
    assert capsys.readouterr() == ("", "")
    assert [request.endpoint for request in exchange.requests] == ["exchangeInfo"]
