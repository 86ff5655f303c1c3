"""A platform on InfluxDB that does not wait half a minute for a server that is gone."""

import pytest

from coin_assets.config.settings import Settings
from coin_assets.orchestration import build
from coin_assets.orchestration.resources import StoreResource


def lessen_patience(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.1) -> None:
    """Let the stores of all platforms that are made from now on give up after ``seconds``."""
    configured = build.configured_store

    def with_less_patience(settings: Settings) -> StoreResource:
        store = configured(settings)
        values = {name: getattr(store, name) for name in StoreResource.model_fields}
        return StoreResource(**(values | {"patience_seconds": seconds}))

    monkeypatch.setattr(build, "configured_store", with_less_patience)
