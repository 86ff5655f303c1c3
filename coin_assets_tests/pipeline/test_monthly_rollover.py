"""The monthly version of the champion's method becomes champion.

- The rollover applies from the first origin without a forecast, to live forecasts only, and is
  recorded. Month by month, live forecasts come from the versions of a backtest.
- A champion appointed since the month began stays until the next month.
- Another method, or another lookback, has to pass the gate.
- A damaged monthly version does not stop the champion.
- The gate compares a challenger with all forecasts of the champion's tenure.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from coin_assets.domain.candles.frame import closed_by
from coin_assets.domain.evaluation.roles import MONTHLY_ROLLOVER
from coin_assets.domain.forecasting.frame import Forecaster, eligible_version
from coin_assets.domain.forecasting.naive_forecaster import NaiveForecaster
from coin_assets.domain.methods import CHALLENGER_NAIVE, CHAMPION
from coin_assets.domain.timeframes import next_month
from coin_assets.models.registry import ModelVersion
from coin_assets.pipeline.promote import promote, roll_back
from coin_assets_tests.pipeline.series_sandbox import ALWAYS, START, SeriesSandbox, small_forecaster
from coin_assets_tests.platform import utc

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
JANUARY, FEBRUARY, MARCH, APRIL = (utc(f"2024-0{month}-01") for month in (1, 2, 3, 4))


@pytest.fixture
def sandbox(tmp_path: Path) -> SeriesSandbox:
    """Version 1 is champion since January; it is the third hour of February."""
    made = SeriesSandbox(tmp_path)
    made.train()
    made.predict()
    made.until(FEBRUARY + 3 * HOUR)
    made.predict(FEBRUARY + HOUR)
    assert made.holders() == ("1", None)
    return made


def forecast_at(sandbox: SeriesSandbox, now: datetime) -> str:
    """Name of the version that forecasts the newest origin at ``now``."""
    sandbox.until(now)
    sandbox.predict()
    return sandbox.versions(CHAMPION)[now]


def monthly_version(
    sandbox: SeriesSandbox,
    month: datetime,
    method: Callable[[str], Forecaster] = small_forecaster,
    **facts: str | None,
) -> ModelVersion:
    """Add a version of some method, trained up to the start of a month."""
    candles = sandbox.store.read_candles(sandbox.series, *ALWAYS)
    model = method(sandbox.series.timeframe.name).fit(
        closed_by(candles, sandbox.series.timeframe, month)
    )
    return sandbox.registry.add(sandbox.series, model, month, {"lookback": None} | facts)


def test_the_monthly_version_becomes_champion_from_the_next_origin_on(
    sandbox: SeriesSandbox,
) -> None:
    before = sandbox.versions(CHAMPION)
    sandbox.train(cutoff=FEBRUARY)  # challenger at first, as every newer version
    assert sandbox.holders() == ("1", "2")
    assert forecast_at(sandbox, FEBRUARY + 4 * HOUR) == "2"
    assert sandbox.holders() == ("2", None)
    change = sandbox.registry.roles(sandbox.series).last_change(CHAMPION)
    assert change is not None
    assert (change.by, change.since) == (MONTHLY_ROLLOVER, FEBRUARY + 4 * HOUR)
    assert before.items() <= sandbox.versions(CHAMPION).items()
    record = sandbox.registry.roles(sandbox.series)
    assert [each.version for each in record.tenure] == ["1", "2"]
    sandbox.predict()
    assert forecast_at(sandbox, FEBRUARY + 5 * HOUR) == "2"
    assert sandbox.registry.roles(sandbox.series) == record


def test_it_counts_for_all_origins_that_were_missed_since_the_month_began(
    sandbox: SeriesSandbox,
) -> None:
    monthly_version(sandbox, MARCH - 29 * DAY)
    sandbox.until(FEBRUARY + 9 * HOUR)
    sandbox.predict(FEBRUARY + HOUR)
    made = sandbox.versions(CHAMPION)
    assert {time: made[time] for time in made if time > FEBRUARY} == {
        FEBRUARY + hour * HOUR: "1" if hour <= 3 else "2" for hour in range(1, 10)
    }


def test_backtests_change_no_champion(sandbox: SeriesSandbox) -> None:
    monthly_version(sandbox, FEBRUARY)
    sandbox.until(FEBRUARY + 9 * HOUR)
    sandbox.predict(FEBRUARY, FEBRUARY + 5 * HOUR)
    assert sandbox.holders()[0] == "1"


def test_a_life_of_months_is_forecast_by_the_versions_that_a_backtest_would_take(
    sandbox: SeriesSandbox,
) -> None:
    lived = []
    for month in (FEBRUARY, MARCH, APRIL):
        monthly_version(sandbox, month)
        lived += [month + 4 * HOUR + days * DAY for days in range(0, 29, 7)]
        for time in lived[-5:]:
            sandbox.until(time)
            sandbox.predict()
    made, versions = sandbox.versions(CHAMPION), sandbox.registry.versions(sandbox.series)
    for time in lived:
        expected = eligible_version(versions, time)
        assert expected is not None
        assert made[time] == expected.name
    assert {made[time] for time in lived} == {"2", "3", "4"}


def test_who_was_appointed_since_the_month_began_stays_until_the_next(
    sandbox: SeriesSandbox,
) -> None:
    store, registry, series = sandbox.store, sandbox.registry, sandbox.series
    monthly_version(sandbox, FEBRUARY)
    assert forecast_at(sandbox, FEBRUARY + 4 * HOUR) == "2"
    roll_back(store, registry, series, "it looks wrong", sandbox.now)
    assert forecast_at(sandbox, FEBRUARY + 5 * HOUR) == "1"
    sandbox.train()
    promote(store, registry, series, "3", "a newer one", sandbox.now)
    assert forecast_at(sandbox, FEBRUARY + 20 * DAY) == "3"
    assert [each.version for each in registry.roles(series).tenure] == ["3"]
    monthly_version(sandbox, FEBRUARY + 20 * DAY)  # not a monthly version: the month began before
    assert forecast_at(sandbox, FEBRUARY + 21 * DAY) == "3"
    sandbox.until(MARCH + HOUR)
    monthly_version(sandbox, MARCH)
    assert forecast_at(sandbox, MARCH + 2 * HOUR) == "5"


@pytest.mark.parametrize(
    "other",
    [
        lambda sandbox: monthly_version(sandbox, FEBRUARY, NaiveForecaster),
        lambda sandbox: monthly_version(sandbox, FEBRUARY, lookback="10d"),
    ],
    ids=["another method", "another length of history"],
)
def test_another_method_has_to_pass_the_gate(
    sandbox: SeriesSandbox, other: Callable[[SeriesSandbox], ModelVersion]
) -> None:
    other(sandbox)
    assert forecast_at(sandbox, FEBRUARY + 4 * HOUR) == "1"
    monthly_version(sandbox, FEBRUARY)
    assert forecast_at(sandbox, FEBRUARY + 5 * HOUR) == "3"


def test_a_damaged_monthly_version_leaves_the_champion_in_place(sandbox: SeriesSandbox) -> None:
    damaged = monthly_version(sandbox, FEBRUARY).folder / "model.json"
    sound = damaged.read_bytes()
    damaged.write_bytes(sound[:-9])
    sandbox.until(FEBRUARY + 4 * HOUR)
    report = sandbox.predict()
    assert sandbox.versions(CHAMPION)[FEBRUARY + 4 * HOUR] == "1"
    assert str(damaged) in str(report.rollover_error)
    damaged.write_bytes(sound)
    assert forecast_at(sandbox, FEBRUARY + 5 * HOUR) == "2"
    assert sandbox.predict().rollover_error is None


@pytest.mark.parametrize("timeframe", ["15m", "1w"])
def test_where_the_newest_training_forecasts_an_appointed_one_is_followed_too(
    tmp_path: Path, timeframe: str
) -> None:
    sandbox = SeriesSandbox(tmp_path, timeframe)
    first = sandbox.train()
    sandbox.predict()
    assert sandbox.holders() == (None, None)
    promote(sandbox.store, sandbox.registry, sandbox.series, first.name, "by hand", sandbox.now)
    month = next_month(next_month(sandbox.now))
    sandbox.until(sandbox.series.timeframe.next(month) + timedelta(days=7))
    monthly_version(sandbox, month)
    sandbox.predict()
    assert sandbox.holders() == ("2", None)


def test_months_are_followed_though_each_is_forecast_before_its_own_training(
    tmp_path: Path,
) -> None:
    """As the planner has it: the month's only origin, then the monthly version."""
    sandbox = SeriesSandbox(tmp_path, "1M")
    sandbox.train()
    sandbox.predict()
    promote(sandbox.store, sandbox.registry, sandbox.series, "1", "by hand", sandbox.now)
    made = []
    for _ in range(4):
        sandbox.until(next_month(sandbox.now))
        sandbox.predict()
        made.append(sandbox.versions(CHAMPION)[sandbox.now])
        monthly_version(sandbox, sandbox.now)
    assert made == ["1", "2", "3", "4"]


