"""Choice of forecasters, and their restoration from stored states.

- The forecaster of each timeframe fits the least number of candles.
- A restored forecaster forecasts the same to the bit, also from an artefact of release 0.1.0;
  unknown methods and foreign states raise `CorruptArtefact`.
- Intervals after a short history are as wide as its returns suggest.
- scikit-learn is imported by the first forecaster, not before.
"""

import json
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.trailing_volatility import VolatilityScaledBaseline
from coin_assets.domain.candles.resampling import resample
from coin_assets.domain.forecasting.frame import MEDIAN, STEPS
from coin_assets.domain.forecasting.trainable import minimum_candles
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets.errors import CorruptArtefact, InsufficientData
from coin_assets.market.factory import open_market
from coin_assets.models.forecasters import new_forecaster, restored_forecaster
from coin_assets_tests.domain.walks import random_candles


def series(timeframe: str) -> Series:
    return Series("BTC/USDT", Timeframe.parse(timeframe))


@pytest.mark.parametrize("name", NAMES)
def test_every_timeframe_has_one_that_the_fewest_candles_suffice_for(name: str) -> None:
    timeframe = Timeframe.parse(name)
    candles = random_candles(1, minimum_candles(timeframe), timeframe=timeframe)
    with pytest.raises(InsufficientData, match=rf"^{len(candles) - 1} {name} candles"):
        new_forecaster(series(name)).fit(candles.iloc[:-1])
    forecaster = new_forecaster(series(name)).fit(candles)
    origins = timeframe.close_all(candles["timestamp"])
    quantiles = forecaster.predict_quantiles(candles, origins)
    assert np.isfinite(quantiles).all()
    assert (quantiles[:, :, -1] > quantiles[:, :, 0]).all()
    assert len(forecaster.features) == len(set(forecaster.features)) > 0


@pytest.mark.parametrize("name", ["15m", "1h", "1d", "1w", "1M"])
def test_another_future_changes_no_forecast_before_it(name: str) -> None:
    timeframe, moment = Timeframe.parse(name), 400
    candles = random_candles(3, 450, timeframe=timeframe)
    origins = timeframe.close_all(candles["timestamp"])
    another = candles.copy()
    factors = np.exp(np.random.default_rng(1).normal(0, 2, len(candles) - moment))
    for column in ("open", "high", "low", "close", "volume"):
        another.loc[another.index >= moment, column] *= factors
    truncated = candles.iloc[:moment]
    forecaster = new_forecaster(series(name)).fit(truncated)
    honest, changed = (forecaster.predict_quantiles(each, origins) for each in (candles, another))
    assert changed[:moment].tobytes() == honest[:moment].tobytes()
    assert (changed[moment:] != honest[moment:]).any(axis=(1, 2)).all()
    alone = forecaster.predict_quantiles(truncated, origins[:moment])
    assert alone.tobytes() == honest[:moment].tobytes()


@pytest.mark.parametrize("name", ["15m", "1h", "4h", "1d", "1w"])
def test_the_direction_of_a_random_walk_is_not_forecast(name: str) -> None:
    """A forecaster that gets the direction right has seen the future.

    A median at the last close gives no direction. Several walks keep the influence of chance small.
    """
    timeframe, right, directions, ours, theirs = Timeframe.parse(name), 0, 0, 0.0, 0.0
    held = []
    for seed in range(6):
        candles = random_candles(seed, 1400, timeframe=timeframe)
        forecaster = new_forecaster(series(name)).fit(candles.iloc[:900])
        places = np.arange(900, 1400 - STEPS)
        origins = timeframe.close_all(candles["timestamp"])[places]
        quantiles = np.log(forecaster.predict_quantiles(candles, origins))
        close = np.log(candles["close"].to_numpy())
        last, came = close[places][:, None], close[places[:, None] + np.arange(1, STEPS + 1)]
        median = quantiles[:, :, MEDIAN]
        directed = np.abs(median - last) > 1e-9
        right += int(((median > last) == (came > last))[directed].sum())
        directions += int(directed.sum())
        ours, theirs = ours + np.abs(came - median).sum(), theirs + np.abs(came - last).sum()
        held.append(((quantiles[:, :, 1] <= came) & (came <= quantiles[:, :, -2])).mean())
    assert not directions or abs(right / directions - 0.5) < 0.03
    assert ours / theirs == pytest.approx(1.0, abs=0.01)
    assert np.mean(held) == pytest.approx(0.8, abs=0.04)


