"""Specs and standings for tests of the checks on the clock."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from coin_assets.config.settings import Settings
from coin_assets.domain.publishing.manifest_entries import KeyFacts, PublishedFile
from coin_assets.domain.series import Key
from coin_assets.models.registry import ModelVersion
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.build import series_specs
from coin_assets.planning.series_status import Standing
from coin_assets_tests.platform import utc

NOW = utc("2026-11-22T20:25")
CLOSE = utc("2026-11-22T20:00")


def spec_for(home: Path, timeframe: str = "1h") -> SeriesAssets:
    settings = Settings(home=home, symbols="BTC/USDT", history_start="2026-01-01")
    (spec,) = [each for each in series_specs(settings) if each.key.timeframe.name == timeframe]
    return spec


def in_order(key: Key) -> Standing:
    """Everything reaches the newest close; a model folder does not exist."""
    close = key.timeframe.floor(NOW)
    files = [
        PublishedFile(f"{kind}_{key.symbol_name}_{key.timeframe}.json", "0" * 64, 1, close)
        for kind in ("history", "prediction")
    ]
    facts = KeyFacts(key, history=files[0], prediction=files[1], enough_candles=True)
    version = ModelVersion(key, 3, close - timedelta(hours=20), Path("nowhere"))
    return Standing(key, close, close, facts, (version,))


def published_at(standing: Standing, history: timedelta, prediction: timedelta) -> Standing:
    """The same with files that end this long after (before, if negative) the newest close."""
    facts = standing.published
    assert facts.history is not None
    assert facts.prediction is not None
    return replace(
        standing,
        published=replace(
            facts,
            history=replace(facts.history, as_of=facts.history.as_of + history),
            prediction=replace(facts.prediction, as_of=facts.prediction.as_of + prediction),
        ),
    )