def test_a_choice_that_counts_from_the_first_of_a_month_on_outlives_it(tmp_path: Path) -> None:
    sandbox = SeriesSandbox(tmp_path, "1d", now="2024-05-30")
    sandbox.train()
    sandbox.predict()
    sandbox.until(utc("2024-06-02"))
    monthly_version(sandbox, utc("2024-06-01"))
    sandbox.predict()
    assert forecast_at(sandbox, utc("2024-06-30")) == "2"
    roll_back(sandbox.store, sandbox.registry, sandbox.series, "too narrow", sandbox.now)
    sandbox.until(utc("2024-07-01"))
    monthly_version(sandbox, utc("2024-07-01"))
    assert forecast_at(sandbox, utc("2024-07-01")) == "1"
    assert forecast_at(sandbox, utc("2024-07-31")) == "1"
    sandbox.until(utc("2024-08-01"))
    monthly_version(sandbox, utc("2024-08-01"))
    assert forecast_at(sandbox, utc("2024-08-01")) == "4"


def test_a_challenger_trained_on_more_than_the_month_goes_on(sandbox: SeriesSandbox) -> None:
    sandbox.train()
    monthly_version(sandbox, FEBRUARY)
    assert forecast_at(sandbox, FEBRUARY + 4 * HOUR) == "3"
    assert sandbox.holders() == ("3", "2")


