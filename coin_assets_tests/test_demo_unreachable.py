"""``make demo`` on an exchange that does not answer: one request, one sentence, exit code 2."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coin_assets import demo
from coin_assets.market import factory
from coin_assets.market.ccxt import CcxtMarket
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.unreachable import FOREIGN, REASONS, out_of_order
from coin_assets_tests.platform import utc


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(utc("2026-11-22T20:40")) as made:
        yield made


@pytest.mark.parametrize("kind", REASONS)
def test_an_exchange_that_does_not_answer_ends_the_demo_with_one_sentence(
    tmp_path: Path,
    exchange: FakeExchange,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    monkeypatch.setenv("COIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COIN_MARKET", "ccxt:binance")
    with out_of_order(kind, exchange, monkeypatch) as way:
        made: list[CcxtMarket] = []

        def connected(exchange_id: str) -> CcxtMarket:
            made.append(CcxtMarket(exchange_id, way, sleep=lambda _: pytest.fail("it waits")))
            return made[-1]

        monkeypatch.setattr(factory, "CcxtMarket", connected)
        assert demo.main([]) == 2
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("demo: binance does not answer (")
    assert line.endswith("). Check the network and COIN_MARKET, or run again later.")
    assert [word for word in FOREIGN if word in line] == []
    assert printed.out == ""
    assert sum(each.usage().requests for each in made) == 1
