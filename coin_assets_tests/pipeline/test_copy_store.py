"""A copy makes the target equal to the source, to the bit, however often it was interrupted.

- Candles, months fetched without a candle, forecasts of both roles, revisions and the ledger.
- Killed anywhere, it goes on where it was; done once more, it writes nothing.
- What only the target has is refused, unless it shall be overwritten; the source is only read.
- What is read back other than it was written is an error that names series and month.
"""

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.candles.gaps import Gap
from coin_assets.domain.series import Series
from coin_assets.errors import CopyDiffers, TargetHasMore
from coin_assets.pipeline.copy_store import MonthCopied, SeriesCopied, StoreCopy
from coin_assets.store.base import Written
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.platform import files_of
from coin_assets_tests.store.contract import (
    CANDLE_CHANGES,
    DEC,
    GRID,
    GRID_TIMEFRAME,
    HOUR,
    HOURLY,
    JAN,
    NOV,
    OCT,
    SLOW_LAW,
    CandleChange,
    all_forecasts,
    all_revisions,
    everything,
    forecasts_at,
    fresh_series,
    hours,
    revisions_at,
    series_of,
)

MONTH = timedelta(days=31)


def gap(start: datetime, end: datetime, series: Series = HOURLY) -> Gap:
    return Gap(start, end, series.timeframe.count(start, end))


def filled(home: Path) -> ParquetStore:
    """Three months of everything a series can have, and a fourth that is fetched and empty."""
    store = ParquetStore(home)
    store.write_candles(HOURLY, hours(OCT, 1500), OCT, JAN)
    store.write_candles(HOURLY, empty_candles(), JAN, JAN + MONTH)
    for origin in (OCT, NOV, DEC):
        store.add_forecasts(HOURLY, forecasts_at([origin + HOUR, origin + 2 * HOUR]))
        challenger = forecasts_at([origin + HOUR], 101.0, "challenger", "2")
        store.add_forecasts(HOURLY, challenger.assign(kind="backtest"))
        store.record_revisions(HOURLY, revisions_at([origin + HOUR], JAN))
    store.update_ledger(
        HOURLY,
        lambda ledger: ledger.listed_at(OCT).answered(DEC, JAN, [gap(DEC + 36 * HOUR, JAN)], JAN),
    )
    return store


