"""HAR with exogenous series: implied volatility, funding rate and open interest.

Implied volatility is compared with the long window of the candles' own volatility, so that a
series without values forecasts like one whose options market agrees with its past (Hoang and Baur,
Forecasting bitcoin volatility: Evidence from the options market, J. Futures Markets 40, 2020).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from coin_assets.domain.candles.grid import CandleGrid
from coin_assets.domain.forecasting.exogenous import column_of
from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.forecasting.har import HarForecaster
from coin_assets.domain.forecasting.har_features import FLOOR, Grid
from coin_assets.domain.forecasting.variance import recent_means, trailing_means
from coin_assets.domain.methods import (
    EXOGENOUS,
    FUNDING,
    HAR_EXOGENOUS,
    IMPLIED,
    METHODS,
    OPEN_INTEREST,
)
from coin_assets.domain.timeframes import Ordinals, Timeframe

_YEAR_SECONDS = 365 * 86400
_LARGEST = 3.0  # limit of each feature
_FUNDING_UNIT = 1e-4  # the usual rate of eight hours
_DAY_SECONDS = 86400


@dataclass(frozen=True)
class ExtendedGrid(Grid):
    """Candles with exogenous series on the same grid.

    Attributes:
        known: name of a series -> what was known at the close of each candle, shape (places,).
    """

    known: Mapping[str, Floats] = field(default_factory=dict)


class HarExogenousForecaster(HarForecaster):
    """`HarForecaster` over candle frames that `exogenous.joined` has extended.

    Columns that are missing, and values that are not known, count as no information.

    Args:
        timeframe, parameters: see `HarForecaster`.
        exogenous: names of the series that it reads, members of `EXOGENOUS`.
    """

    name = METHODS[HAR_EXOGENOUS].forecaster

    def __init__(
        self, timeframe: str, exogenous: tuple[str, ...] = EXOGENOUS, **parameters: Any
    ) -> None:
        super().__init__(timeframe, **parameters)
        self.exogenous = tuple(exogenous)

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """Parameters, which scikit-learn would read from the signature."""
        return sorted([*HarForecaster._get_param_names(), "exogenous"])

    @property
    def context(self) -> int:
        """See `HarForecaster.context`; open interest is compared with that of a day before."""
        return super().context + (self._day if OPEN_INTEREST in self.exogenous else 0)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order of the regression's columns."""
        return (*super().features, *self.exogenous)

    def state(self) -> dict[str, Any]:
        """See `HarForecaster.state`."""
        state = super().state()
        state["parameters"]["exogenous"] = list(self.exogenous)
        return state

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """See `HarForecaster.from_state`."""
        if unknown := set(state["parameters"]["exogenous"]) - set(EXOGENOUS):
            raise ValueError(f"exogenous series {sorted(unknown)} are unknown")
        return super().from_state(state)

    @property
    def _day(self) -> int:
        """Number of candles of a day, at least one."""
        return max(1, _DAY_SECONDS // Timeframe.parse(self.timeframe).seconds)

    def _grid(self, candles: pd.DataFrame) -> Grid:
        grid = super()._grid(candles)
        places = CandleGrid.of(candles, Timeframe.parse(self.timeframe))
        known = {
            name: places.on_grid(candles[column_of(name)])
            for name in self.exogenous
            if column_of(name) in candles
        }
        return ExtendedGrid(**vars(grid), known=known)

    def _columns(self, grid: Grid, places: Ordinals) -> tuple[list[Floats], list[Floats]]:
        columns, level_columns = super()._columns(grid, places)
        present = np.flatnonzero(np.isfinite(grid.close))
        extra = [each[present] for each in self._exogenous(grid)]
        means = recent_means(extra, present, len(grid.close), self.level_window)
        rows = np.searchsorted(present, places)
        return (
            [*columns, *(each[rows] for each in extra)],
            [*level_columns, *(mean[places] for mean in means)],
        )

    def _exogenous(self, grid: Grid) -> list[Floats]:
        """Features of the exogenous series, shape (places,); 0 where nothing is known."""
        timeframe = Timeframe.parse(self.timeframe)
        nothing = np.full(len(grid.close), np.nan)
        known = grid.known if isinstance(grid, ExtendedGrid) else {}
        given = {name: known.get(name, nothing) for name in EXOGENOUS}
        floor = FLOOR * self.typical_volatility_
        own = np.maximum(trailing_means(grid.volatility, self.longest)[self.longest], floor)
        with np.errstate(invalid="ignore", divide="ignore"):
            implied = given[IMPLIED] / 100 * np.sqrt(timeframe.seconds / _YEAR_SECONDS)
            day = self._day
            interest = np.full(len(grid.close), np.nan)
            interest[day:] = np.log(given[OPEN_INTEREST][day:] / given[OPEN_INTEREST][:-day])
            features = {
                IMPLIED: np.log(implied / own),
                FUNDING: np.arcsinh(given[FUNDING] / _FUNDING_UNIT),
                OPEN_INTEREST: 10 * interest,
            }
        return [
            np.where(np.isfinite(each), np.clip(each, -_LARGEST, _LARGEST), 0.0)
            for each in (features[name] for name in self.exogenous)
        ]
