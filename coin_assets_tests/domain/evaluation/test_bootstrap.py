"""Block bootstrap of the coverage by volatility tercile.

- Shares and numbers of origins are those of a slow count.
- An interval contains the coverage that the forecasts have, and is wider for correlated misses.
- Without enough blocks of origins there is no interval; the same forecasts give the same one.
"""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from coin_assets.domain.candles.grid import Mask
from coin_assets.domain.evaluation.bootstrap import block_length, coverage_by_tercile
from coin_assets.domain.evaluation.matured import Matured
from coin_assets.domain.evaluation.scoring import scores
from coin_assets.domain.forecasting.frame import QUANTILES, STEPS
from coin_assets_tests.domain.evaluation.test_scoring import HOUR, START


def forecasts(held: Mask, volatility: list[float] | None = None) -> Matured:
    """Forecasts whose 80% interval holds all closes of an origin, or none."""
    rows = len(held)
    actual = np.where(held[:, None], 100.0, 200.0) * np.ones((rows, STEPS))
    return Matured(
        origins=HOUR.opens(START, START + timedelta(hours=rows)),
        versions=np.full(rows, "1", dtype=object),
        live=np.ones(rows, dtype=bool),
        quantiles=np.tile(np.linspace(90, 110, len(QUANTILES)), (rows, STEPS, 1)),
        actual=actual,
        last=np.full(rows, 100.0),
        volatility=np.asarray(np.arange(rows) % 3 if volatility is None else volatility) * 1.0,
    )


def drawn(rows: int, share: float, repeated: int, seed: int) -> Mask:
    """Hits of which ``repeated`` neighbours are equal."""
    rng = np.random.default_rng(seed)
    return np.asarray(rng.random(-(-rows // repeated)) < share).repeat(repeated)[:rows]


def test_shares_are_those_of_the_scores() -> None:
    found = forecasts(drawn(900, 0.8, 1, seed=0))
    volatility = np.random.default_rng(1).random(900)
    actual = np.where(np.random.default_rng(2).random((900, STEPS)) < 0.2, np.nan, found.actual)
    found = replace(found, volatility=volatility, actual=actual)
    expected = scores(found, found).coverage_by_volatility
    by_tercile = coverage_by_tercile(found)
    assert list(by_tercile) == list(expected)
    for name, each in by_tercile.items():
        assert each.coverage == pytest.approx(expected[name].coverage_80)
        assert each.origins == 300
        assert each.interval is not None
        assert each.coverage is not None
        assert each.interval[0] < each.coverage < each.interval[1]


def test_intervals_hold_the_true_coverage_and_widen_with_correlated_misses() -> None:
    found: dict[int, list[tuple[float, float]]] = {1: [], STEPS: []}
    for seed in range(40):
        for repeated, intervals in found.items():
            each = coverage_by_tercile(forecasts(drawn(2400, 0.8, repeated, seed)))["middle"]
            assert each.interval is not None
            intervals.append(each.interval)
    alone, together = (np.array(each) for each in found.values())
    for each_kind in (alone, together):
        assert ((each_kind[:, 0] <= 0.8) & (each_kind[:, 1] >= 0.8)).mean() >= 0.8
    assert np.ptp(together, axis=1).mean() > 2 * np.ptp(alone, axis=1).mean()


def test_few_origins_have_a_share_and_no_interval() -> None:
    few = coverage_by_tercile(forecasts(drawn(3 * STEPS - 1, 0.8, 1, seed=0)))
    enough = coverage_by_tercile(forecasts(drawn(3 * STEPS, 0.8, 1, seed=0)))
    for name, each in few.items():
        assert each.coverage is not None
        assert each.interval is None
        assert enough[name].interval is not None


def test_a_tercile_without_origins_has_neither() -> None:
    unknown = coverage_by_tercile(forecasts(np.ones(100, dtype=bool), [np.nan] * 100))
    assert all(
        (each.origins, each.coverage, each.interval) == (0, None, None) for each in unknown.values()
    )


def test_the_same_forecasts_give_the_same_interval() -> None:
    found = forecasts(drawn(300, 0.8, 5, seed=3))
    assert coverage_by_tercile(found) == coverage_by_tercile(found)


def test_blocks_span_the_overlap_and_the_persistence_of_volatility() -> None:
    assert block_length(720, every=1) == STEPS
    assert block_length(350, every=25) == 8  # the cube root of 350 is above 7
    assert block_length(10, every=1) == 10
