"""Exogenous values of each symbol in Parquet files of a home.

    <home>/exogenous/symbol=BTC_USDT/timeframe=1h/month=2026-11/implied_volatility.parquet

The files are those of `coin_assets.store.monthly`, so locks, labels, hashes and markers of damage
are those of candles. They lie in the home with every store, as models do.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa

from coin_assets.domain.forecasting.exogenous import (
    LONGEST_AGE,
    Progress,
    received,
    validated_values,
    with_news,
)
from coin_assets.domain.methods import EXOGENOUS
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import (
    Timeframe,
    just_after,
    month_start,
    next_month,
)
from coin_assets.errors import CorruptArtefact
from coin_assets.store.base import Extent, Written
from coin_assets.store.exogenous_ledger import ExogenousLedgers
from coin_assets.store.monthly import MonthlyTable
from coin_assets.store.tabular import TableKind

FOLDER = "exogenous"
_HOUR = Timeframe("1h")  # no source has more values
_TIME = pa.timestamp("us", tz="UTC")
_COLUMNS = pa.schema([("timestamp", _TIME), ("known_at", _TIME), ("value", pa.float64())])
_MOST_REVISIONS = 1000
_FETCHED_AGAIN = "fetch_exogenous fetches its values again, as far as their source keeps them"
_REMEDY_OF_VALUES = f"Remove the file: {_FETCHED_AGAIN}."


@dataclass(frozen=True)
class ExogenousTables:
    """The exogenous values below a home; safe for many processes.

    Raises:
        CorruptArtefact: a file is damaged or belongs elsewhere; the message names the remedy.
        MachineFault: the machine failed; files are as they were.
    """

    home: Path

    def read(self, symbol: str, name: str, start: datetime, end: datetime) -> pd.DataFrame:
        """Exogenous frame of all that was ever known of times in ``[start, end)``."""
        for month in self.lost(symbol, name):
            if start < next_month(month) and month < end:
                path = self._table(name).path(Series(symbol, _HOUR), month)
                raise CorruptArtefact(f"{path} is gone. It comes back: {_FETCHED_AGAIN}.")
        return self._table(name).read(Series(symbol, _HOUR), start, end)

    def read_for(self, symbol: str, name: str, times: pd.DatetimeIndex) -> pd.DataFrame:
        """As `read`, of all values that can be known at ``times``; see `known_values`.

        Raises:
            CorruptArtefact: as `ExogenousTables`, or the history is not stored (any more).
        """
        progress = self.progress(symbol, name)
        if progress is None or not progress.is_complete:
            raise CorruptArtefact(
                f"{self._ledgers.path(symbol, name)} does not say that the history of {name} is "
                "stored. It comes back: fetch_exogenous fetches it."
            )
        start, end = times.min().to_pydatetime(), times.max().to_pydatetime()
        return self.read(symbol, name, start - LONGEST_AGE, just_after(end))

    def extent(self, symbol: str, name: str) -> Extent | None:
        """First and last time that a value describes, from file footers; None without values."""
        return self._table(name).extent(Series(symbol, _HOUR))

    def progress(self, symbol: str, name: str) -> Progress | None:
        """What the source was asked for; None if it never was."""
        ledger = self._ledgers.read(symbol, name)
        return None if ledger is None else ledger.progress

    def examined(self, symbol: str, name: str) -> Extent | None:
        """As `extent`, after all rows were read: old ones are read by nobody for months."""
        extent = self.extent(symbol, name)
        if extent is not None:
            self.read(symbol, name, extent.first, just_after(extent.last))
        return extent

    def lost(self, symbol: str, name: str) -> list[datetime]:
        """Starts of the months whose values are gone with their files, ascending."""
        ledger = self._ledgers.read(symbol, name)
        if ledger is None or not ledger.months:
            return []
        return sorted(ledger.months.difference(self._table(name).months(Series(symbol, _HOUR))))

    def begin(self, symbol: str, name: str, start: datetime, now: datetime) -> Progress:
        """What the source was asked for; a history that begins now is recorded first.

        So a history that is fetched in parts, or is killed, has the same values. With values whose
        record was lost, the history ends with them; what came later counts from its receipt.

        Args:
            start: of the history.
        """
        is_known = self.progress(symbol, name) is not None
        extent = None if is_known else self.extent(symbol, name)
        begun = now if extent is None else min(now, just_after(extent.last))
        return self._ledgers.record(symbol, name, Progress(begun, min(start, begun)))

    def add(
        self,
        symbol: str,
        name: str,
        fetched: pd.DataFrame,
        asked: datetime,
        seen: datetime,
    ) -> Written:
        """Add fetched values; what was known before ``seen`` stays, but for the history.

        Args:
            fetched: exogenous frame with one value a time.
            asked: the source was asked for all values that describe times before this.
            seen: when they arrived.

        Raises:
            DataRefused: ``fetched`` is no exogenous frame.
        """
        progress = self.progress(symbol, name)
        if progress is None:
            raise ValueError(f"{symbol} {name}: begin comes before add")
        values = received(validated_values(fetched), progress, seen)
        months = _months_of(values)
        written = self._write(symbol, name, values, months, seen)
        self._ledgers.record(symbol, name, Progress(progress.begun, asked), months)
        return written

    def restore(
        self, symbol: str, name: str, month: datetime, fetched: pd.DataFrame, seen: datetime
    ) -> Written:
        """Values of a `lost` month, as their source has them now; they count as history does.

        Args:
            fetched: as in `add`; empty if the source keeps none of them.
        """
        values = validated_values(fetched)
        written = self._write(symbol, name, values, _months_of(values), seen)
        progress = self.progress(symbol, name)
        if progress is not None:
            self._ledgers.record(symbol, name, progress, _months_of(values), empty=month)
        return written

    def _write(
        self,
        symbol: str,
        name: str,
        values: pd.DataFrame,
        months: Iterable[datetime],
        seen: datetime,
    ) -> Written:
        news = partial(with_news, seen=seen)
        return self._table(name).update(Series(symbol, _HOUR), values, sorted(months), news)

    def _table(self, name: str) -> MonthlyTable:
        return _tables(self.home)[name]

    @property
    def _ledgers(self) -> ExogenousLedgers:
        return ExogenousLedgers(self.home)


def _tables(home: Path) -> dict[str, MonthlyTable]:
    kind = partial(
        TableKind,
        time="timestamp",
        identity=("timestamp", "known_at"),
        records_empty=False,
        most_at_once=_MOST_REVISIONS,
        remedy=_REMEDY_OF_VALUES,
    )
    return {name: MonthlyTable(home / FOLDER, kind(name), _COLUMNS) for name in EXOGENOUS}


def _months_of(values: pd.DataFrame) -> frozenset[datetime]:
    return frozenset(month_start(time) for time in values["timestamp"].dt.to_pydatetime())
