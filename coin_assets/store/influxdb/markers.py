"""Markers of fetched months: one point each, written after all rows of the month.

A fetched month without candles has no rows, so rows alone are not sufficient.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import next_month
from coin_assets.store.influxdb import flux
from coin_assets.store.influxdb.answers import frame_of
from coin_assets.store.influxdb.installation import ClaimedBucket
from coin_assets.store.influxdb.lines import SERIES_TAGS, requests_of, series_tags, symbol_groups
from coin_assets.store.influxdb.measurements import MONTH, Measurement


@dataclass(frozen=True)
class MonthMarkers:
    """The markers of a measurement."""

    bucket: ClaimedBucket
    measurement: Measurement

    def of(
        self, series: Series, start: datetime = flux.BEGIN, end: datetime = flux.END
    ) -> list[datetime]:
        """Marked months of ``[start, end)``, ascending."""
        script = flux.times(self.bucket.name, MONTH, self._tags(series), start, end)
        columns = {"_time": MONTH.dtypes[MONTH.time]}
        rows = self.bucket.query(script, lambda body: frame_of(body, columns))
        return sorted(time.to_pydatetime() for time in rows["_time"])

    def of_all(self, series_list: Iterable[Series]) -> dict[tuple[str, str], list[datetime]]:
        """Marked months of all series, ascending, by symbol and timeframe.

        One request for each `SYMBOLS_AT_ONCE` symbols.
        """
        columns = {"_time": MONTH.dtypes[MONTH.time]} | dict.fromkeys(SERIES_TAGS, "str")
        found: dict[tuple[str, str], list[datetime]] = {}
        for symbols in symbol_groups(series_list):
            tags = [{**each, "table": self.measurement.name} for each in symbols]
            script = flux.times(self.bucket.name, MONTH, tags, flux.BEGIN, flux.END)
            rows = self.bucket.query(script, lambda body: frame_of(body, columns))
            for month, symbol, timeframe in rows.sort_values("_time").itertuples(index=False):
                found.setdefault((symbol, timeframe), []).append(month.to_pydatetime())
        return found

    def add(self, series: Series, months: list[datetime]) -> None:
        """Mark consecutive months; months that are already marked cost no write."""
        start, end = months[0], next_month(months[-1])
        new = sorted(set(months) - set(self.of(series, start, end)))
        if not new:
            return
        rows = pd.DataFrame(
            {"timestamp": new, "table": self.measurement.name, "fetched": 1.0}
        ).astype(MONTH.dtypes)
        for lines in requests_of(MONTH, series_tags(series), rows):
            self.bucket.write(lines)
        self.bucket.confirm(
            lambda: set(new) <= set(self.of(series, start, end)), f"{len(new)} months of {series}"
        )

    def forget(self, series: Series, months: list[datetime]) -> None:
        """Unmark consecutive months."""
        start, end = months[0], next_month(months[-1])
        if self.of(series, start, end):
            self.bucket.delete(MONTH, self._tags(series), start, end)

    def _tags(self, series: Series) -> dict[str, str]:
        return {**series_tags(series), "table": self.measurement.name}
