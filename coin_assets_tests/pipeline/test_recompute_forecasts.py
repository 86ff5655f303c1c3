"""Forecasts made again after their candles changed: both roles, each by the version that made it.

- They end as if the changed candle had been there from the start.
- A forecast that comes out the same stays, and stays live; what the change cannot reach stays too.
- Who is champion by now does not matter; a late candle's origin gets both roles of its time.
"""

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.forecasting.frame import BACKTEST, LIVE
from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.domain.timeframes import next_month
from coin_assets.pipeline.forecast import VisibleCandles
from coin_assets.pipeline.promote import promote
from coin_assets.pipeline.recompute_forecasts import (
    TouchedForecasts,
    recompute_forecasts,
    touched_forecasts,
)
from coin_assets_tests.pipeline.series_sandbox import (
    ALWAYS,
    START,
    SeriesSandbox,
    sandbox_with_challenger,
)

HOUR = timedelta(hours=1)
CONTEXT = 128  # candles that the forecaster of these tests looks at
ORIGINS = 6


def followed(home: Path, alter_from: datetime | None = None) -> SeriesSandbox:
    """Both roles have forecast `ORIGINS` origins live, the champion one more before."""
    sandbox = sandbox_with_challenger(home)
    if alter_from:
        changed(sandbox, alter_from)
        sandbox.until(sandbox.now)
    for place in range(ORIGINS):
        if place:
            sandbox.pass_candles(1)
        sandbox.predict()
    return sandbox


def changed(sandbox: SeriesSandbox, opened: datetime, column: str = "close") -> None:
    """From now on the candle that opens then is another one."""

    def alter(candles: pd.DataFrame) -> pd.DataFrame:
        here = candles["timestamp"] == opened
        candles = candles.copy()
        candles.loc[here, column] *= 1.5
        candles["high"] = candles["high"].clip(lower=candles["close"])
        return candles

    sandbox.alter = alter


def touched(sandbox: SeriesSandbox, *opens: datetime) -> list[TouchedForecasts]:
    return touched_forecasts(
        sandbox.store,
        sandbox.registry,
        sandbox.series,
        pd.DatetimeIndex(opens),
        START,
        sandbox.now,
    )


def recomputed(sandbox: SeriesSandbox, *opens: datetime) -> int:
    """Make again what sees the candles; returns how many forecasts changed."""
    return sum(
        recompute_forecasts(
            sandbox.store,
            sandbox.registry,
            sandbox.series,
            each,
            VisibleCandles(START, sandbox.now),
        ).changed
        for each in touched(sandbox, *opens)
    )


def numbers(sandbox: SeriesSandbox) -> pd.DataFrame:
    return sandbox.store.read_forecasts(sandbox.series, *ALWAYS).drop(columns="kind")


def test_both_roles_end_as_if_the_change_had_always_been_there(tmp_path: Path) -> None:
    sandbox = followed(tmp_path / "late")
    opened = sandbox.now - 4 * HOUR
    changed(sandbox, opened)
    sandbox.until(sandbox.now)
    assert recomputed(sandbox, opened) == 2 * 4  # origins after it, in both roles
    always = followed(tmp_path / "always", alter_from=opened)
    pd.testing.assert_frame_equal(numbers(sandbox), numbers(always), check_exact=True)
    assert set(sandbox.versions(CHAMPION).values()) == {"1"}
    assert set(sandbox.versions(CHALLENGER).values()) == {"2"}
    for role in (CHAMPION, CHALLENGER):
        kinds = sandbox.forecasts(role).groupby("as_of")["kind"].first()
        assert set(kinds[kinds.index <= opened]) == {LIVE}
        # These have matured; the newest one has not.
        assert kinds[kinds.index > opened].tolist() == [BACKTEST] * 3 + [LIVE]
    assert recomputed(sandbox, opened) == 0