def test_a_challenger_of_the_same_method_makes_room_and_one_of_another_stays(
    sandbox: SeriesSandbox,
) -> None:
    sandbox.train(cutoff=FEBRUARY - HOUR)
    assert sandbox.holders() == ("1", "2")
    monthly_version(sandbox, FEBRUARY)
    assert forecast_at(sandbox, FEBRUARY + 4 * HOUR) == "3"
    assert sandbox.holders() == ("3", None)
    other = monthly_version(sandbox, FEBRUARY + 2 * HOUR, NaiveForecaster)
    now, series, registry = sandbox.now, sandbox.series, sandbox.registry
    registry.appoint(series, CHALLENGER_NAIVE, other, now, reason="", by="test", recorded_at=now)
    sandbox.until(MARCH)
    monthly_version(sandbox, MARCH)
    assert forecast_at(sandbox, MARCH + HOUR) == "5"
    assert sandbox.holders() == ("5", None)
    assert registry.roles(series).holder(CHALLENGER_NAIVE) == "4"


def test_there_is_nobody_to_follow_before_there_is_a_champion(tmp_path: Path) -> None:
    sandbox = SeriesSandbox(tmp_path)
    sandbox.until(FEBRUARY + 3 * HOUR)
    monthly_version(sandbox, FEBRUARY)
    sandbox.predict(START)
    (change,) = sandbox.registry.roles(sandbox.series).changes
    assert change.by != MONTHLY_ROLLOVER
