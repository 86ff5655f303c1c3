"""Specs and statuses for tests of the checks on the clock."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from coin_assets.config.settings import Settings
from coin_assets.domain.publishing.manifest_entries import ManifestEntry, PublishedFile
from coin_assets.domain.series import Series
from coin_assets.models.registry import ModelVersion
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.build import series_specs
from coin_assets.planning.series_status import SeriesStatus
from coin_assets_tests.platform import utc

NOW = utc("2026-11-22T20:25")
CLOSE = utc("2026-11-22T20:00")


def spec_for(home: Path, timeframe: str = "1h") -> SeriesAssets:
    settings = Settings(home=home, symbols="BTC/USDT", history_start="2026-01-01")
    (spec,) = [each for each in series_specs(settings) if each.series.timeframe.name == timeframe]
    return spec


def in_order(series: Series) -> SeriesStatus:
    """Everything reaches the newest close; a model folder does not exist."""
    close = series.timeframe.floor(NOW)
    files = [
        PublishedFile(f"{kind}_{series.symbol_name}_{series.timeframe}.json", "0" * 64, 1, close)
        for kind in ("history", "prediction")
    ]
    facts = ManifestEntry(series, history=files[0], prediction=files[1], enough_candles=True)
    version = ModelVersion(series, 3, close - timedelta(hours=20), Path("nowhere"))
    return SeriesStatus(series, close, close, facts, (version,))


def published_at(status: SeriesStatus, history: timedelta, prediction: timedelta) -> SeriesStatus:
    """The same with files that end this long after (before, if negative) the newest close."""
    facts = status.published
    assert facts.history is not None
    assert facts.prediction is not None
    return replace(
        status,
        published=replace(
            facts,
            history=replace(facts.history, as_of=facts.history.as_of + history),
            prediction=replace(facts.prediction, as_of=facts.prediction.as_of + prediction),
        ),
    )
