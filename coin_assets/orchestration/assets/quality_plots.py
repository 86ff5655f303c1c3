"""Plots of matured forecasts, for the metadata of evaluations."""

import base64
import io
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import pandas as pd

from coin_assets.domain.evaluation.matured import Matured
from coin_assets.domain.evaluation.report import Evaluation, Judged
from coin_assets.domain.evaluation.scoring import losses
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats
from coin_assets.domain.methods import CHALLENGER, CHALLENGER_EXOGENOUS, CHALLENGER_NAIVE, CHAMPION
from coin_assets.domain.series import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HISTORY = 48
_PNG_COLOURS = 32
_BOX = "\N{WHITE SQUARE}"
_BANDS = ((0.05, 0.95, "90%", 0.18), (0.1, 0.9, "80%", 0.25), (0.25, 0.75, "50%", 0.35))
_BLUE, _ORANGE, _GREEN, _PURPLE = "#1f6feb", "#bc4c00", "#1a7f37", "#8250df"
_INK, _GREY = "#24292f", "#8c959f"
_COLOURS = {
    CHAMPION: _BLUE,
    CHALLENGER: _ORANGE,
    CHALLENGER_NAIVE: _GREEN,
    CHALLENGER_EXOGENOUS: _PURPLE,
}
# Neighbouring forecasts share this many outcomes; a shorter mean would show their overlap only.
_FEWEST_SMOOTHED, _SMOOTHED_SHARE = STEPS, 20


def fan_plot(series: Series, forecast: Matured) -> dg.MetadataValue:
    """Fan chart of the newest matured forecast, with the actual closes.

    Args:
        forecast: at least one forecast; the earlier ones supply the closes before the origin.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), dpi=80)
    axes = figure.add_axes((0.11, 0.1, 0.86, 0.8))
    origin, last = forecast.origins[-1].to_pydatetime(), forecast.last[-1]
    closes = pd.DatetimeIndex([series.timeframe.shift(origin, step) for step in range(STEPS + 1)])
    fan = np.vstack([np.full(len(QUANTILES), last), forecast.quantiles[-1]])
    axes.plot(forecast.origins[-_HISTORY:], forecast.last[-_HISTORY:], color=_INK, lw=1.2)
    for lower, upper, label, alpha in _BANDS:
        low, high = fan[:, QUANTILES.index(lower)], fan[:, QUANTILES.index(upper)]
        axes.fill_between(closes, low, high, color=_BLUE, alpha=alpha, lw=0, label=label)
    axes.plot(closes, fan[:, MEDIAN], color=_BLUE, lw=1.5, label="median")
    came = np.append(last, forecast.actual[-1])
    axes.plot(closes, came, color=_INK, lw=1.2, marker=".", ms=4, label="outcome")
    axes.axvline(origin, color=_INK, lw=0.8, ls=":")  # type: ignore[arg-type]  # dates will do
    made_by = f"model {forecast.versions[-1]}, {'live' if forecast.live[-1] else 'backtest'}"
    _label(axes, f"{series}: forecast from {origin:%Y-%m-%d %H:%M} UTC and outcome ({made_by})")
    axes.set_ylabel(_drawable(series.symbol.partition("/")[2]), fontsize=8, parse_math=False)
    axes.legend(loc="upper left", fontsize=8, ncols=5, frameon=False)
    axes.margins(x=0.01, y=0.12)
    return _picture(figure, f"{series} latest outcome")


def reliability_plot(series: Series, evaluation: Evaluation) -> dg.MetadataValue:
    """Observed against nominal share of closes at or below each quantile, by role."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.4), dpi=80)
    axes = figure.add_axes((0.14, 0.12, 0.82, 0.79))
    axes.plot([0, 1], [0, 1], color=_GREY, lw=1, ls="--", label="honest")
    for role, judged in _roles(evaluation):
        scores = judged.scores
        axes.plot(
            QUANTILES,
            scores.observed,
            color=_COLOURS[role],
            lw=1.4,
            marker="o",
            ms=4,
            label=f"{role} ({scores.origins} forecasts)",
        )
    _label(axes, f"{series}: reliability")
    axes.set_xlabel("share that should lie at or below the quantile", fontsize=8)
    axes.set_ylabel("share of closes that did", fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.legend(loc="upper left", fontsize=8, frameon=False)
    return _picture(figure, f"{series} reliability")


def loss_plot(series: Series, evaluation: Evaluation) -> dg.MetadataValue:
    """Pinball loss as share of the naive loss, smoothed over origins, by role."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), dpi=80)
    axes = figure.add_axes((0.09, 0.12, 0.88, 0.76))
    axes.axhline(1.0, color=_GREY, lw=1, ls="--", label="naive")
    for role, judged in _roles(evaluation):
        count = len(judged.forecast)
        smoothed = min(count, max(_FEWEST_SMOOTHED, count // _SMOOTHED_SHARE))
        axes.plot(
            judged.forecast.origins,
            _rolling_ratio(judged, smoothed),
            color=_COLOURS[role],
            lw=1.3,
            label=f"{role} (mean of {smoothed})",
        )
    _label(axes, f"{series}: pinball loss beside naive, by origin (UTC)")
    axes.set_ylabel("loss / naive loss, below 1 is better", fontsize=8)
    axes.legend(loc="upper left", fontsize=8, ncols=3, frameon=False)
    axes.margins(x=0.01, y=0.15)
    return _picture(figure, f"{series} loss over time")


def _roles(evaluation: Evaluation) -> list[tuple[str, Judged]]:
    """Roles with matured forecasts."""
    roles = ((CHAMPION, evaluation.champion), (CHALLENGER, evaluation.challenger))
    known = [(role, judged) for role, judged in roles if judged is not None]
    return [*known, *sorted(evaluation.further.items())]


def _rolling_ratio(judged: Judged, window: int) -> Floats:
    """Ratio of rolling sums over ``window`` origins; NaN if there are fewer or naive loss is 0."""
    lost, naive = (
        pd.Series(losses(each)).rolling(window).sum().to_numpy()
        for each in (judged.forecast, judged.naive)
    )
    return np.divide(lost, naive, out=np.full(len(lost), np.nan), where=naive > 0)


def _label(axes: "Axes", title: str) -> None:
    axes.set_title(_drawable(title), fontsize=10, parse_math=False)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)


def _picture(figure: "Figure", name: str) -> dg.MetadataValue:
    encoded = base64.b64encode(_small_png(figure)).decode()
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{encoded})")


def _drawable(text: str) -> str:
    """``text`` with a box for each character that the font lacks, such as 币.

    Matplotlib draws the same box, but warns in the log of every run. Titles with symbols are not
    parsed for formulas either: ``$PAC/$X`` would be one.
    """
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    return "".join(each if font.get_char_index(ord(each)) else _BOX for each in text)


def _small_png(figure: "Figure") -> bytes:
    """PNG of the figure in few colours; Dagster's event log keeps every plot."""
    from PIL import Image

    pixels, file = io.BytesIO(), io.BytesIO()
    figure.savefig(pixels, format="rgba")
    width, height = (round(inches * figure.dpi) for inches in figure.get_size_inches())
    picture = Image.frombytes("RGBA", (width, height), pixels.getvalue())
    picture.convert("RGB").quantize(_PNG_COLOURS).save(file, format="png", optimize=True)
    return file.getvalue()
