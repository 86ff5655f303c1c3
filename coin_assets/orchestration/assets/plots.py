"""Plots for asset metadata, as Markdown images for the web UI."""

import base64
import io
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.domain.series import Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HISTORY = 72
_BANDS = (("q05", "q95", "90%", 0.18), ("q10", "q90", "80%", 0.25), ("q25", "q75", "50%", 0.35))
_COLOURS = 32
_BOX = "\N{WHITE SQUARE}"
_BLUE, _INK = "#1f6feb", "#24292f"


def forecast_plot(
    series: Series, candles: pd.DataFrame, forecast: pd.DataFrame
) -> dg.MetadataValue:
    """Fan chart: candles up to the origin, then median and quantile bands.

    Args:
        candles: up to the origin of ``forecast``.
        forecast: rows of one origin, ordered by step.
    """
    from matplotlib.figure import Figure

    recent = candles.tail(_HISTORY)
    origin = forecast["as_of"].iloc[0].to_pydatetime()
    closes = [origin, *(series.timeframe.shift(origin, step) for step in range(1, STEPS + 1))]
    last = float(recent["close"].iloc[-1])
    figure = Figure(figsize=(8, 3.6), dpi=80)
    # Fixed margins: measuring the labels first would draw everything twice.
    axes = figure.add_axes((0.11, 0.09, 0.84, 0.82))
    axes.plot(series.timeframe.close_all(recent["timestamp"]), recent["close"], color=_INK, lw=1.2)
    for lower, upper, label, alpha in _BANDS:
        low, high = [last, *forecast[lower]], [last, *forecast[upper]]
        axes.fill_between(closes, low, high, color=_BLUE, alpha=alpha, lw=0, label=label)
    axes.plot(closes, [last, *forecast["price"]], color=_BLUE, lw=1.5, label="median")
    axes.axvline(origin, color=_INK, lw=0.8, ls=":")
    version, kind = forecast["model_version"].iloc[0], forecast["kind"].iloc[0]
    title = f"{series}: forecast from {origin:%Y-%m-%d %H:%M} UTC (model {version}, {kind})"
    axes.set_title(drawable(title), fontsize=10, parse_math=False)
    axes.set_ylabel(drawable(series.symbol.partition("/")[2]), fontsize=8, parse_math=False)
    axes.legend(loc="best", fontsize=8, ncols=2, frameon=False)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.margins(x=0.01)
    encoded = base64.b64encode(small_png(figure)).decode()
    return dg.MetadataValue.md(f"![{series} forecast](data:image/png;base64,{encoded})")


def drawable(text: str) -> str:
    """``text`` with a box for each character that the font lacks, such as 币.

    Matplotlib draws the same box, but warns in the log of every run. Titles with symbols are not
    parsed for formulas either: ``$PAC/$X`` would be one.
    """
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    return "".join(each if font.get_char_index(ord(each)) else _BOX for each in text)


def small_png(figure: "Figure") -> bytes:
    """PNG of the figure in few colours; Dagster's event log keeps every plot for ever."""
    from PIL import Image

    pixels, file = io.BytesIO(), io.BytesIO()
    figure.savefig(pixels, format="rgba")
    width, height = (round(inches * figure.dpi) for inches in figure.get_size_inches())
    picture = Image.frombytes("RGBA", (width, height), pixels.getvalue())
    picture.convert("RGB").quantize(_COLOURS).save(file, format="png", optimize=True)
    return file.getvalue()
