"""Forecasts of weeks measure variance by hours, by the leak rule, and follow revised hours.

- Truncating the hours, or replacing their future by another path, changes no bit of a model or a
  forecast before it.
- A revised hour recomputes exactly the forecasts whose candles contain it, also where the week
  keeps its prices; the store ends as if the hour had always been so.
- Weeks whose hours are beyond retention are measured by their own range.
- Minutes give the forecasts of the hours that they make.
"""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.candles.resampling import resample
from coin_assets.domain.candles.revisions import revisions_between
from coin_assets.domain.forecasting.realised import VARIANCE, realised_variance
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import VarianceSource
from coin_assets.domain.timeframes import Timeframe, just_after, month_start, next_month
from coin_assets.models.measured import measured
from coin_assets.models.registry import ModelRegistry
from coin_assets.models.training import TrainingRequest, train
from coin_assets.pipeline.derive import Derivation, derive_candles
from coin_assets.pipeline.forecast import ForecastRequest, VisibleCandles, predict_window
from coin_assets.pipeline.recompute import (
    mark_recomputed,
    pending_revisions,
    recompute_candles,
    touched_candles,
)
from coin_assets.pipeline.recompute_forecasts import recompute_forecasts, touched_forecasts
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.domain.walks import candles_of
from coin_assets_tests.platform import files_of, utc

HOUR, WEEK, MINUTES = Timeframe("1h"), Timeframe("1w"), Timeframe("30m")
WEEKS = Series("BTC/USDT", WEEK)
START, CUTOFF, NOW = utc("2024-01-01"), utc("2025-03-01"), utc("2025-05-19T00:30")
PRICES = ["open", "high", "low", "close"]


def walk(timeframe: Timeframe, seed: int = 0) -> pd.DataFrame:
    """A gapless random walk of changing volatility from `START` to `NOW`."""
    count, rng = timeframe.count(START, NOW), np.random.default_rng(seed)
    wild = np.cumsum(rng.random(count) < 0.002) % 2
    candles = candles_of(0.004 * 2.0**wild * rng.standard_normal(count), timeframe, seed)
    return candles.assign(timestamp=timeframe.opens(START, NOW))


class Home:
    """A home whose weeks are derived from the stored hours (or minutes) of ``now``."""

    def __init__(self, folder: Path, source: pd.DataFrame, finer: Timeframe = HOUR) -> None:
        self.folder, self.store, self.registry = folder, ParquetStore(folder), ModelRegistry(folder)
        self.source = VarianceSource(WEEKS.at(finer), START)
        self.now = min(finer.close_all(source["timestamp"])[-1].to_pydatetime(), NOW)
        self.store.write_candles(self.source.series, source, START, self.now)
        end = next_month(self.now)
        derive_candles(
            self.store,
            Derivation(WEEKS, self.source.series, START, end, START, WEEK.floor(self.now)),
        )

    def walked(self) -> "Home":
        """A model of `CUTOFF`, and its forecasts of all origins since."""
        request = TrainingRequest(WEEKS, CUTOFF, START, source=self.source)
        assert train(self.store, self.registry, request, NOW).created
        return self.forecast()

    def forecast(self) -> "Home":
        window = CUTOFF, just_after(WEEK.floor(self.now))
        visible = VisibleCandles(START, self.now, self.source)
        report = predict_window(
            self.store, self.registry, ForecastRequest(WEEKS, *window, visible, self.now)
        )
        assert report.added == report.origins > 0
        return self

    def forecasts(self) -> pd.DataFrame:
        return self.store.read_forecasts(WEEKS, START, utc("2026-01-01")).drop(columns="kind")

    def models(self) -> dict[str, bytes]:
        return files_of(self.folder / "models")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("whole"), walk(HOUR)).walked()


def inside_changed(hours: pd.DataFrame, opened: datetime) -> pd.DataFrame:
    """Another hour at ``opened``, within the range of its week: no price of the week changes."""
    week = (hours["timestamp"] >= WEEK.floor(opened)) & (hours["timestamp"] < WEEK.next(opened))
    here = hours["timestamp"] == opened
    changed = hours.copy()
    changed.loc[here, "high"] = 0.9999 * hours.loc[week, "high"].max()
    changed.loc[here, "low"] = 1.0001 * hours.loc[week, "low"].min()
    assert (changed.loc[here, "low"] <= changed.loc[here, ["open", "close"]].min(axis=1)).all()
    return changed


# ---------------------------------------------------------------------------------- the leak rule


def test_the_model_was_trained_on_hours(whole: Home) -> None:
    (version,) = whole.registry.versions(WEEKS)
    facts = version.metadata()["realised"]
    assert (facts["source"], facts["rows"]) == ("1h", version.metadata()["rows"])
    assert whole.registry.load(version).state()["parameters"]["realised"] is True


@pytest.mark.parametrize("moment", ["2025-03-03T00:00", "2025-04-16T11:00"])
def test_without_the_later_hours_all_is_the_same(whole: Home, tmp_path: Path, moment: str) -> None:
    hours = walk(HOUR)
    known = Home(tmp_path, hours[hours["timestamp"] < utc(moment)].reset_index(drop=True)).walked()
    made, all_made = known.forecasts(), whole.forecasts()
    assert known.models() == whole.models()
    until = all_made[all_made["as_of"] <= utc(moment)].reset_index(drop=True)
    pd.testing.assert_frame_equal(made, until, check_exact=True)
    assert 0 < len(made) < len(all_made)


