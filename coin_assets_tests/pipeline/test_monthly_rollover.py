"""The month's training follows the champion of its own method.

- From the first origin on that has no forecast, in live forecasts alone, and on record; lived
  through month by month, forecasts come from the versions that a backtest would take.
- Whoever was appointed since the month began stays until the next one.
- Another method, or a training on another length of history, has to earn the place.
- What is wrong with the successor holds up nothing.
- The gate compares a challenger with all that a reign has published.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from coin_assets.domain.candles.frame import closed_by
from coin_assets.domain.evaluation.roles import SUCCESSION
from coin_assets.domain.forecasting.frame import CHALLENGER, CHAMPION, Forecaster, eligible_version
from coin_assets.domain.forecasting.har import HarForecaster
from coin_assets.domain.timeframes import next_month
from coin_assets.models import forecasters
from coin_assets.models.registry import ModelVersion
from coin_assets.pipeline.promote import promote, roll_back
from coin_assets_tests.pipeline.contest import ALWAYS, START, Contest, small_forecaster
from coin_assets_tests.platform import utc

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
JANUARY, FEBRUARY, MARCH, APRIL = (utc(f"2024-0{month}-01") for month in (1, 2, 3, 4))


class OtherMethod(HarForecaster):
    name = "other_method"


@pytest.fixture(autouse=True)
def other_method_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    methods = (HarForecaster, OtherMethod)
    monkeypatch.setattr(forecasters, "_methods", lambda: methods)


@pytest.fixture
def contest(tmp_path: Path) -> Contest:
    """Version 1 is champion since January; it is the third hour of February."""
    made = Contest(tmp_path)
    made.train()
    made.predict()
    made.until(FEBRUARY + 3 * HOUR)
    made.predict(FEBRUARY + HOUR)
    assert made.holders() == ("1", None)
    return made


def forecast_at(contest: Contest, now: datetime) -> str:
    """Who forecasts the newest origin at ``now``."""
    contest.until(now)
    contest.predict()
    return contest.versions(CHAMPION)[now]


def anchor(
    contest: Contest,
    month: datetime,
    method: Callable[[str], Forecaster] = small_forecaster,
    **facts: str | None,
) -> ModelVersion:
    """A version of some method that knows the candles up to the beginning of a month."""
    candles = contest.store.read_candles(contest.series, *ALWAYS)
    model = method(contest.series.timeframe.name).fit(
        closed_by(candles, contest.series.timeframe, month)
    )
    return contest.registry.add(contest.series, model, month, {"lookback": None} | facts)


def test_the_training_of_the_month_follows_from_the_next_origin_on(contest: Contest) -> None:
    before = contest.versions(CHAMPION)
    contest.train(cutoff=FEBRUARY)  # it challenges at first, as every newer training does
    assert contest.holders() == ("1", "2")
    assert forecast_at(contest, FEBRUARY + 4 * HOUR) == "2"
    assert contest.holders() == ("2", None)
    change = contest.registry.roles(contest.series).last_change(CHAMPION)
    assert change is not None
    assert (change.by, change.since) == (SUCCESSION, FEBRUARY + 4 * HOUR)
    assert before.items() <= contest.versions(CHAMPION).items()
    record = contest.registry.roles(contest.series)
    assert [each.version for each in record.reign] == ["1", "2"]
    contest.predict()
    assert forecast_at(contest, FEBRUARY + 5 * HOUR) == "2"
    assert contest.registry.roles(contest.series) == record


def test_it_counts_for_all_origins_that_were_missed_since_the_month_began(contest: Contest) -> None:
    anchor(contest, MARCH - 29 * DAY)
    contest.until(FEBRUARY + 9 * HOUR)
    contest.predict(FEBRUARY + HOUR)
    made = contest.versions(CHAMPION)
    assert {time: made[time] for time in made if time > FEBRUARY} == {
        FEBRUARY + hour * HOUR: "1" if hour <= 3 else "2" for hour in range(1, 10)
    }


def test_backtests_change_no_champion(contest: Contest) -> None:
    anchor(contest, FEBRUARY)
    contest.until(FEBRUARY + 9 * HOUR)
    contest.predict(FEBRUARY, FEBRUARY + 5 * HOUR)
    assert contest.holders()[0] == "1"


def test_a_life_of_months_is_forecast_by_the_versions_that_a_backtest_would_take(
    contest: Contest,
) -> None:
    lived = []
    for month in (FEBRUARY, MARCH, APRIL):
        anchor(contest, month)
        lived += [month + 4 * HOUR + days * DAY for days in range(0, 29, 7)]
        for time in lived[-5:]:
            contest.until(time)
            contest.predict()
    made, versions = contest.versions(CHAMPION), contest.registry.versions(contest.series)
    for time in lived:
        expected = eligible_version(versions, time)
        assert expected is not None
        assert made[time] == expected.name
    assert {made[time] for time in lived} == {"2", "3", "4"}


def test_who_was_appointed_since_the_month_began_stays_until_the_next(contest: Contest) -> None:
    store, registry, series = contest.store, contest.registry, contest.series
    anchor(contest, FEBRUARY)
    assert forecast_at(contest, FEBRUARY + 4 * HOUR) == "2"
    roll_back(store, registry, series, "it looks wrong", contest.now)
    assert forecast_at(contest, FEBRUARY + 5 * HOUR) == "1"
    contest.train()
    promote(store, registry, series, "3", "a newer one", contest.now)
    assert forecast_at(contest, FEBRUARY + 20 * DAY) == "3"
    assert [each.version for each in registry.roles(series).reign] == ["3"]
    anchor(contest, FEBRUARY + 20 * DAY)  # no anchor: the month began before
    assert forecast_at(contest, FEBRUARY + 21 * DAY) == "3"
    contest.until(MARCH + HOUR)
    anchor(contest, MARCH)
    assert forecast_at(contest, MARCH + 2 * HOUR) == "5"


@pytest.mark.parametrize(
    "other",
    [
        lambda contest: anchor(contest, FEBRUARY, OtherMethod),
        lambda contest: anchor(contest, FEBRUARY, lookback="10d"),
    ],
    ids=["another method", "another length of history"],
)
def test_what_is_not_the_same_method_has_to_earn_the_place(
    contest: Contest, other: Callable[[Contest], ModelVersion]
) -> None:
    other(contest)
    assert forecast_at(contest, FEBRUARY + 4 * HOUR) == "1"
    anchor(contest, FEBRUARY)
    assert forecast_at(contest, FEBRUARY + 5 * HOUR) == "3"


def test_a_damaged_successor_leaves_the_champion_in_its_place(contest: Contest) -> None:
    damaged = anchor(contest, FEBRUARY).folder / "model.json"
    sound = damaged.read_bytes()
    damaged.write_bytes(sound[:-9])
    contest.until(FEBRUARY + 4 * HOUR)
    report = contest.predict()
    assert contest.versions(CHAMPION)[FEBRUARY + 4 * HOUR] == "1"
    assert str(damaged) in str(report.successor_error)
    damaged.write_bytes(sound)
    assert forecast_at(contest, FEBRUARY + 5 * HOUR) == "2"
    assert contest.predict().successor_error is None


@pytest.mark.parametrize("timeframe", ["15m", "1w"])
def test_where_the_newest_training_forecasts_an_appointed_one_is_followed_too(
    tmp_path: Path, timeframe: str
) -> None:
    contest = Contest(tmp_path, timeframe)
    first = contest.train()
    contest.predict()
    assert contest.holders() == (None, None)
    promote(contest.store, contest.registry, contest.series, first.name, "by hand", contest.now)
    month = next_month(next_month(contest.now))
    contest.until(contest.series.timeframe.next(month) + timedelta(days=7))
    anchor(contest, month)
    contest.predict()
    assert contest.holders() == ("2", None)


def test_months_are_followed_though_each_is_forecast_before_its_own_training(
    tmp_path: Path,
) -> None:
    """As the planner has it: the month's only origin, then the month's anchor."""
    contest = Contest(tmp_path, "1M")
    contest.train()
    contest.predict()
    promote(contest.store, contest.registry, contest.series, "1", "by hand", contest.now)
    made = []
    for _ in range(4):
        contest.until(next_month(contest.now))
        contest.predict()
        made.append(contest.versions(CHAMPION)[contest.now])
        anchor(contest, contest.now)
    assert made == ["1", "2", "3", "4"]


def test_a_choice_that_counts_from_the_first_of_a_month_on_outlives_it(tmp_path: Path) -> None:
    contest = Contest(tmp_path, "1d", now="2024-05-30")
    contest.train()
    contest.predict()
    contest.until(utc("2024-06-02"))
    anchor(contest, utc("2024-06-01"))
    contest.predict()
    assert forecast_at(contest, utc("2024-06-30")) == "2"
    roll_back(contest.store, contest.registry, contest.series, "too narrow", contest.now)
    contest.until(utc("2024-07-01"))
    anchor(contest, utc("2024-07-01"))
    assert forecast_at(contest, utc("2024-07-01")) == "1"
    assert forecast_at(contest, utc("2024-07-31")) == "1"
    contest.until(utc("2024-08-01"))
    anchor(contest, utc("2024-08-01"))
    assert forecast_at(contest, utc("2024-08-01")) == "4"


def test_a_challenger_that_knows_more_than_the_month_goes_on(contest: Contest) -> None:
    contest.train()
    anchor(contest, FEBRUARY)
    assert forecast_at(contest, FEBRUARY + 4 * HOUR) == "3"
    assert contest.holders() == ("3", "2")


def test_a_challenger_of_the_same_method_makes_room_and_one_of_another_stays(
    contest: Contest,
) -> None:
    contest.train(cutoff=FEBRUARY - HOUR)
    assert contest.holders() == ("1", "2")
    anchor(contest, FEBRUARY)
    assert forecast_at(contest, FEBRUARY + 4 * HOUR) == "3"
    assert contest.holders() == ("3", None)
    other = anchor(contest, FEBRUARY + 2 * HOUR, OtherMethod)
    now, series, registry = contest.now, contest.series, contest.registry
    registry.appoint(series, CHALLENGER, other, now, reason="", by="test", recorded_at=now)
    contest.until(MARCH)
    anchor(contest, MARCH)
    assert forecast_at(contest, MARCH + HOUR) == "5"
    assert contest.holders() == ("5", "4")


def test_there_is_nobody_to_follow_before_there_is_a_champion(tmp_path: Path) -> None:
    contest = Contest(tmp_path)
    contest.until(FEBRUARY + 3 * HOUR)
    anchor(contest, FEBRUARY)
    contest.predict(START)
    (change,) = contest.registry.roles(contest.series).changes
    assert change.by != SUCCESSION
