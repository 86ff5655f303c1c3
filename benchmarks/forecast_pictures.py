"""Charts of the benchmark ``forecasts``: fans with outcomes, and reliability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coin_assets.domain.candles.frame import between
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats
from coin_assets.domain.series import Series

_HISTORY = 72
_BANDS = ((0.05, 0.95, "90%", 0.18), (0.1, 0.9, "80%", 0.25), (0.25, 0.75, "50%", 0.35))
_BLUE, _INK, _GREY, _RED = "#1f6feb", "#24292f", "#8c959f", "#cf222e"
_STYLES = {"published": (_BLUE, "o"), "naive": (_GREY, "s"), "Prophet": (_RED, "^")}


@dataclass(frozen=True, eq=False)
class Fan:
    """One forecast with the candles around it.

    Attributes:
        quantiles: prices, shape (`STEPS`, quantiles).
        candles: the last `_HISTORY` before the origin, and those of the forecast.
    """

    series: Series
    origin: pd.Timestamp
    quantiles: Floats
    candles: pd.DataFrame

    @classmethod
    def of(
        cls, series: Series, candles: pd.DataFrame, origin: pd.Timestamp, quantiles: Floats
    ) -> Self:
        """The forecast at ``origin`` with the candles around it."""
        first, end = (
            series.timeframe.shift(origin.to_pydatetime(), count) for count in (-_HISTORY, STEPS)
        )
        return cls(series, origin, quantiles, between(candles, first, end))


def draw_fans(fans: Sequence[Fan], path: Path) -> None:
    """Draw a fan chart of each forecast with the closes that followed."""
    figure = Figure(figsize=(3.7 * len(fans), 3.4), dpi=90, layout="constrained")
    for axes, fan in zip(np.atleast_1d(figure.subplots(1, len(fans))), fans, strict=True):
        _draw_fan(axes, fan)
    figure.axes[0].legend(loc="best", fontsize=7, ncols=2, frameon=False)
    figure.savefig(path)


def draw_reliability(observed: Mapping[str, Mapping[str, Floats]], path: Path) -> None:
    """Draw the share of closes at or below each quantile against its nominal level.

    Args:
        observed: timeframe -> method -> shares, in the order of `QUANTILES`.
    """
    figure = Figure(figsize=(3.7 * len(observed), 3.9), dpi=90, layout="constrained")
    grid = np.atleast_1d(figure.subplots(1, len(observed), sharey=True))
    for axes, (timeframe, ways) in zip(grid, observed.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=_INK, lw=0.8, ls=":")
        for way, shares in ways.items():
            colour, marker = _STYLES[way]
            axes.plot(QUANTILES, shares, color=colour, marker=marker, ms=4, lw=1.2, label=way)
        axes.set_title(timeframe, fontsize=10)
        axes.set_xlabel("level of the quantile", fontsize=8)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
    grid[0].set_ylabel("share of closes at or below it", fontsize=8)
    grid[0].legend(loc="upper left", fontsize=8, frameon=False)
    figure.savefig(path)


def _draw_fan(axes: Axes, fan: Fan) -> None:
    timeframe, origin = fan.series.timeframe, fan.origin.to_pydatetime()
    closes = timeframe.close_all(fan.candles["timestamp"])
    price = fan.candles["close"].to_numpy()
    last = price[closes <= fan.origin][-1]
    times = timeframe.opens(origin, timeframe.shift(origin, STEPS + 1))
    for low, high, label, alpha in _BANDS:
        lower, upper = (
            np.r_[last, fan.quantiles[:, QUANTILES.index(level)]] for level in (low, high)
        )
        axes.fill_between(times, lower, upper, color=_BLUE, alpha=alpha, lw=0, label=label)
    axes.plot(times, np.r_[last, fan.quantiles[:, MEDIAN]], color=_BLUE, lw=1.4, label="median")
    axes.plot(closes, price, color=_INK, lw=1.1, label="close")
    axes.set_title(f"{fan.series}, {origin:%Y-%m-%d %H:%M} UTC", fontsize=9)
    axes.set_ylabel(fan.series.symbol.partition("/")[2], fontsize=8)
    axes.tick_params(labelsize=7)
    axes.tick_params(axis="x", rotation=30)
    axes.grid(alpha=0.25)
    axes.margins(x=0.01)