def test_a_restored_forecaster_forecasts_the_same_to_the_bit() -> None:
    candles = random_candles(2, 400)
    fitted = new_forecaster(series("1h")).fit(candles)
    restored = restored_forecaster(fitted.name, json.loads(json.dumps(fitted.state())))
    origins = Timeframe.parse("1h").close_all(candles["timestamp"])
    again = restored.predict_quantiles(candles, origins)
    assert again.tobytes() == fitted.predict_quantiles(candles, origins).tobytes()
    assert restored.context == fitted.context


def test_an_artefact_of_release_0_1_0_forecasts_as_it_did() -> None:
    """Stored parameters keep their names, and a state is stored as it was read."""
    stored = json.loads((Path(__file__).parent / "data" / "har_ridge_0_1_0.json").read_text())
    restored = restored_forecaster(stored["forecaster"], stored["state"])
    assert restored.state() == stored["state"]
    candles = random_candles(**stored["candles"])
    origins = Timeframe.parse("1h").close_all(candles["timestamp"])[[-1]]
    (quantiles,) = restored.predict_quantiles(candles, origins)
    np.testing.assert_allclose(quantiles, stored["quantiles"], rtol=1e-13)


def test_an_unknown_method_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(CorruptArtefact, match=r"Unknown forecaster 'oracle'.*har_ridge"):
        restored_forecaster("oracle", {})


@pytest.mark.parametrize("field", ["parameters", "features", "quantiles", "typical_volatility"])
def test_a_state_that_lacks_something_is_refused(field: str) -> None:
    fitted = new_forecaster(series("1h")).fit(random_candles(2, 400))
    state = fitted.state()
    del state[field]
    with pytest.raises(CorruptArtefact, match=rf"State of har_ridge is not usable .*{field}"):
        restored_forecaster(fitted.name, state)


def test_the_state_of_another_method_is_refused() -> None:
    foreign = VolatilityScaledBaseline("1h").fit(random_candles(2, 400)).state()
    with pytest.raises(CorruptArtefact, match="State of har_ridge is not usable"):
        restored_forecaster("har_ridge", foreign)


def test_scikit_learn_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, coin_assets.models.forecasters; sys.exit('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0


@pytest.fixture(scope="module")
def days() -> pd.DataFrame:
    """Half a year of daily candles of the sandbox market."""
    start, end = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 7, 24, tzinfo=UTC)
    with closing(open_market("sandbox", "")) as market:
        pages = list(market.pages(Series("ETH/USDT", Timeframe("1h")), start, end, end))
    hours = pd.concat([page.candles for page in pages], ignore_index=True)
    return resample(hours, Timeframe("1h"), Timeframe("1d")).candles


@pytest.mark.parametrize("count", range(120, 174, 4))
def test_a_short_history_gives_sober_forecasts(days: pd.DataFrame, count: int) -> None:
    """Among few rows a feature may hardly change; once that gave scales beyond all bounds."""
    known = days.iloc[:count]
    forecaster = new_forecaster(Series("ETH/USDT", Timeframe("1d"))).fit(known)
    closes = Timeframe("1d").close_all(days["timestamp"])
    quantiles = np.log(forecaster.predict_quantiles(days, closes[count - 1 :]))
    daily = float(np.log(known["close"]).diff().std())
    widths = (quantiles[:, :, -1] - quantiles[:, :, 0]) / np.sqrt(np.arange(1, 25)) / daily
    assert (widths > 1).all()
    assert (widths < 10).all()