@pytest.fixture
def source(tmp_path: Path) -> ParquetStore:
    return filled(tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> ParquetStore:
    return ParquetStore(tmp_path / "target")


def copied(source: ParquetStore, target: ParquetStore, **how: Any) -> SeriesCopied:
    return StoreCopy(source, target, **how).copy(HOURLY)


def files(tmp_path: Path, name: str) -> dict[str, bytes]:
    return files_of(tmp_path / name)


def test_everything_of_a_series_is_copied_and_nothing_else(
    source: ParquetStore, target: ParquetStore, tmp_path: Path
) -> None:
    ours = files(tmp_path, "source")
    reported: list[MonthCopied] = []
    done = copied(source, target, progress=reported.append)
    assert files(tmp_path, "target") == ours == files(tmp_path, "source")
    assert len(ours) == 11  # four months of candles, three of the others, a ledger
    assert done.rows == {"candles": 1500, "forecasts": 3 * 3 * 24, "revisions": 3}
    assert [month.label for month in reported] == ["2026-10", "2026-11", "2026-12"]
    assert sum(month.rows for month in reported) == done.total("added") == 1500 + 216 + 3
    assert done.ledger_changed
    assert copied(source, target).months == []


def test_other_series_are_left_alone(
    source: ParquetStore, target: ParquetStore, tmp_path: Path
) -> None:
    other = series_of("4h")
    source.write_candles(other, empty_candles(), OCT, NOV)
    target.write_candles(series_of("1d"), empty_candles(), OCT, NOV)
    before = files(tmp_path, "target")
    copied(source, target)
    assert target.fetched_months(other) == []
    assert before.items() <= files(tmp_path, "target").items()


def test_a_series_of_which_nothing_is_stored_is_copied_as_such(tmp_path: Path) -> None:
    done = copied(ParquetStore(tmp_path / "a"), ParquetStore(tmp_path / "b"))
    assert (done.months, done.ledger_changed, set(done.rows.values())) == ([], False, {0})
    assert files(tmp_path, "b") == {}


def test_only_what_differs_is_written_again(
    source: ParquetStore, target: ParquetStore, tmp_path: Path
) -> None:
    copied(source, target)
    source.merge_candles(HOURLY, hours(NOV + 3 * HOUR, 2, price=11.0), NOV, DEC)
    source.revise_forecasts(HOURLY, forecasts_at([DEC + HOUR], 99.0, version="3"))
    writing = CountingStore(tmp_path / "target")
    done = copied(source, writing)
    assert [(month.label, list(month.changes)) for month in done.months] == [
        ("2026-11", ["candles"]),
        ("2026-12", ["forecasts"]),
    ]
    assert (done.total("replaced"), done.total("added")) == (2 + 24, 0)
    assert writing.writes == ["write_candles", "revise_forecasts"]
    assert files(tmp_path, "target") == files(tmp_path, "source")


# ------------------------------------------------------------------------------ killed and resumed


class KilledError(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


class CountingStore(ParquetStore):
    """Notes its writes, and dies before the ``fatal``-th step: a write has two, around it."""

    def __init__(self, home: Path, fatal: float = float("inf")) -> None:
        super().__init__(home)
        self.writes: list[str] = []
        self._fatal, self._steps = fatal, count()

    def _write(self, name: str, *arguments: Any) -> Any:
        self._step()
        self.writes.append(name)
        result = getattr(super(), name)(*arguments)
        self._step()
        return result

    def _step(self) -> None:
        if next(self._steps) >= self._fatal:
            raise KilledError

    def write_candles(self, *arguments: Any) -> Written:
        return self._write("write_candles", *arguments)  # type: ignore[no-any-return]

    def revise_forecasts(self, *arguments: Any) -> Written:
        return self._write("revise_forecasts", *arguments)  # type: ignore[no-any-return]

    def record_revisions(self, *arguments: Any) -> Written:
        return self._write("record_revisions", *arguments)  # type: ignore[no-any-return]

    def update_ledger(self, *arguments: Any) -> Ledger:
        return self._write("update_ledger", *arguments)  # type: ignore[no-any-return]


def test_death_before_or_after_any_write_costs_no_write_twice(
    source: ParquetStore, tmp_path: Path
) -> None:
    undisturbed = CountingStore(tmp_path / "undisturbed")
    copied(source, undisturbed)
    assert len(undisturbed.writes) == 11
    for fatal in count():
        first = CountingStore(tmp_path / str(fatal), fatal)
        try:
            copied(source, first)
        except KilledError:
            second = CountingStore(tmp_path / str(fatal))
            copied(source, second)
            assert first.writes + second.writes == undisturbed.writes
        else:
            break
        assert files(tmp_path, str(fatal)) == files(tmp_path, "source")
    assert fatal == 2 * len(undisturbed.writes)


def test_a_killed_process_is_gone_on_from_where_it_was(tmp_path: Path) -> None:
    chance, source = random.Random(6), ParquetStore(tmp_path / "source")
    start, end = OCT - 60 * 30 * timedelta(days=1), OCT
    source.write_candles(HOURLY, hours(start, 60 * 720), start, end)
    months = source.fetched_months(HOURLY)
    reported: list[str] = []
    while len(reported) < len(months):
        process = subprocess.Popen(
            [sys.executable, "-m", "coin_assets_tests.pipeline.copy_process"]
            + [str(tmp_path / name) for name in ("source", "target")],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(chance.randint(5, 20))]
        process.kill()
        lines += process.stdout.read().split()
        assert process.wait() in (0, -signal.SIGKILL)
        # Killed between a write and its report, a month is never reported.
        reported = sorted({*reported, *filter(None, lines)})
        if process.returncode == 0:
            break
    assert copied(source, ParquetStore(tmp_path / "target")).rows["candles"] == 60 * 720
    assert files(tmp_path, "target") == files(tmp_path, "source")


# --------------------------------------------------------------------------------- any two stores


def applied(store: ParquetStore, series: Series, changes: list[CandleChange]) -> None:
    """Candles after the changes, and forecasts, revisions and a ledger where they begin."""
    for change in changes:
        if change.kind == "delete_candles":
            store.delete_candles(series, *change.window)
            store.delete_forecasts(series, *change.window)
            continue
        getattr(store, change.kind)(series, change.candles, *change.window)
        origin = GRID[change.first]
        role = ("champion", "challenger")[change.price - 1]
        store.revise_forecasts(series, forecasts_at([origin], 100.0 * change.price, role))
        store.record_revisions(series, revisions_at([origin], GRID[-1], 20.0 * change.price))
        store.update_ledger(series, partial(_unanswered, gap(*change.window, series)))


def _unanswered(hole: Gap, ledger: Ledger) -> Ledger:
    return ledger.answered(hole.start, hole.end, [hole] if hole.count else [], GRID[-1])


def state(store: ParquetStore, series: Series) -> tuple[list[str], list[datetime], Ledger]:
    """All that is stored of a series."""
    frames = (everything(store, series), all_forecasts(store, series), all_revisions(store, series))
    return (
        [frame.to_csv() for frame in frames],
        store.fetched_months(series),
        store.read_ledger(series),
    )


@SLOW_LAW
@given(ours=CANDLE_CHANGES, theirs=st.one_of(st.just([]), CANDLE_CHANGES))
def test_any_source_is_copied_over_any_target(
    tmp_path_factory: pytest.TempPathFactory,
    ours: list[CandleChange],
    theirs: list[CandleChange],
) -> None:
    folder, series = tmp_path_factory.mktemp("copy"), fresh_series(GRID_TIMEFRAME)
    source, target = ParquetStore(folder / "source"), ParquetStore(folder / "target")
    applied(source, series, ours)
    applied(target, series, theirs)
    copy = StoreCopy(source, target, overwrite=True)
    planned = StoreCopy(source, target, overwrite=True, dry_run=True).copy(series)
    assert copy.copy(series) == planned
    assert state(target, series) == state(source, series)
    assert StoreCopy(target, source).copy(series).months == []
    assert copy.copy(series).months == []


# ------------------------------------------------------------------------------------- refusals

# what the target has besides -> words of the refusal, and whether anything was written before
SURPLUS: dict[str, tuple[Callable[[ParquetStore], Any], str]] = {
    "a later month": (
        lambda store: store.write_candles(HOURLY, empty_candles(), JAN + MONTH, JAN + 2 * MONTH),
        "fetched months 2027-02",
    ),
    "newer candles": (
        lambda store: store.merge_candles(HOURLY, hours(DEC + 100 * HOUR, 1), DEC, JAN),
        "candles up to 2026-12-05 04:00",
    ),
    "newer forecasts": (
        lambda store: store.add_forecasts(HOURLY, forecasts_at([DEC + 9 * HOUR])),
        "forecasts up to 2026-12-01 09:00",
    ),
    "a candle in between": (
        lambda store: store.merge_candles(HOURLY, hours(DEC - HOUR, 1), NOV, DEC),
        "1 candles in 2026-11",
    ),
    "forecasts in between": (
        lambda store: store.add_forecasts(HOURLY, forecasts_at([NOV + 7 * HOUR])),
        "24 forecasts in 2026-11",
    ),
    "a revision before": (
        lambda store: store.record_revisions(HOURLY, revisions_at([OCT - HOUR], OCT)),
        "1 revisions in before 2026-10",
    ),
}


def holed(store: ParquetStore) -> None:
    store.delete_candles(HOURLY, DEC - HOUR, DEC)


@pytest.mark.parametrize("case", SURPLUS)
def test_what_only_the_target_has_is_removed_only_on_demand(
    source: ParquetStore, target: ParquetStore, tmp_path: Path, case: str
) -> None:
    more, words = SURPLUS[case]
    holed(source)
    more(target)
    before = files(tmp_path, "target")
    with pytest.raises(TargetHasMore, match=words) as refusal:
        copied(source, target)
    assert "overwrite" in str(refusal.value)
    assert str(HOURLY) in str(refusal.value)
    assert before.items() <= files(tmp_path, "target").items()
    planned = copied(source, target, dry_run=True)
    done = copied(source, target, overwrite=True)
    assert planned.total("surplus") == done.total("surplus")
    assert files(tmp_path, "target") == files(tmp_path, "source")


def test_a_ledger_that_only_the_target_has_is_kept(target: ParquetStore, tmp_path: Path) -> None:
    target.update_ledger(HOURLY, lambda ledger: ledger.listed_at(OCT))
    empty = ParquetStore(tmp_path / "empty")
    with pytest.raises(TargetHasMore, match="BTC/USDT 1h: the target has a gap ledger"):
        copied(empty, target)
    assert target.read_ledger(HOURLY).listed == OCT
    assert copied(empty, target, overwrite=True).ledger_changed
    assert target.read_ledger(HOURLY) == Ledger()


def test_a_target_that_went_on_is_refused_before_anything_is_written(
    source: ParquetStore, target: ParquetStore, tmp_path: Path
) -> None:
    target.merge_candles(HOURLY, hours(JAN, 1), JAN, JAN + MONTH)
    before = files(tmp_path, "target")
    with pytest.raises(TargetHasMore):
        copied(source, target)
    assert files(tmp_path, "target") == before


def test_a_dry_run_reports_what_would_be_done_and_writes_nothing(
    source: ParquetStore, target: ParquetStore, tmp_path: Path
) -> None:
    planned = copied(source, target, dry_run=True)
    assert files(tmp_path, "target") == {}
    assert planned == copied(source, target)
    assert planned.total("added") > 1500


# ------------------------------------------------------------------------- nothing fails silently


class LosingStore(ParquetStore):
    """Claims that it stored everything."""

    def write_candles(self, series: Series, candles: pd.DataFrame, *window: Any) -> Written:
        return super().write_candles(series, candles.drop(candles.index[5:6]), *window)


class ForgettingStore(ParquetStore):
    """Does not remember months without a candle."""

    def write_candles(self, series: Series, candles: pd.DataFrame, *window: Any) -> Written:
        return Written(0, 0) if candles.empty else super().write_candles(series, candles, *window)


class RestlessStore(ParquetStore):
    """Gets a new candle before each of the next ``changes`` reads of November."""

    def __init__(self, home: Path, changes: int) -> None:
        super().__init__(home)
        self._left = iter(range(changes))

    def read_candles(self, series: Series, *window: Any) -> pd.DataFrame:
        candles = super().read_candles(series, *window)
        number = next(self._left, None) if window[0] == NOV else None
        if number is not None:
            self.merge_candles(series, hours(NOV + HOUR * number, 1, price=33.0), NOV, DEC)
        return candles


def test_rows_that_get_lost_are_noticed(source: ParquetStore, tmp_path: Path) -> None:
    with pytest.raises(CopyDiffers, match=r"BTC/USDT 1h: candles of 2026-10 .* 744 rows .* 743"):
        copied(source, LosingStore(tmp_path / "target"))


def test_months_that_do_not_count_as_fetched_are_noticed(
    source: ParquetStore, tmp_path: Path
) -> None:
    with pytest.raises(CopyDiffers, match="BTC/USDT 1h: 2027-01 are not fetched"):
        copied(source, ForgettingStore(tmp_path / "target"))


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_a_source_that_goes_on_meanwhile_is_followed(
    source: ParquetStore, target: ParquetStore, tmp_path: Path, changes: int
) -> None:
    copied(RestlessStore(tmp_path / "source", changes), target)
    assert files(tmp_path, "target") == files(tmp_path, "source")
    assert (everything(source, HOURLY)["close"] > 33.0).sum() == changes


def test_a_source_that_never_rests_is_an_error(
    source: ParquetStore, target: ParquetStore, tmp_path: Path
) -> None:
    assert len(everything(source, HOURLY))
    with pytest.raises(CopyDiffers, match="candles of 2026-11 change at the source during"):
        copied(RestlessStore(tmp_path / "source", 100), target)
