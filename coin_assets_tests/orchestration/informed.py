"""A platform that collects exogenous series, from sources whose publications a test decides."""

from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import pandas as pd

from coin_assets.domain.forecasting.exogenous import ExogenousSource
from coin_assets.domain.methods import FUNDING, IMPLIED
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.models.registry import ModelRegistry
from coin_assets.orchestration.assets import exogenous
from coin_assets.orchestration.exogenous_resource import ExogenousResource
from coin_assets.store.exogenous import ExogenousTables
from coin_assets.store.forecasts import of_role
from coin_assets_tests.exogenous_world import World, hourly
from coin_assets_tests.platform import BTC, Platform, given, series, utc

NAMES = (IMPLIED, FUNDING)
_SOURCES: dict[str, ExogenousSource] = {}


class GivenSources(ExogenousResource):
    """Sources made by the test; Dagster copies resources, so they are kept beside them."""

    def source(self, name: str) -> ExogenousSource:
        return _SOURCES[f"{self.exchange} {name}"]


class Informed(Platform):
    """A platform that collects two series; its candles are the sandbox's.

    Attributes:
        worlds: source of each series; values of all hours up to `end`.
    """

    def __init__(self, home: Path, now: str, end: str = "2024-03-09", **settings: Any) -> None:
        defaults = {
            "history_start": "2024-02-01",
            "derived_timeframes": "",
            "market": "ccxt:binance",
            "exogenous": ",".join(NAMES),
            "methods": "har,har_exogenous",
        }
        super().__init__(home, now, **(defaults | settings))
        self.market = given(SandboxMarket())
        first = self.settings.history_start
        self.worlds = {
            name: World(hourly(first, utc(end), number), lambda: utc(self.now), name)
            for number, name in enumerate(NAMES)
        }
        _SOURCES.update({f"{home} {name}": each for name, each in self.worlds.items()})

    @property
    def overrides(self) -> dict[str, Any]:
        return super().overrides | {"exogenous": GivenSources(exchange=str(self.settings.home))}

    @property
    def definitions(self) -> dg.Definitions:
        with patch.object(exogenous, "RETRIES", dg.RetryPolicy(max_retries=0)):
            return super().definitions

    @property
    def tables(self) -> ExogenousTables:
        """The exogenous values in its home."""
        return ExogenousTables(self.settings.home)

    def forecasts(self, role: str, symbol: str = BTC) -> pd.DataFrame:
        """Forecasts of ``1h`` by the holders of a role."""
        rows = self.store.read_forecasts(series("1h", symbol), utc("2024-01-01"), utc("2025-01-01"))
        return of_role(rows, role).reset_index(drop=True)

    def origins(self, role: str) -> list[str]:
        """Origins of the forecasts of BTC/USDT 1h by a role."""
        return [f"{each:%m-%dT%H}" for each in self.forecasts(role)["as_of"].unique()]

    def methods(self) -> set[str]:
        """Methods of which BTC/USDT 1h has versions."""
        found = ModelRegistry(self.settings.home).versions(series("1h"))
        return {each.method for each in found}

    def values(self, symbol: str, name: str) -> pd.DataFrame:
        """All stored values of a series."""
        return self.tables.read(symbol, name, self.settings.history_start, self.time)

    @property
    def time(self) -> datetime:
        """What the platform's clock shows."""
        return utc(self.now)
