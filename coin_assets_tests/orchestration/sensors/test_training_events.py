"""``training_events``: trains the series whose market was shaken, and no other."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from coin_assets.config.settings import Settings
from coin_assets.domain.evaluation.drift import DRIFTING, STABLE, Drift
from coin_assets.domain.json_format import Document, time_text
from coin_assets.domain.series import Series
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.models.training import TrainingRequest, train
from coin_assets.orchestration.build import configured_resources, series_specs
from coin_assets.orchestration.jobs.training import training_job
from coin_assets.orchestration.resources import RegistryResource, StoreResource
from coin_assets.orchestration.sensors.machine import MachineFaults
from coin_assets.orchestration.sensors.training_events import REASONS_TAG, training_events_sensor
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.models.trainings import candles
from coin_assets_tests.platform import BTC, ETH, StoppedClock, series, utc

NOW = utc("2024-07-10T12:00")
START = utc("2024-01-01")
SYMBOLS = (BTC, ETH, "XRP/USDT")
LIMITS = "1h:65/130,2h:130/260,4h:250/500,6h:370/740,1d:1500/3000"


class Market:
    """Store, registry and sensor; no series has an event, and each was trained in June."""

    def __init__(
        self, home: Path, timeframes: str = "4h", symbols: tuple[str, ...] = SYMBOLS
    ) -> None:
        self.settings = Settings(
            home=home,
            symbols=",".join(symbols),
            history_start="2024-01-01",
            derived_timeframes=timeframes,
            freshness=LIMITS,
        )
        self.store, self.registry = ParquetStore(home), ModelRegistry(home)
        self.specs = series_specs(self.settings)
        self.job = training_job(self.specs)
        self.sensor = training_events_sensor(
            self.specs, self.job, MachineFaults(configured_resources(self.settings).disk)
        )
        self.instance = dg.DagsterInstance.ephemeral()
        for number, spec in enumerate(self.specs):
            frame = candles(spec.series, START, spec.series.timeframe.floor(NOW), seed=number)
            self.store.write_candles(spec.series, frame, START, NOW)
            self.train(spec.series, utc("2024-06-01"))

    def train(self, series: Series, cutoff: datetime) -> None:
        assert train(self.store, self.registry, TrainingRequest(series, cutoff, START), NOW).created

    def shake(self, *series_list: Series) -> None:
        """The newest candle closes a third higher."""
        for each in series_list:
            last = self.store.read_candles(each, START, NOW).tail(1)
            prices = {name: last[name] * 1.33 for name in ("high", "close")}
            self.store.merge_candles(each, last.assign(**prices), START, NOW)

    def tick(self, now: datetime = NOW) -> tuple[list[dg.RunRequest], str]:
        home = str(self.settings.home)
        with dg.build_sensor_context(
            instance=self.instance,
            resources={
                "store": StoreResource(home=home),
                "registry": RegistryResource(home=home),
                "clock": StoppedClock(settle_seconds=2, at=f"{now:%Y-%m-%dT%H:%M}"),
            },
        ) as context:
            data = self.sensor.evaluate_tick(context)
        return list(data.run_requests or []), data.skip_message or ""

    def run(self, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        return self.instance.create_run_for_job(self.job, run_config={}, status=status)


def named(requests: Iterable[dg.RunRequest]) -> list[str]:
    """Series that the runs would train."""
    return sorted(
        f"{symbol} {timeframe}"
        for request in requests
        for symbol, timeframe in product(
            request.run_config["symbols"], request.run_config["timeframes"]
        )
    )


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(tmp_path)


def test_a_calm_market_is_left_alone(market: Market) -> None:
    assert market.tick() == ([], "No training is due among 6 series: 6 without an event.")


def test_shaken_series_are_trained_in_one_run_with_its_reasons(market: Market) -> None:
    market.shake(series("1h"), series("1h", ETH))
    (request,), _ = market.tick()
    assert request.run_config == {"symbols": [BTC, ETH], "timeframes": ["1h"]}
    assert request.run_key is None
    assert request.tags["dagster/priority"] == "-1"
    assert request.tags["dagster/sensor_name"] == "training_events"  # what retries are made by
    assert request.tags[REASONS_TAG].startswith(f"{BTC} 1h: price shock: +")
    assert f"; {ETH} 1h: price shock: +" in request.tags[REASONS_TAG]
    assert dg.validate_run_config(market.job, request.run_config)


def test_several_runs_name_exactly_the_shaken_series(market: Market) -> None:
    market.shake(series("1h"), series("4h", ETH))
    requests, _ = market.tick()
    assert named(requests) == [f"{BTC} 1h", f"{ETH} 4h"]
    assert len(requests) == 2


def test_at_most_three_runs_are_requested(tmp_path: Path) -> None:
    symbols, timeframes = (*SYMBOLS, "SOL/USDT"), ("1h", "2h", "4h", "6h")
    market = Market(tmp_path, "2h,4h,6h", symbols)
    shaken = [series(name, symbol) for name, symbol in zip(timeframes, symbols, strict=True)]
    market.shake(*shaken)
    requests, _ = market.tick()
    assert named(requests) == sorted(map(str, shaken[:3]))
    assert len(requests) == 3


def evaluated(state: str, since: datetime) -> Document:
    """An evaluation without scores."""
    drift = Drift(
        state, since, ("the last 240 forecasts lose 1.50 times as much",) * (state != "stable")
    )
    known = {"schema_version": 1, "symbol": BTC, "timeframe": "1h", "as_of": time_text(NOW)}
    window = {"start": time_text(since), "end": time_text(NOW)}
    scores = dict.fromkeys(("champion", "challenger", "promotion"))
    return {**known, **scores, "window": window, "drift": drift.document()}


def test_a_drifting_champion_is_an_event_until_a_training_has_seen_it(
    market: Market, tmp_path: Path
) -> None:
    book = EvaluationBook(tmp_path)
    book.write(series("1h"), evaluated(STABLE, utc("2024-07-01")))
    assert market.tick()[0] == []
    book.write(series("1h"), evaluated(DRIFTING, utc("2024-07-01")))
    (request,), _ = market.tick()
    assert named([request]) == [f"{BTC} 1h"]
    assert ": drift: the last 240 forecasts lose 1.50 times" in request.tags[REASONS_TAG]
    market.train(series("1h"), utc("2024-07-02"))
    assert market.tick()[0] == []


def test_a_damaged_evaluation_leaves_the_other_series(market: Market, tmp_path: Path) -> None:
    market.shake(series("1h"), series("1h", ETH))
    EvaluationBook(tmp_path).write(series("1h"), {})
    requests, _ = market.tick()
    assert named(requests) == [f"{ETH} 1h"]


def test_a_wild_day_is_a_volatility_spike(market: Market) -> None:
    hour = series("1h", ETH)
    last = market.store.read_candles(hour, START, NOW).tail(24)
    swing = pd.Series([1.15, 1.0] * 12, index=last.index)
    prices = dict.fromkeys(("open", "high", "low", "close"), 100 * swing)
    market.store.merge_candles(hour, last.assign(**prices), START, NOW)
    (request,), _ = market.tick()
    assert f"{ETH} 1h: " in request.tags[REASONS_TAG]
    assert "volatility spike: " in request.tags[REASONS_TAG]


def test_a_series_trained_in_the_last_six_hours_rests(market: Market) -> None:
    market.shake(series("1h"))
    market.train(series("1h"), NOW - timedelta(hours=5))
    requests, skipped = market.tick()
    assert not requests
    assert "1 trained on candles of the last 6 hours" in skipped
    market.shake(series("1h", ETH))
    market.train(series("1h", ETH), NOW - timedelta(hours=6))
    assert named(market.tick()[0]) == [f"{ETH} 1h"]


def test_a_candle_that_was_trained_on_requests_nothing_more(tmp_path: Path) -> None:
    """However long ago: a day's candle stays the newest for a day."""
    market = Market(tmp_path, "1d")
    market.shake(series("1d"))
    assert named(market.tick()[0]) == [f"{BTC} 1d"]
    market.train(series("1d"), utc("2024-07-10"))
    requests, skipped = market.tick()
    assert not requests
    assert "1 without a candle since the last training" in skipped


