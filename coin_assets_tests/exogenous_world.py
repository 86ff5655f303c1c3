"""A source of an exogenous series whose publications a test decides."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from coin_assets.domain.forecasting.exogenous import empty_values, published
from coin_assets.domain.methods import IMPLIED
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import MarketUnavailable
from coin_assets.market.exogenous_answers import DELAY

HOUR = Timeframe("1h")
Publication = tuple[datetime, float]  # when, and which value


class World:
    """Serves what was published by the time that ``clock`` shows.

    Attributes:
        events: time described -> publications, in their order.
        requests: ranges that were asked for.
        is_away: whether it does not answer.
        factors: base currencies that have values, each with its factor of those of ``events``.
    """

    def __init__(
        self,
        events: Mapping[datetime, list[Publication]],
        clock: Callable[[], datetime],
        name: str = IMPLIED,
        kept: timedelta | None = None,
    ) -> None:
        self.events, self.name, self.kept = dict(events), name, kept
        self.clock, self.is_away = clock, False
        self.factors: dict[str, float] = {"BTC": 1.0}
        self.requests: list[tuple[datetime, datetime]] = []

    def values(self, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
        self.requests.append((start, end))
        if self.is_away:
            raise MarketUnavailable("the source is away")
        now, known = self.clock(), dict[datetime, float]()
        factor = self.factors.get(symbol.partition("/")[0])
        for described, publications in sorted(self.events.items()):
            told = [value for time, value in publications if time <= now]
            if factor is not None and start <= described < end and told:
                known[described] = told[-1] * factor
        if not known:
            return empty_values()
        return published(pd.DatetimeIndex([*known]), DELAY, np.array([*known.values()]))


def hourly(start: datetime, end: datetime, seed: int = 0) -> dict[datetime, list[Publication]]:
    """A random volatility of each hour, published at once."""
    hours = HOUR.opens(start, end)
    rng = np.random.default_rng(seed)
    values = 50 * np.exp(np.cumsum(0.05 * rng.standard_normal(len(hours))) / 3)
    times = [each.to_pydatetime() for each in hours]
    return {time: [(time, float(value))] for time, value in zip(times, values, strict=True)}
