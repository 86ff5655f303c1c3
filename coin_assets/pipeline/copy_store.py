"""Copies series from one store to another, verified month by month.

A month of candles, forecasts or revisions that is equal on both sides is skipped. So a killed copy
resumes where it was, and a repeated one writes nothing. A written month is read back: both sides
must have the same fingerprint (SHA-256 over row count and values). The source is only read.

Rows of the source replace those of the target. Rows that only the target has suggest a copy in the
wrong direction, or two stores in use: only ``overwrite`` removes them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import describe_months
from coin_assets.errors import CopyDiffers, TargetHasMore
from coin_assets.pipeline.copy_tables import CANDLES, TABLES, CopiedTable, CopyWindow, copy_windows
from coin_assets.store.base import Store
from coin_assets.store.fingerprint import TableDifference, difference, fingerprint

_TRIES = 3


@dataclass(frozen=True)
class MonthCopied:
    """Differences of one month, by table, that were copied or would be."""

    series: Series
    label: str
    changes: dict[str, TableDifference]

    @property
    def rows(self) -> int:
        """Differing rows of all tables together."""
        return sum(change.rows for change in self.changes.values())


@dataclass
class SeriesCopied:
    """Outcome of the copy of one series.

    Attributes:
        rows: rows of the source, by table.
        months: months that differed.
        ledger_changed: whether the gap ledgers differed.
    """

    series: Series
    rows: dict[str, int] = field(default_factory=lambda: {table.name: 0 for table in TABLES})
    months: list[MonthCopied] = field(default_factory=list)
    ledger_changed: bool = False

    def total(self, kind: str) -> int:
        """Rows ``added``, ``replaced`` or ``surplus`` in all tables and months."""
        changes = [change for month in self.months for change in month.changes.values()]
        return sum(getattr(change, kind) for change in changes)


@dataclass(frozen=True)
class StoreCopy:
    """A copy from ``source`` to ``target``.

    Attributes:
        overwrite: remove rows that only the target has.
        dry_run: compare only; write nothing.
        progress: called with each month that differed, after its copy.
    """

    source: Store
    target: Store
    overwrite: bool = False
    dry_run: bool = False
    progress: Callable[[MonthCopied], None] = lambda month: None  # noqa: ARG005

    def copy(self, series: Series) -> SeriesCopied:
        """Make all rows of ``series`` in the target equal to those of the source.

        Raises:
            TargetHasMore: the target has rows that the source lacks, and ``overwrite`` is not set.
            CopyDiffers: the rows read back differ from those written, or the source keeps changing.
        """
        done = SeriesCopied(series)
        if not (self.overwrite or self.dry_run):
            self._require_no_newer(series)
        windows = copy_windows(self.source, self.target, series)
        for window in windows:
            changes = {table.name: self._copy_part(done, table, window) for table in TABLES}
            month = MonthCopied(series, window.label, {k: v for k, v in changes.items() if v.rows})
            if month.changes:
                done.months.append(month)
                self.progress(month)
        self._copy_ledger(done)
        if not self.dry_run:
            self._require_fetched(series, windows)
        return done

    def _require_no_newer(self, series: Series) -> None:
        """Refuse a target with newer rows than the source before anything is written."""
        months = set(self.target.fetched_months(series)) - set(self.source.fetched_months(series))
        if months:
            raise _has_more(series, f"fetched months {describe_months(sorted(months))}")
        stores = self.source, self.target
        for name, newest in (
            ("candles", [store.newest_candles([series]).get(series) for store in stores]),
            ("forecasts", [store.newest_forecasts([series]).get(series) for store in stores]),
        ):
            ours, theirs = newest
            if theirs is not None and (ours is None or theirs > ours):
                raise _has_more(series, f"{name} up to {theirs:%Y-%m-%d %H:%M}")

    def _copy_part(
        self, done: SeriesCopied, table: CopiedTable, window: CopyWindow
    ) -> TableDifference:
        """Copy one table of one window; returns how the target differed."""
        series, mismarked = done.series, table is CANDLES and window.fetched != window.known
        found = TableDifference(0, 0, 0)
        for attempt in range(_TRIES):
            wanted, stored = (
                self._wanted(series, table, window),
                table.read(self.target, series, window),
            )
            equal = fingerprint(wanted) == fingerprint(stored)
            change = found if equal else difference(wanted, stored, table.identity)
            found = change if attempt == 0 else found
            if self.dry_run or (equal and not mismarked):
                break
            if change.surplus and not self.overwrite:
                raise _has_more(series, f"{change.surplus} {table.name} in {window.label}")
            table.equalise(self.target, series, window, wanted, change.surplus > 0)
            _require_same(series, table, window, wanted, table.read(self.target, series, window))
            if fingerprint(self._wanted(series, table, window)) == fingerprint(wanted):
                break
        else:
            raise CopyDiffers(
                f"{series}: {table.name} of {window.label} change at the source during the copy. "
                "Launch the copy again when no other run writes this series."
            )
        done.rows[table.name] += len(wanted)
        return found

    def _wanted(self, series: Series, table: CopiedTable, window: CopyWindow) -> pd.DataFrame:
        """Rows of the source, without candles of months that are not fetched."""
        rows = table.read(self.source, series, window)
        return rows if table is not CANDLES or window.fetched else rows.head(0)

    def _copy_ledger(self, done: SeriesCopied) -> None:
        series = done.series
        wanted, stored = self.source.read_ledger(series), self.target.read_ledger(series)
        done.ledger_changed = wanted != stored
        if self.dry_run or not done.ledger_changed:
            return
        if wanted == Ledger() and not self.overwrite:
            raise _has_more(series, "a gap ledger")
        self.target.update_ledger(series, lambda _: wanted)
        if self.target.read_ledger(series) != wanted:
            raise CopyDiffers(
                f"{series}: the gap ledger read back differs from the one written. Launch the copy "
                "again while nothing else writes to the target."
            )

    def _require_fetched(self, series: Series, windows: list[CopyWindow]) -> None:
        fetched = set(self.target.fetched_months(series))
        wrong = [each.start for each in windows if each.fetched != (each.start in fetched)]
        if wrong:
            raise CopyDiffers(
                f"{series}: {describe_months(wrong)} are not fetched at the target as they are at "
                "the source. Launch the copy again while nothing else writes to the target."
            )


def _require_same(
    series: Series,
    table: CopiedTable,
    window: CopyWindow,
    wanted: pd.DataFrame,
    stored: pd.DataFrame,
) -> None:
    ours, theirs = fingerprint(wanted), fingerprint(stored)
    if ours != theirs:
        raise CopyDiffers(
            f"{series}: {table.name} of {window.label} read back differ from those written: "
            f"{len(wanted)} rows (SHA-256 {ours[:12]}) at the source, {len(stored)} "
            f"({theirs[:12]}) at the target. Launch the copy again while nothing else writes to "
            "the target; it must keep the whole history (retention, disk)."
        )


def _has_more(series: Series, what: str) -> TargetHasMore:
    return TargetHasMore(
        f"{series}: the target has {what} that the source lacks. Check that source and target are "
        "not swapped and that nothing writes to the target; dry_run lists the differences. To "
        "remove them there, set overwrite to true."
    )
