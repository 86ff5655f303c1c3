"""An exchange's edge of history: found once, reported once, and it holds up nothing.

A real platform in an empty home with its real sensors and the real ccxt client against stand-ins:
Gate refuses what is too many candles back, Kraken sends its newest 720 whatever is requested. Both
edges move on with the clock. Every cycle has a new client, as every run has in production, so only
the ledger can remember an edge.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from coin_assets.domain.json_format import time_text
from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.market.exchanges import EXCHANGES, Request, StandIn
from coin_assets_tests.orchestration.sensors.rig import Rig, purposes
from coin_assets_tests.platform import series, utc
from coin_assets_tests.schemas import assert_valid

START, NOW = "2025-07-01", "2025-11-10T12:00:30"
HOUR = Timeframe("1h")
PATHS = {"gate": "/spot/candlesticks", "kraken": "/OHLC"}
# Of candles, until a history of five months is collected: a search, and a few a month.
MOST_REQUESTS = {"gate": 25, "kraken": 8}
NOTHING = {"verified_absent": 0, "unavailable": 0, "refused": 0, "pending": 0, "failed": 0}


@pytest.fixture(params=[pytest.param("gate", marks=pytest.mark.slow), "kraken"])
def exchange(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    # Gate's own edge of 10,000 candles would be 14 months, which only take longer.
    edge = 1500 if request.param == "gate" else None
    made = EXCHANGES[request.param](utc(NOW), listed=utc("2020-01-01"), edge=edge)
    with made:
        yield made


class EdgeRig:
    """A platform on a stand-in whose history begins long before what is served."""

    def __init__(self, home: Path, exchange: StandIn) -> None:
        self.exchange, self.symbol = exchange, exchange.symbol
        self.rig = Rig.on_exchange(
            home,
            exchange.exchange_id,
            exchange,
            START,
            symbols=self.symbol,
            derived_timeframes="1d,1w",
        )
        self.platform = self.rig.platform

    def entry(self, timeframe: str = "1h") -> dict[str, Any]:
        return self.platform.entry(timeframe, self.symbol)

    @property
    def edge(self) -> datetime:
        """Open of the oldest candle that is served now."""
        return self.exchange.oldest(HOUR)

    def asked(self) -> list[Request]:
        return self.exchange.asked(PATHS[self.exchange.exchange_id])

    def advance(self, hours: int) -> tuple[list[str], list[Request]]:
        """Purposes of the runs and requests of candles that so many hours bring."""
        before = len(self.asked())
        self.rig.pass_time(hours)
        return purposes(self.rig.collect()), self.asked()[before:]

    def stored(self) -> int:
        end = utc(self.platform.now)
        return self.platform.store.count_candles(series("1h", self.symbol), utc(START), end)


@pytest.fixture
def rig(tmp_path: Path, exchange: StandIn) -> EdgeRig:
    return EdgeRig(tmp_path, exchange)


def test_an_edge_is_found_once_and_reported_once_and_holds_up_nothing(rig: EdgeRig) -> None:
    rig.rig.collect()
    edge, newest = rig.edge, utc("2025-11-10T12:00")
    assert len(rig.asked()) <= MOST_REQUESTS[rig.exchange.exchange_id]
    for _ in range(2):
        entry = rig.entry()
        assert (entry["status"], entry["degraded"]) == ("fresh", False)
        assert entry["unavailable_before"] == entry["coverage_start"] == time_text(edge)
        assert entry["gaps"] == NOTHING  # the edge is reported once, not for each candle
        assert entry["missing_candles"] == 0
        assert_valid("manifest", rig.platform.manifest)
        assert rig.stored() == HOUR.count(edge, newest)

        for hours in (1, 11):
            asked_for, requests = rig.advance(hours)
            assert set(asked_for) <= {"live", "evaluation"}
            assert asked_for.count("live") == len(requests) == 1
            assert all(request.status == 200 for request in requests)
        assert rig.rig.advance(0) == []
        newest = utc("2025-11-11T00:00")
        # Now some days, in which the edge moves over stored candles; then all of it once more.
        asked_for, requests = rig.advance(100)
        assert asked_for.count("live") == len(requests) == 1
        newest = HOUR.floor(utc(rig.platform.now))
        assert edge < rig.edge


@pytest.mark.slow
@pytest.mark.parametrize("exchange", ["gate"], indirect=True)
def test_what_an_edge_passes_while_the_platform_is_down_is_unavailable(rig: EdgeRig) -> None:
    rig.rig.collect()
    edge, newest = rig.edge, utc("2025-11-10T12:00")
    before = rig.stored()
    asked_for, requests = rig.advance(24 * 70)
    lost = HOUR.count(newest, rig.edge)
    assert lost > 0
    entry = rig.entry()
    assert (entry["status"], entry["degraded"]) == ("fresh", False)
    assert entry["coverage_start"] == time_text(edge)
    assert entry["unavailable_before"] == time_text(rig.edge)
    assert entry["gaps"] == {**NOTHING, "unavailable": lost}
    assert entry["missing_candles"] == lost
    now = HOUR.floor(utc(rig.platform.now))
    assert rig.stored() == before + HOUR.count(rig.edge, now)
    asked_for, requests = rig.advance(12)
    assert set(asked_for) <= {"live", "evaluation"}
    assert asked_for.count("live") == len(requests) == 1
    assert rig.entry()["gaps"] == {**NOTHING, "unavailable": lost}


@pytest.mark.parametrize("exchange", ["kraken"], indirect=True)
def test_too_few_candles_within_an_edge_are_reported_and_request_nothing(rig: EdgeRig) -> None:
    requests = rig.rig.collect()
    for hours in (12, 24):
        for name, fewest in (("1d", 120), ("1w", 52)):
            entry = rig.entry(name)
            count = rig.platform.store.count_candles(
                series(name, rig.symbol), utc(START), utc(rig.platform.now)
            )
            assert 0 < count < fewest
            assert entry["status"] == "insufficient_data"
            assert (
                entry["warning"]
                == f"{count} {name} candles are too few; a forecast needs {fewest}."
            )
            assert entry["history"] is not None
            assert (entry["prediction"], entry["serve_allowed"]) == (None, False)
        rig.rig.pass_time(hours)
        requests += rig.rig.collect()
        assert rig.rig.advance(0) == []
    assert not [
        asset
        for request in requests
        for asset in request.asset_selection or ()
        if asset.path[-1] in ("model_1d", "model_1w", "prediction_1d", "prediction_1w")
    ]
    trained = [
        str(request.run_config) for request in requests if request.job_name == "train_models"
    ]
    assert not [each for each in trained if "1d" in each or "1w" in each]