def test_what_comes_out_the_same_stays_live(tmp_path: Path) -> None:
    sandbox = followed(tmp_path)
    opened = sandbox.now - 4 * HOUR
    before = sandbox.store.read_forecasts(sandbox.series, *ALWAYS)
    changed(sandbox, opened, "volume")
    sandbox.until(sandbox.now)
    (found,) = touched(sandbox, opened)
    assert len(found.origins) == 4
    assert recomputed(sandbox, opened) == 0
    pd.testing.assert_frame_equal(sandbox.store.read_forecasts(sandbox.series, *ALWAYS), before)


@pytest.mark.parametrize(("ago", "expected"), [(CONTEXT, 1), (CONTEXT + 1, 0)])
def test_a_change_reaches_as_far_as_the_models_look(
    tmp_path: Path, ago: int, expected: int
) -> None:
    sandbox = sandbox_with_challenger(tmp_path)
    sandbox.predict()
    found = touched(sandbox, sandbox.now - ago * HOUR)
    newest = [origins.isin([sandbox.now]).sum() for each in found for origins in [each.origins]]
    assert sum(newest) == expected
    roles = {role for each in found for role, _ in each.by_maker}
    assert roles == ({CHAMPION, CHALLENGER} if expected else {CHAMPION})


def test_who_is_champion_now_rewrites_nothing_of_the_one_before(tmp_path: Path) -> None:
    sandbox = followed(tmp_path)
    opened = sandbox.now - 4 * HOUR
    promote(sandbox.store, sandbox.registry, sandbox.series, None, "for a test", sandbox.now)
    sandbox.pass_candles(1)
    sandbox.predict()
    versions = sandbox.versions(CHAMPION)
    assert list(versions.values())[-2:] == ["1", "2"]
    changed(sandbox, opened)
    sandbox.until(sandbox.now)
    assert recomputed(sandbox, opened) == 4 + 1 + 4
    assert sandbox.versions(CHAMPION) == versions
    assert set(sandbox.versions(CHALLENGER).values()) == {"2"}


def test_a_forecast_stays_with_its_version_whatever_was_trained_since(tmp_path: Path) -> None:
    """Where nobody is champion the newest version forecasts, but only what has no forecast yet."""
    sandbox = SeriesSandbox(tmp_path, "15m")
    sandbox.train()
    sandbox.pass_candles(8)
    sandbox.predict(START)
    opened = sandbox.now - 2 * timedelta(minutes=15)
    sandbox.train(sandbox.now - HOUR)  # may forecast all that the change touches
    changed(sandbox, opened)
    sandbox.until(sandbox.now)
    assert recomputed(sandbox, opened) == 2
    assert set(sandbox.versions(CHAMPION).values()) == {"1"}


def test_an_origin_that_came_late_gets_both_roles_of_its_time(tmp_path: Path) -> None:
    sandbox = sandbox_with_challenger(tmp_path / "late")
    late = sandbox.now + 2 * HOUR
    sandbox.alter = lambda candles: candles[candles["timestamp"] != late - HOUR]
    for _ in range(ORIGINS):
        if sandbox.now != late:  # then the candle is only due
            sandbox.predict(START)
        sandbox.pass_candles(1)
    sandbox.predict(START)
    assert late not in sandbox.versions(CHAMPION)
    promote(sandbox.store, sandbox.registry, sandbox.series, None, "for a test", sandbox.now)
    sandbox.alter = lambda candles: candles
    sandbox.until(sandbox.now)
    recomputed(sandbox, late - HOUR)
    assert (sandbox.versions(CHAMPION)[late], sandbox.versions(CHALLENGER)[late]) == ("1", "2")
    assert len(sandbox.versions(CHAMPION)) == ORIGINS + 2


def test_a_month_without_forecasts_gets_none(tmp_path: Path) -> None:
    sandbox = sandbox_with_challenger(tmp_path)
    sandbox.until(next_month(sandbox.now) + 3 * HOUR)
    assert [each.month for each in touched(sandbox, sandbox.now - HOUR)] == []
