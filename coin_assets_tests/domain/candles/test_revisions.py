"""Revisions: what counts as one, what it touches, and when it is to be handled."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.candles.frame import VALUES
from coin_assets.domain.candles.revisions import (
    REVISION_COLUMNS,
    empty_revisions,
    revisions_between,
    to_recompute,
    touched_buckets,
    touched_origins,
)
from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.platform import utc

HOUR, DAY, WEEK, MONTH = map(Timeframe, ("1h", "1d", "1w", "1M"))
SEEN = utc("2024-02-01T12:00")


def candles(count: int = 5, start: str = "2024-01-01", freq: str = "h") -> pd.DataFrame:
    opens = pd.date_range(start, periods=count, freq=freq, tz="UTC", unit="us")
    price = 100.0 + np.arange(count)
    columns = {"open": price, "high": price + 2, "low": price - 2, "close": price + 1}
    return pd.DataFrame({"timestamp": opens, **columns, "volume": price})


def opens(*texts: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([utc(text) for text in texts]).as_unit("us")


class TestRevisionsBetween:
    def test_the_same_candles_are_no_revision(self) -> None:
        found = revisions_between(candles(), candles(), SEEN)
        assert found.empty
        assert list(found.columns) == REVISION_COLUMNS
        pd.testing.assert_frame_equal(found, empty_revisions())

    @pytest.mark.parametrize("name", VALUES)
    def test_any_changed_value_is_one(self, name: str) -> None:
        new = candles()
        new[name] += np.where(new.index == 3, 0.5, 0.0)
        (row,) = revisions_between(candles(), new, SEEN).to_dict("records")
        assert row["timestamp"] == utc("2024-01-01T03:00")
        assert row["seen_at"] == SEEN
        assert row[f"new_{name}"] == row[f"old_{name}"] + 0.5
        assert pd.isna(row["redone_at"])

    def test_candles_that_nobody_requested_are_none(self) -> None:
        assert revisions_between(candles().drop(index=2), candles(), SEEN).empty

    def test_a_late_candle_is_one_without_old_values(self) -> None:
        absent = [(utc("2024-01-01T02:00"), utc("2024-01-01T03:00"))]
        found = revisions_between(candles().drop(index=[2, 3]), candles(), SEEN, absent)
        assert list(found["timestamp"]) == [utc("2024-01-01T02:00")]
        assert found[[f"old_{name}" for name in VALUES]].isna().all(axis=None)
        assert found["new_close"].iloc[0] == 103.0

    def test_a_candle_that_is_not_sent_again_is_none(self) -> None:
        assert revisions_between(candles(), candles().drop(index=2), SEEN).empty


class TestTouched:
    @pytest.mark.parametrize(
        ("timeframe", "expected"),
        [
            (DAY, ("2024-01-31", "2024-02-01")),
            (WEEK, ("2024-01-29",)),
            (MONTH, ("2024-01-01", "2024-02-01")),
        ],
    )
    def test_buckets_contain_the_opens(
        self, timeframe: Timeframe, expected: tuple[str, ...]
    ) -> None:
        changed = opens("2024-01-31T05:00", "2024-01-31T23:00", "2024-02-01T00:00")
        assert list(touched_buckets(changed, timeframe)) == list(opens(*expected))

    def test_nothing_touches_nothing(self) -> None:
        assert touched_buckets(opens(), DAY).empty
        assert touched_origins(opens(), DAY, 5, SEEN).empty

    @pytest.mark.parametrize("timeframe", [HOUR, DAY, WEEK, MONTH])
    @pytest.mark.parametrize("context", [1, 3, 121])
    def test_origins_are_those_whose_context_holds_a_changed_candle(
        self, timeframe: Timeframe, context: int
    ) -> None:
        grid = timeframe.opens(utc("2023-01-01"), utc("2024-03-01"))[:400]
        changed, until = grid[[2, 3, 9]], grid[-2].to_pydatetime()
        expected = [
            origin
            for origin in grid[1:-1]
            if any(
                timeframe.shift(origin.to_pydatetime(), -context) <= opened < origin
                for opened in changed
            )
        ]
        assert list(touched_origins(changed, timeframe, context, until)) == expected

    def test_origins_end_with_the_clock(self) -> None:
        found = touched_origins(opens("2024-01-01T02:00"), HOUR, 100, utc("2024-01-01T04:30"))
        assert list(found) == list(opens("2024-01-01T03:00", "2024-01-01T04:00"))


class TestToRecompute:
    def revised(self, seen: datetime = SEEN, volume: float = 1.0) -> pd.DataFrame:
        new = candles().assign(volume=volume).iloc[[2]].reset_index(drop=True)
        return revisions_between(candles(), new, seen)

    def stored(self, volume: float) -> pd.DataFrame:
        return candles().assign(volume=volume)

    def test_a_revision_whose_candle_is_stored_is_handled(self) -> None:
        assert len(to_recompute(self.revised(), self.stored(1.0), SEEN)) == 1

    def test_one_that_was_handled_is_not(self) -> None:
        done = self.revised().assign(redone_at=pd.Timestamp(SEEN))
        assert to_recompute(done, self.stored(1.0), SEEN).empty

    def test_one_whose_candle_is_on_its_way_waits_an_hour_at_most(self) -> None:
        assert to_recompute(self.revised(), self.stored(7.0), SEEN + timedelta(minutes=59)).empty
        assert len(to_recompute(self.revised(), self.stored(7.0), SEEN + timedelta(hours=1))) == 1

    def test_of_a_candle_revised_twice_the_newest_counts_for_both(self) -> None:
        later = SEEN + timedelta(minutes=5)
        both = pd.concat([self.revised(), self.revised(later, 2.0)], ignore_index=True)
        assert len(to_recompute(both, self.stored(2.0), later)) == 2
        assert to_recompute(both, self.stored(1.0), later).empty