def test_series_without_candles_or_model_are_the_planners(tmp_path: Path) -> None:
    market = Market(tmp_path)
    market.shake(series("1h"))
    for version in market.registry.versions(series("1h")):
        version.folder.rename(version.folder.with_name(f"{version.folder.name}.damaged"))
    market.store.delete_candles(series("1h", ETH), START, NOW)
    assert market.tick() == (
        [],
        "No training is due among 6 series: 2 without a model, 4 without an event.",
    )


@pytest.mark.parametrize("name", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_nothing_is_requested_while_a_training_is_open(market: Market, name: str) -> None:
    market.shake(series("1h"))
    market.run(dg.DagsterRunStatus[name])
    assert market.tick() == ([], "A run of train_models has not finished.")


def test_a_training_that_failed_is_requested_again(market: Market) -> None:
    market.shake(series("1h"))
    market.run(dg.DagsterRunStatus.FAILURE)
    assert named(market.tick()[0]) == [f"{BTC} 1h"]


def test_a_damaged_file_of_one_series_leaves_the_others(market: Market, tmp_path: Path) -> None:
    market.shake(series("1h", ETH))
    month = tmp_path / "candles/symbol=BTC_USDT/timeframe=1h/month=2024-06/candles.parquet"
    month.write_bytes(b"no parquet")
    assert named(market.tick()[0]) == [f"{ETH} 1h"]


def test_it_is_off_by_default_and_has_a_description(market: Market) -> None:
    assert market.sensor.default_status == dg.DefaultSensorStatus.STOPPED
    assert market.sensor.minimum_interval_seconds == 300
    assert market.sensor.job_name == "train_models"
    assert market.sensor.description
