"""Serialiser of frames to line protocol.

The bytes equal those of the client library's serialiser, in a fraction of its time. Values that
InfluxDB cannot store are refused before any line is returned.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import TIMESTAMP_DTYPE
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import as_micros
from coin_assets.errors import DataRefused, StoreRefused
from coin_assets.store.influxdb.measurements import Measurement

LINES_A_REQUEST = 5_000
# A question about many series asks for those of so many symbols at once: a bucket may hold the
# symbols of other shards as well, and an answer has to stay below the limit.
SYMBOLS_AT_ONCE = 100
SERIES_TAGS = ("symbol", "timeframe")

_SPECIAL = re.compile(r"([,= ])")
# Line protocol has no form of a backslash before one of its special characters, or at the end.
_INVALID = re.compile(r"[\x00-\x1f\x7f]|\\(?=[,= ]|$)")


def symbol_groups(series_list: Iterable[Series]) -> list[list[dict[str, str]]]:
    """Tags of the symbols of ``series_list``, in groups of `SYMBOLS_AT_ONCE`, in a fixed order."""
    symbols = sorted({series_name(series)[0] for series in series_list})
    firsts = range(0, len(symbols), SYMBOLS_AT_ONCE)
    return [
        [{SERIES_TAGS[0]: each} for each in symbols[first : first + SYMBOLS_AT_ONCE]]
        for first in firsts
    ]


def series_tags(series: Series) -> dict[str, str]:
    """Tags of a series, the same in every measurement."""
    return dict(zip(SERIES_TAGS, series_name(series), strict=True))


def series_name(series: Series) -> tuple[str, str]:
    """Values of `SERIES_TAGS`."""
    return series.symbol, series.timeframe.name


def requests_of(
    measurement: Measurement, tags: Mapping[str, str], rows: pd.DataFrame
) -> Iterator[str]:
    """Line protocol of ``rows`` in their order, at most `LINES_A_REQUEST` lines each.

    Raises:
        DataRefused: InfluxDB would drop a value or store it as another type.
        StoreRefused: line protocol has no form of a name.
    """
    _require_fit(measurement, rows)
    columns = [
        *(map(_escaped, map(tag_value, rows[name])) for name in measurement.words),
        *(map("{:02d}".format, rows[name].tolist()) for name in measurement.numbers),
        *(_values(measurement, rows, name) for name in measurement.fields),
        (as_micros(rows[measurement.time]) // 1_000_000).tolist(),
    ]
    lines = list(map(_template(measurement, tags).__mod__, zip(*columns, strict=True)))
    for first in range(0, len(lines), LINES_A_REQUEST):
        yield "\n".join(lines[first : first + LINES_A_REQUEST])


def tag_value(name: str) -> str:
    """Return ``name`` if it is valid as the value of a tag.

    Raises:
        StoreRefused: it is not valid.
    """
    if not name or _INVALID.search(name):
        raise StoreRefused(
            f"{name!r} cannot be a name in InfluxDB, which takes no control characters and no "
            "backslash before a comma, a blank, an equals sign or the end. Use another symbol, or "
            "COIN_STORE=parquet. Nothing was stored."
        )
    return name


def _template(measurement: Measurement, tags: Mapping[str, str]) -> str:
    """Format string of a line, with a placeholder for each varying tag and field."""
    constant = {name: _escaped(tag_value(value)).replace("%", "%%") for name, value in tags.items()}
    varying = dict.fromkeys((*measurement.words, *measurement.numbers), "%s")
    named = [f"{name}={value}" for name, value in sorted((constant | varying).items())]
    # `repr` is the shortest text that reads back to the same bits.
    values = [
        f"{name}=" + ("%r" if name in measurement.floats else '"%s"') for name in measurement.fields
    ]
    order = [*measurement.words, *measurement.numbers]
    if sorted(order) != order:
        raise ValueError(f"tags of {measurement.name} are to be listed in order, not {order}")
    return f"{','.join([measurement.name, *named])} {','.join(values)} %d"


def _values(measurement: Measurement, rows: pd.DataFrame, name: str) -> list[object]:
    values = rows[name].tolist()
    if name in measurement.floats:
        return values
    return [text.replace("\\", "\\\\").replace('"', '\\"') for text in values]


def _escaped(name: str) -> str:
    return _SPECIAL.sub(r"\\\1", name)


def _require_fit(measurement: Measurement, rows: pd.DataFrame) -> None:
    for name, expected in measurement.dtypes.items():
        found = str(rows[name].dtype) if name in rows else "nothing"
        if found != expected:
            raise DataRefused(
                f"{measurement.name}: column {name} is {found}, not {expected}; InfluxDB would "
                "store it as something else. Nothing was stored."
            )
        if rows[name].isna().any():
            raise DataRefused(
                f"{measurement.name}: column {name} lacks {int(rows[name].isna().sum())} values, "
                "which InfluxDB would not change. Nothing was stored."
            )
    floats = rows[list(measurement.floats)].to_numpy()
    if not np.isfinite(floats).all():
        raise DataRefused(
            f"{measurement.name}: {int((~np.isfinite(floats)).sum())} numbers are infinite, which "
            "InfluxDB cannot store. Nothing was stored."
        )
    if (
        rows[measurement.time].dtype == TIMESTAMP_DTYPE
        and (as_micros(rows[measurement.time]) % 1_000_000).any()
    ):
        raise DataRefused(
            f"{measurement.name}: some times are not whole seconds, which is the precision of "
            "this store in InfluxDB. Nothing was stored."
        )
