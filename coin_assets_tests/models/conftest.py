"""Fixtures of the tests of models."""

from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.models import trainings
from coin_assets_tests.models.test_registry import BTC, OCT, facts, model


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path)


@pytest.fixture
def versions(registry: ModelRegistry) -> list[ModelVersion]:
    """Five, one a day from October on."""
    forecaster = model()
    return [registry.add(BTC, forecaster, OCT + timedelta(days=day), facts()) for day in range(5)]


@pytest.fixture
def store(tmp_path: Path) -> ParquetStore:
    """BTC 1h from September to the middle of November."""
    store = ParquetStore(tmp_path)
    candles = trainings.candles(BTC, trainings.SEP, trainings.NOV + 14 * 24 * trainings.HOUR)
    store.write_candles(BTC, candles, trainings.SEP, trainings.DEC)
    return store
