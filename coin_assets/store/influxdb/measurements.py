"""The measurements of the bucket, with their tags and fields.

All but the installation's have the tags ``symbol`` and ``timeframe``. Times are whole seconds. A
row always has all its fields: a field left out would keep its old value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from coin_assets.domain.candles.frame import TIMESTAMP_DTYPE, VALUES
from coin_assets.domain.forecasting.frame import PRICE_COLUMNS

# Time of documents without a time of their own; no retention of a bucket reaches it.
UNDATED = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Measurement:
    """A measurement, in terms of the columns of a frame of one series.

    Attributes:
        time: column of the time, which InfluxDB calls ``_time``.
        words: text columns that are tags, beside symbol and timeframe.
        numbers: whole-number columns that are tags; written with two digits.
        floats, texts: number and text columns that are fields.
        one_of: tag -> value that selects one point of each time; empty if there is one only.
        of_series: whether it has the tags ``symbol`` and ``timeframe``.
    """

    name: str
    time: str = "timestamp"
    words: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    floats: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    one_of: Mapping[str, str] = field(default_factory=dict)
    of_series: bool = True

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, sorted."""
        return tuple(sorted(self.floats + self.texts))

    @property
    def dtypes(self) -> dict[str, str]:
        """Column types of a frame of one series."""
        return {
            self.time: TIMESTAMP_DTYPE,
            **dict.fromkeys(self.words, "str"),
            **dict.fromkeys(self.numbers, "int64"),
            **dict.fromkeys(self.floats, "float64"),
            **dict.fromkeys(self.texts, "str"),
        }

    @property
    def tags(self) -> set[str]:
        """Names of all tags."""
        return {*self.words, *self.numbers, *(("symbol", "timeframe") if self.of_series else ())}


OHLCV = Measurement("ohlcv", floats=tuple(VALUES))
FORECAST = Measurement(
    "forecast",
    time="as_of",
    words=("role",),
    numbers=("step",),
    floats=tuple(PRICE_COLUMNS),
    texts=("model_version", "kind"),
    one_of={"step": "01"},  # every origin has all steps
)
# All revisions of a candle are one point: their times as tags would have unbounded cardinality.
REVISION = Measurement("revision", texts=("records",))
LEDGER = Measurement("ledger", texts=("document",))
# The months of `ohlcv` that were fetched, also those without a candle.
MONTH = Measurement("month", words=("table",), floats=("fetched",))
INSTALLATION = Measurement("installation", texts=("market",), of_series=False)

MEASUREMENTS = (OHLCV, FORECAST, REVISION, LEDGER, MONTH, INSTALLATION)
