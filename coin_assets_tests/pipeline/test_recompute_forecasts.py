"""Forecasts made again after their candles changed: both roles, each by the version that made it.

- They end as if the changed candle had been there from the start.
- A forecast that comes out the same stays, and stays live; what the change cannot reach stays too.
- Who is champion by now does not matter; a late candle's origin gets both roles of its time.
"""

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.forecasting.frame import BACKTEST, CHALLENGER, CHAMPION, LIVE, ROLES
from coin_assets.domain.timeframes import next_month
from coin_assets.pipeline.promote import promote
from coin_assets.pipeline.recompute_forecasts import (
    TouchedForecasts,
    redo_forecasts,
    touched_forecasts,
)
from coin_assets_tests.pipeline.contest import ALWAYS, START, Contest, contested

HOUR = timedelta(hours=1)
CONTEXT = 128  # candles that the forecaster of these tests looks at
ORIGINS = 6


def followed(home: Path, alter_from: datetime | None = None) -> Contest:
    """Both roles have forecast `ORIGINS` origins live, the champion one more before."""
    contest = contested(home)
    if alter_from:
        changed(contest, alter_from)
        contest.until(contest.now)
    for place in range(ORIGINS):
        if place:
            contest.pass_candles(1)
        contest.predict()
    return contest


def changed(contest: Contest, opened: datetime, column: str = "close") -> None:
    """From now on the candle that opens then is another one."""

    def alter(candles: pd.DataFrame) -> pd.DataFrame:
        here = candles["timestamp"] == opened
        candles = candles.copy()
        candles.loc[here, column] *= 1.5
        candles["high"] = candles["high"].clip(lower=candles["close"])
        return candles

    contest.alter = alter


def touched(contest: Contest, *opens: datetime) -> list[TouchedForecasts]:
    return touched_forecasts(
        contest.store,
        contest.registry,
        contest.series,
        pd.DatetimeIndex(opens),
        START,
        contest.now,
    )


def redone(contest: Contest, *opens: datetime) -> int:
    """Make again what sees the candles; returns how many forecasts changed."""
    return sum(
        redo_forecasts(contest.store, contest.registry, contest.series, each, START, contest.now)
        for each in touched(contest, *opens)
    )


def numbers(contest: Contest) -> pd.DataFrame:
    return contest.store.read_forecasts(contest.series, *ALWAYS).drop(columns="kind")


def test_both_roles_end_as_if_the_change_had_always_been_there(tmp_path: Path) -> None:
    contest = followed(tmp_path / "late")
    opened = contest.now - 4 * HOUR
    changed(contest, opened)
    contest.until(contest.now)
    assert redone(contest, opened) == 2 * 4  # origins after it, in both roles
    always = followed(tmp_path / "always", alter_from=opened)
    pd.testing.assert_frame_equal(numbers(contest), numbers(always), check_exact=True)
    assert set(contest.versions(CHAMPION).values()) == {"1"}
    assert set(contest.versions(CHALLENGER).values()) == {"2"}
    for role in ROLES:
        kinds = contest.forecasts(role).groupby("as_of")["kind"].first()
        assert set(kinds[kinds.index <= opened]) == {LIVE}
        # Time has told what the newest one cannot know yet.
        assert kinds[kinds.index > opened].tolist() == [BACKTEST] * 3 + [LIVE]
    assert redone(contest, opened) == 0


def test_what_comes_out_the_same_stays_live(tmp_path: Path) -> None:
    contest = followed(tmp_path)
    opened = contest.now - 4 * HOUR
    before = contest.store.read_forecasts(contest.series, *ALWAYS)
    changed(contest, opened, "volume")
    contest.until(contest.now)
    (found,) = touched(contest, opened)
    assert len(found.origins) == 4
    assert redone(contest, opened) == 0
    pd.testing.assert_frame_equal(contest.store.read_forecasts(contest.series, *ALWAYS), before)


@pytest.mark.parametrize(("ago", "expected"), [(CONTEXT, 1), (CONTEXT + 1, 0)])
def test_a_change_reaches_as_far_as_the_models_look(
    tmp_path: Path, ago: int, expected: int
) -> None:
    contest = contested(tmp_path)
    contest.predict()
    found = touched(contest, contest.now - ago * HOUR)
    newest = [origins.isin([contest.now]).sum() for each in found for origins in [each.origins]]
    assert sum(newest) == expected
    roles = {role for each in found for role, _ in each.by_maker}
    assert roles == (set(ROLES) if expected else {CHAMPION})


def test_who_is_champion_now_rewrites_nothing_of_the_one_before(tmp_path: Path) -> None:
    contest = followed(tmp_path)
    opened = contest.now - 4 * HOUR
    promote(contest.store, contest.registry, contest.series, None, "for a test", contest.now)
    contest.pass_candles(1)
    contest.predict()
    versions = contest.versions(CHAMPION)
    assert list(versions.values())[-2:] == ["1", "2"]
    changed(contest, opened)
    contest.until(contest.now)
    assert redone(contest, opened) == 4 + 1 + 4
    assert contest.versions(CHAMPION) == versions
    assert set(contest.versions(CHALLENGER).values()) == {"2"}


def test_a_forecast_stays_with_its_version_whatever_was_trained_since(tmp_path: Path) -> None:
    """Where nobody is champion the newest version forecasts, but only what has no forecast yet."""
    contest = Contest(tmp_path, "15m")
    contest.train()
    contest.pass_candles(8)
    contest.predict(START)
    opened = contest.now - 2 * timedelta(minutes=15)
    contest.train(contest.now - HOUR)  # may forecast all that the change touches
    changed(contest, opened)
    contest.until(contest.now)
    assert redone(contest, opened) == 2
    assert set(contest.versions(CHAMPION).values()) == {"1"}


def test_an_origin_that_came_late_gets_both_roles_of_its_time(tmp_path: Path) -> None:
    contest = contested(tmp_path / "late")
    late = contest.now + 2 * HOUR
    contest.alter = lambda candles: candles[candles["timestamp"] != late - HOUR]
    for _ in range(ORIGINS):
        if contest.now != late:  # then the candle is only due
            contest.predict(START)
        contest.pass_candles(1)
    contest.predict(START)
    assert late not in contest.versions(CHAMPION)
    promote(contest.store, contest.registry, contest.series, None, "for a test", contest.now)
    contest.alter = lambda candles: candles
    contest.until(contest.now)
    redone(contest, late - HOUR)
    assert (contest.versions(CHAMPION)[late], contest.versions(CHALLENGER)[late]) == ("1", "2")
    assert len(contest.versions(CHAMPION)) == ORIGINS + 2


def test_a_month_without_forecasts_gets_none(tmp_path: Path) -> None:
    contest = contested(tmp_path)
    contest.until(next_month(contest.now) + 3 * HOUR)
    assert [each.month for each in touched(contest, contest.now - HOUR)] == []
