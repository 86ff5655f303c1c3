"""Revision records: one point a candle, that holds all its revisions as a JSON list."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from coin_assets.domain.candles.frame import TIMESTAMP_DTYPE
from coin_assets.domain.candles.revisions import empty_revisions
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.foreign_text import shortened
from coin_assets.store.changes import Changes
from coin_assets.store.influxdb import flux
from coin_assets.store.influxdb.fields import rows_of
from coin_assets.store.influxdb.lines import SERIES_TAGS, series_name, series_tags
from coin_assets.store.influxdb.measurements import REVISION
from coin_assets.store.influxdb.tables import MeasurementTable

_KINDS = {str(name): str(kind) for name, kind in empty_revisions().dtypes.items()}
# Of one candle: 3,000 revisions. JSON can take 25 times the memory of its text.
_MOST_TEXT = 1 << 20


class RevisionTable(MeasurementTable):
    """`Table` whose rows are packed into one point for each candle."""

    def counts(self, ranges: Mapping[Series, tuple[datetime, datetime]]) -> dict[Series, int]:
        """Number of revisions of each series in its half-open range."""
        return {series: len(self.read(series, *range_)) for series, range_ in ranges.items()}

    def read_many(
        self, series_list: Sequence[Series], start: datetime, end: datetime
    ) -> dict[Series, pd.DataFrame]:
        """As `read`, of several series in one request."""
        tags = [series_tags(each) for each in series_list]
        script = flux.values(self.bucket.name, self.measurement, tags, start, end)
        columns = dict.fromkeys(SERIES_TAGS, "str")
        points = self.bucket.query(script, lambda body: rows_of(body, self.measurement, columns))
        by_name = dict(list(points.groupby(list(SERIES_TAGS))))
        found = {}
        for series in series_list:
            own = by_name.get(series_name(series), points[:0]).drop(columns=list(SERIES_TAGS))
            self._require_possible(own, series, start, end)
            found[series] = self.kind.ordered(self._from_points(own))
        return found

    @property
    def _points_at_once(self) -> int:
        return 1

    def _from_points(self, points: pd.DataFrame) -> pd.DataFrame:
        values: dict[str, list[Any]] = {name: [] for name in _KINDS}
        try:
            for opened, text in points[["timestamp", "records"]].itertuples(index=False):
                for record in _unpacked(text):
                    for name, column in values.items():
                        column.append(opened if name == "timestamp" else record[name])
            return pd.DataFrame(
                {name: pd.Series(values[name], dtype=kind) for name, kind in _KINDS.items()}
            )
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            reason = shortened(str(error), 200)
            raise CorruptArtefact(
                f"A point of measurement {REVISION.name!r} is no list of revisions ({reason}). "
                "Delete the point: its candle is then as if it had never changed."
            ) from error

    def _to_send(self, wanted: pd.DataFrame, difference: Changes) -> pd.DataFrame:
        touched = pd.concat([difference.put["timestamp"], difference.gone["timestamp"]])
        rows = wanted[wanted["timestamp"].isin(touched)]
        packed = [(opened, _packed(group)) for opened, group in rows.groupby("timestamp")]
        return pd.DataFrame(packed, columns=["timestamp", "records"]).astype(REVISION.dtypes)


def _packed(revisions: pd.DataFrame) -> str:
    records = revisions.drop(columns="timestamp").to_dict("records")
    return json.dumps([{str(k): _plain(v) for k, v in record.items()} for record in records])


def _plain(value: Any) -> Any:
    """JSON value; None for NaN and NaT."""
    if pd.isna(value):
        return None
    return value.isoformat() if isinstance(value, datetime) else value


def _unpacked(text: str) -> list[dict[str, Any]]:
    if len(text) > _MOST_TEXT:
        raise ValueError(f"it is longer than {_MOST_TEXT >> 20} MB")
    times = [name for name, kind in _KINDS.items() if kind == TIMESTAMP_DTYPE]
    records = json.loads(text)
    for record in records:
        for name in set(times) & record.keys():
            record[name] = record[name] and datetime.fromisoformat(record[name])
    return list(records)
