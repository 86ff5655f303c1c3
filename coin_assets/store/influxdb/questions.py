"""Questions about many series at once, in as few requests as answers may be long."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from coin_assets.domain.series import Series
from coin_assets.store.base import CandleRange
from coin_assets.store.influxdb import flux
from coin_assets.store.influxdb.answers import frame_of
from coin_assets.store.influxdb.installation import ClaimedBucket
from coin_assets.store.influxdb.lines import SERIES_TAGS, series_name, series_tags, symbol_groups
from coin_assets.store.influxdb.measurements import Measurement
from coin_assets.store.influxdb.ranges import each_series_once, grouped_ranges

_NAMED = dict.fromkeys(SERIES_TAGS, "str")
_COUNTED = _NAMED | {"_value": "int64"}


@dataclass(frozen=True)
class SeriesQuestions:
    """Counts and times of the points of many series of one measurement."""

    bucket: ClaimedBucket
    measurement: Measurement

    def counts(self, ranges: Mapping[Series, tuple[datetime, datetime]]) -> dict[Series, int]:
        """Number of points of each series in its half-open range."""
        found: Counter[tuple[str, str]] = Counter()
        for wanted in grouped_ranges(CandleRange(each, *range_) for each, range_ in ranges.items()):
            script = flux.counts(self.bucket.name, self.measurement, wanted)
            rows = self.bucket.query(script, lambda body: frame_of(body, _COUNTED))
            for symbol, timeframe, count in rows.itertuples(index=False):
                found[symbol, timeframe] += count
        return {series: found[series_name(series)] for series in ranges}

    def spans(
        self, ranges: Collection[CandleRange]
    ) -> dict[CandleRange, tuple[datetime, datetime]]:
        """First and last time of the points of each range that has any."""
        found: dict[CandleRange, tuple[datetime, datetime]] = {}
        for apart in each_series_once(ranges):
            times: dict[tuple[str, str], list[datetime]] = {}
            for wanted in grouped_ranges(apart):
                script = flux.spans(self.bucket.name, self.measurement, wanted)
                for name, time in self._times(script):
                    times.setdefault(name, []).append(time)
            for each in apart:
                if own := times.get(series_name(each.series)):
                    found[each] = min(own), max(own)
        return found

    def ends(
        self, series_list: Sequence[Series], pick: Literal["first", "last"]
    ) -> dict[Series, datetime]:
        """First or last time of each series that has points."""
        wanted = {series_name(series): series for series in series_list}
        is_one, choose = len(wanted) == 1, max if pick == "last" else min
        groups = [[series_tags(series_list[0])]] if is_one else symbol_groups(series_list)
        found: dict[Series, datetime] = {}
        for group in groups:
            tags = [each | dict(self.measurement.one_of) for each in group]
            place = self.bucket.name, self.measurement
            for name, time in self._times(flux.times(*place, tags, flux.BEGIN, flux.END, pick)):
                series = wanted.get(name)
                if series is not None:
                    found[series] = choose(time, found.get(series, time))
        return found

    def _times(self, script: str) -> list[tuple[tuple[str, str], datetime]]:
        """Name of the series and time of each row of an answer."""
        columns = {"_time": self.measurement.dtypes[self.measurement.time]} | _NAMED
        rows = self.bucket.query(script, lambda body: frame_of(body, columns))
        return [
            ((symbol, timeframe), time.to_pydatetime())
            for time, symbol, timeframe in rows.itertuples(index=False)
        ]
