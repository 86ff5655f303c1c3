"""Benchmark ``update``, part two: publishing with objects beside publishing without them."""

import time
from collections.abc import Container, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness import FAIL, PASS, Figure, say, temporary_home
from coin_assets.domain.forecasting.frame import LIVE, STEPS, forecast_frame
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.manifest_entries import ManifestEntry
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.files.atomic import write_atomically
from coin_assets.publish.objects import ObjectFolder
from coin_assets.publish.publication import ManifestInputs, publication_of
from coin_assets.publish.publisher import Publisher

_BAR = 1.3
# Rows of the history files of an installation with default settings and thirty months.
_ROWS = {"1h": 2160, "4h": 2190, "1d": 913, "1w": 130, "1M": 30}
_SYMBOLS = [f"{name}/USDT" for name in ("BTC", "ETH", "XRP", "SOL", "DOGE")]
_SERIES = [Series(symbol, Timeframe.parse(name)) for symbol in _SYMBOLS for name in _ROWS]
_START = datetime(2026, 11, 1, tzinfo=UTC)


class NamesAlone(ObjectFolder):
    """Writes one file after the other without objects, as earlier releases did."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._published = folder

    def write(self, contents: Mapping[str, bytes], with_object: Container[str]) -> None:  # noqa: ARG002
        for name, content in contents.items():
            write_atomically(self._published / name, content)

    def retire(self, before: bytes | None, after: bytes) -> None:
        """Nothing is kept."""


def measure_publishing(times: int) -> list[Figure]:
    """Publishing 25 series at once, with and without objects in turn."""
    say(f"publishing with and without objects, {times} times")
    limits = {name: FreshnessLimits(timedelta(hours=2), timedelta(hours=4)) for name in _ROWS}
    found: dict[bool, list[float]] = {True: [], False: []}
    with temporary_home() as home:
        publishers = {}
        for has_objects in found:
            folder = home.folder / f"published_{has_objects}"
            publisher = Publisher(folder, home.folder / f"{has_objects}", _SERIES, limits)
            if not has_objects:
                publisher._objects = NamesAlone(folder)
            publishers[has_objects] = publisher
        for number in range(times + 1):
            for has_objects, publisher in publishers.items():
                seconds = _publish(publisher, _START + number * timedelta(hours=1))
                if number:  # the first time makes folders
                    found[has_objects].append(seconds)
    ratios = [one / other for one, other in zip(found[True], found[False], strict=True)]
    ratio = float(np.median(ratios))
    word = PASS if ratio <= _BAR else FAIL
    how = "25 series in one batch: documents, files, manifest"
    return [
        Figure.median("publishing: without objects", found[False], "s", how),
        Figure.median("publishing: with objects", found[True], "s", f"{how}, objects"),
        Figure.median(
            *("publishing: ratio", ratios, "x"), f"{word}: at most {_BAR}, in turn in one process"
        ),
    ]


def _publish(publisher: Publisher, now: datetime) -> float:
    rows = [(series, _candles(series, now), _forecast(series, now)) for series in _SERIES]
    began = time.perf_counter()
    publisher.publish_all(
        [
            publication_of(ManifestEntry(series, enough_candles=True), candles, forecast, now)
            for series, candles, forecast in rows
        ],
        ManifestInputs(now, lambda _series: True),
    )
    return time.perf_counter() - began


def _candles(series: Series, now: datetime) -> pd.DataFrame:
    timeframe, count = series.timeframe, _ROWS[series.timeframe.name]
    first = timeframe.shift(now, -count)
    opens = [timeframe.shift(first, number) for number in range(count)]
    close = 100 * np.exp(0.01 * np.random.default_rng(1).standard_normal(count).cumsum())
    frame = pd.DataFrame({"timestamp": pd.Series(opens, dtype="datetime64[us, UTC]")})
    return frame.assign(open=close, high=close, low=close, close=close, volume=close)


def _forecast(series: Series, now: datetime) -> pd.DataFrame:
    origins = pd.DatetimeIndex(
        pd.Series([series.timeframe.floor(now)], dtype="datetime64[us, UTC]")
    )
    quantiles = 100 + np.linspace(-1, 1, 7)[None, None, :] * np.ones((1, STEPS, 1))
    return forecast_frame(origins, quantiles, "3", [LIVE])
