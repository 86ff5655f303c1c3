"""The sandbox market under the control of a file, so that another process can make it fail."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from coin_assets.domain.series import Series
from coin_assets.errors import MarketUnavailable, SymbolUnavailable
from coin_assets.files.atomic import write_atomically
from coin_assets.market.base import Market, Page
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.orchestration.resources import MarketResource
from coin_assets_tests.market.wrapped import WrappedMarket


@dataclass(frozen=True)
class Control:
    """What is wrong with the market.

    Attributes:
        stopped_at: no candle is delivered that closes later: the market answers, but is halted.
        unavailable: nobody is answered, as in an outage of the exchange.
        failing: symbols that the market says it does not have.
    """

    stopped_at: datetime | None = None
    unavailable: bool = False
    failing: tuple[str, ...] = ()

    def write(self, file: Path) -> None:
        document = {
            "stopped_at": self.stopped_at and self.stopped_at.isoformat(),
            "unavailable": self.unavailable,
            "failing": self.failing,
        }
        write_atomically(file, json.dumps(document).encode())

    @classmethod
    def read(cls, file: Path) -> "Control":
        document = json.loads(file.read_bytes())
        stopped = document["stopped_at"]
        return cls(
            None if stopped is None else datetime.fromisoformat(stopped),
            document["unavailable"],
            tuple(document["failing"]),
        )


class ControlledMarket(WrappedMarket):
    """``whole`` as far as the control file allows; the file is read at every question."""

    def __init__(self, whole: Market, control: Path) -> None:
        super().__init__(whole)
        self._control = control

    def __getattr__(self, name: str) -> Any:
        """What other markets may offer besides."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._whole, name)

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        """As an exchange that is halted: its answers reach as far as ever, but hold nothing new."""
        stopped = self._obeyed(series).stopped_at
        for page in super().pages(series, start, end, now):
            if stopped is None:
                yield page
                continue
            closes = series.timeframe.close_all(page.candles["timestamp"])
            kept = page.candles[closes <= pd.Timestamp(stopped)].reset_index(drop=True)
            yield replace(page, candles=kept)

    def listed(
        self, series: Series, now: datetime, since: datetime | None = None
    ) -> datetime | None:
        self._obeyed(series)
        return super().listed(series, now, since)

    def _obeyed(self, series: Series) -> Control:
        control = Control.read(self._control)
        if control.unavailable:
            raise MarketUnavailable("The market is made unavailable. Make it available again.")
        if series.symbol in control.failing:
            raise SymbolUnavailable(f"The market is made to lack {series.symbol}. Give it back.")
        return control


class ControlledMarketResource(MarketResource):
    """Serves the sandbox under the control file ``control``."""

    control: str

    def client(self) -> Market:
        return ControlledMarket(SandboxMarket(), Path(self.control))
