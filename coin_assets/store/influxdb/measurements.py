"""What lies in the bucket: every measurement with its exact tags and fields.

All carry the tags ``symbol`` and ``timeframe``, but for the installation's one. Times are whole
seconds. A row has all its fields, always: a field left out would keep its old value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from coin_assets.domain.candles.frame import TIMESTAMP_DTYPE, VALUES
from coin_assets.domain.forecasting.frame import PRICE_COLUMNS

# Where documents lie that belong to no time: no retention of a bucket ever reaches it.
UNDATED = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Measurement:
    """A kind of points, as a frame of one key has them.

    Attributes:
        time: column of the time, which InfluxDB calls ``_time``.
        words, numbers: columns that are tags beside symbol and timeframe; numbers have two digits.
        floats, texts: columns that are fields.
        one_of: tags that pick one row of every time that has rows.
        of_key: whether it has the tags symbol and timeframe.
    """

    name: str
    time: str = "timestamp"
    words: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    floats: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    one_of: Mapping[str, str] = field(default_factory=dict)
    of_key: bool = True

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(sorted(self.floats + self.texts))

    @property
    def dtypes(self) -> dict[str, str]:
        """Column types of a frame of one key."""
        return {
            self.time: TIMESTAMP_DTYPE,
            **dict.fromkeys(self.words, "str"),
            **dict.fromkeys(self.numbers, "int64"),
            **dict.fromkeys(self.floats, "float64"),
            **dict.fromkeys(self.texts, "str"),
        }

    @property
    def tags(self) -> set[str]:
        """The exact tag keys."""
        return {*self.words, *self.numbers, *(("symbol", "timeframe") if self.of_key else ())}


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
# All revisions of a candle are one point: the times they were seen would be tags without number.
REVISION = Measurement("revision", texts=("records",))
LEDGER = Measurement("ledger", texts=("document",))
# The months of `ohlcv` that were fetched, also those without a candle.
MONTH = Measurement("month", words=("table",), floats=("fetched",))
INSTALLATION = Measurement("installation", texts=("market",), of_key=False)

MEASUREMENTS = (OHLCV, FORECAST, REVISION, LEDGER, MONTH, INSTALLATION)
