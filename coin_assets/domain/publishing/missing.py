"""The reason why a series lacks a published file, for readers of the manifest."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.publishing.manifest_entries import ManifestEntry
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe

NOT_PUBLISHED = "not every file has been published yet"
WhyMissing = Callable[[ManifestEntry], str]


@dataclass(frozen=True)
class StoredParts:
    """What is stored and trained of a series that lacks a published file.

    Attributes:
        source: the series it is derived from; itself if it is fetched.
        first_close: close of the first candle that can exist; see `first_close`.
        has_candles, has_source_candles, has_forecast, has_model: whether there is any.
    """

    source: Series
    first_close: datetime
    has_candles: bool
    has_source_candles: bool
    has_forecast: bool
    has_model: bool


def first_close(timeframe: Timeframe, expected: datetime, begin: datetime | None) -> datetime:
    """Close of the first candle that a series can have.

    Args:
        expected: no candle that opens before this is kept (history start, retention).
        begin: open of the oldest candle that the market has of the source; None if unknown. A
            derived candle with that one is made, though it misses what was before.
    """
    opened = timeframe.ceil(expected)
    if begin is not None:
        opened = max(opened, timeframe.floor(begin))
    return timeframe.close_of(opened)


def missing_reason(entry: ManifestEntry, stored: StoredParts, now: datetime) -> str:
    """The first step that is missing between the market and both files of a series."""
    if not stored.has_candles:
        if now < stored.first_close:
            return f"the first candle of this timeframe closes at {stored.first_close:%F %H:%M} UTC"
        source = stored.source.timeframe
        if stored.source == entry.series:
            return "its candles were not fetched yet"
        if stored.has_source_candles:
            return f"its candles were not derived from {source} yet"
        return f"the {source} candles that it is derived from were not fetched yet"
    if entry.history is None:
        return "its candles are stored; its history file was not written yet"
    if stored.has_forecast:
        return "its forecast is stored; its prediction file was not written yet"
    if stored.has_model:
        return "no forecast yet: its model was trained, and forecasts with the next run"
    return "no forecast yet: no model was trained yet"


def not_published(_entry: ManifestEntry) -> str:
    """The reason where nothing is known of what is stored."""
    return NOT_PUBLISHED
