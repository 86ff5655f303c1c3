"""Which stored evaluations are outdated: `evaluate_series` ends it, whatever is on record."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from coin_assets.domain.forecasting.naive_forecaster import NaiveForecaster
from coin_assets.domain.methods import CHALLENGER, CHALLENGER_NAIVE, CHAMPION
from coin_assets.models.registry import ModelVersion
from coin_assets.pipeline.evaluate import evaluate_series, is_outdated
from coin_assets_tests.pipeline.known_market import (
    DAY,
    FIRST,
    HOUR,
    SERIES,
    START,
    KnownMarket,
)

NOW = FIRST + 3 * DAY


class WithoutChampion(KnownMarket):
    """The forecasts of a `KnownMarket` whose record has a challenger, and no champion."""

    def _appoint(self) -> None:
        super()._appoint()
        (self.registry.folder_of(SERIES) / "roles.json").unlink()
        appoint(self, CHALLENGER, self.registry.versions(SERIES)[1])


def appoint(
    market: KnownMarket, role: str, version: ModelVersion | None, since: datetime = FIRST
) -> None:
    market.registry.appoint(SERIES, role, version, since, reason="", by="test", recorded_at=FIRST)


def outdated(market: KnownMarket) -> bool:
    return is_outdated(market.store, market.registry, market.evaluations, SERIES)


def evaluate_once(market: KnownMarket) -> None:
    """Evaluate what is outdated, and require that nothing is then."""
    assert outdated(market)
    evaluate_series(market.store, market.registry, market.evaluations, SERIES)
    assert not outdated(market)


def test_newer_forecasts_outdate_it(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    assert not outdated(market)  # there is nothing to score
    for now in (NOW, NOW + HOUR):
        market.until(now)
        evaluate_once(market)


def _another_version(market: KnownMarket) -> None:
    appoint(market, CHALLENGER, market.registry.versions(SERIES)[2], NOW)


def _another_method(market: KnownMarket) -> None:
    candles = market.store.read_candles(SERIES, START, FIRST)
    model = NaiveForecaster("1h").fit(candles)
    naive = market.registry.add(SERIES, model, FIRST, {"lookback": None})
    appoint(market, CHALLENGER_NAIVE, naive)


@pytest.mark.parametrize("appointed", [_another_version, _another_method])
def test_a_challenger_that_it_did_not_test_outdates_it(
    tmp_path: Path, appointed: Callable[[KnownMarket], None]
) -> None:
    market = KnownMarket(tmp_path)
    market.until(NOW)
    evaluate_once(market)
    appointed(market)
    evaluate_once(market)


def test_a_challenger_that_lost_its_role_does_not(tmp_path: Path) -> None:
    """The verdict that ended its trial stays published until newer candles come."""
    market = KnownMarket(tmp_path)
    market.until(NOW)
    evaluate_once(market)
    appoint(market, CHALLENGER, None, NOW)
    assert not outdated(market)
    appoint(market, CHAMPION, market.registry.versions(SERIES)[1], NOW)
    assert not outdated(market)


def test_without_a_champion_on_record_no_challenger_is_waited_for(tmp_path: Path) -> None:
    market = WithoutChampion(tmp_path)
    market.until(NOW)
    evaluate_once(market)
    assert market.registry.roles(SERIES).holder(CHALLENGER) is not None


@pytest.mark.parametrize("name", ["evaluation.json", "roles.json"])
def test_a_damaged_file_outdates_it(tmp_path: Path, name: str) -> None:
    market = KnownMarket(tmp_path)
    market.until(NOW)
    evaluate_once(market)
    (path,) = tmp_path.rglob(name)
    path.write_bytes(b"{")
    assert outdated(market)