def test_another_path_of_the_hours_changes_nothing_before_it(whole: Home, tmp_path: Path) -> None:
    hours, moment = walk(HOUR), utc("2025-04-21")  # a Monday, the close of a week
    later = (hours["timestamp"] >= moment).to_numpy()
    wild = hours.copy()
    other = walk(HOUR, seed=1)
    wild.loc[later, PRICES] = other.loc[later, PRICES].to_numpy()
    changed = Home(tmp_path, wild).walked()
    assert changed.models() == whole.models()
    made, before = changed.forecasts(), whole.forecasts()
    early = before["as_of"] <= moment
    pd.testing.assert_frame_equal(made[early], before[early], check_exact=True)
    assert (made.loc[~early, "q95"] != before.loc[~early, "q95"]).all()


# --------------------------------------------------------------------------------- revised hours


def revised(home: Home, hours: pd.DataFrame) -> tuple[list[datetime], int]:
    """Store other hours, and recompute as ``redo_touched`` does: touched origins, changed ones."""
    source, store = home.source.series, home.store
    before = store.read_candles(source, START, home.now)
    store.record_revisions(source, revisions_between(before, hours, home.now))
    store.merge_candles(source, hours, START, home.now)
    pending = pending_revisions(store, source, START, home.now)
    opens = touched_candles(store, pending, WEEKS, START)
    recompute_candles(store, pending, WEEKS, opens, START)
    visible = VisibleCandles(START, home.now, home.source)
    origins, changed = list[datetime](), 0
    for touched in touched_forecasts(store, home.registry, WEEKS, opens, START, home.now):
        origins += touched.origins.to_pydatetime().tolist()
        changed += recompute_forecasts(store, home.registry, WEEKS, touched, visible).changed
    mark_recomputed(store, pending, home.now)
    return origins, changed


@pytest.mark.parametrize("opened", ["2025-04-16T11:00", "2025-04-20T23:00", "2024-11-05T04:00"])
def test_a_revised_hour_reaches_exactly_the_forecasts_that_contain_it(
    tmp_path: Path, opened: str
) -> None:
    hours, time = walk(HOUR), utc(opened)
    home = Home(tmp_path / "late", hours).walked()
    weeks, models = home.store.read_candles(WEEKS, START, NOW), home.models()
    changed_hours = inside_changed(hours, time)
    origins, changed = revised(home, changed_hours)
    pd.testing.assert_frame_equal(home.store.read_candles(WEEKS, START, NOW), weeks)
    all_origins = home.forecasts()["as_of"].unique()
    expected = [each for each in all_origins if each >= pd.Timestamp(WEEK.next(time))]
    assert origins == [each.to_pydatetime() for each in expected]
    assert changed == len(expected)
    assert home.models() == models
    always = Home(tmp_path / "always", changed_hours)
    always.registry = home.registry  # models stay, so the same ones forecast
    pd.testing.assert_frame_equal(home.forecasts(), always.forecast().forecasts(), check_exact=True)
    assert revised(home, changed_hours) == ([], 0)


# ---------------------------------------------------------------------------------- which source


def test_weeks_without_their_hours_are_measured_by_their_own_range(whole: Home) -> None:
    candles = whole.store.read_candles(WEEKS, START, NOW)
    kept = VarianceSource(WEEKS.at(HOUR), utc("2024-12-25T09:00"))  # within a week
    found = measured(whole.store, WEEKS, candles, kept)
    opens, hours = candles["timestamp"], walk(HOUR)
    own = (opens < pd.Timestamp(WEEK.ceil(kept.first))).to_numpy()
    assert found[VARIANCE].isna().to_numpy().tolist() == own.tolist()
    hours = hours[hours["timestamp"] >= WEEK.ceil(kept.first)].reset_index(drop=True)
    expected = realised_variance(candles, WEEK, hours, HOUR)
    np.testing.assert_array_equal(found[VARIANCE], expected)
    assert measured(whole.store, WEEKS, candles, None) is candles
    future = VarianceSource(WEEKS.at(HOUR), NOW + timedelta(weeks=9))
    assert measured(whole.store, WEEKS, candles, future)[VARIANCE].isna().all()


def test_minutes_give_the_forecasts_of_their_hours(tmp_path: Path) -> None:
    minutes = walk(MINUTES)
    hours = resample(minutes, MINUTES, HOUR).candles
    hours = hours[hours["timestamp"] < HOUR.floor(NOW)].reset_index(drop=True)
    fine = Home(tmp_path / "minutes", minutes, MINUTES).walked()
    coarse = Home(tmp_path / "hours", hours).walked()
    ours, theirs = fine.forecasts(), coarse.forecasts()
    pd.testing.assert_frame_equal(ours, theirs, check_exact=False, rtol=1e-9)
    assert month_start(ours["as_of"].iloc[0]) == CUTOFF
