"""The fan chart of one forecast, drawn with Pillow.

Live runs draw one a series, and wait for it: Matplotlib takes a second to import and a tenth of a
second a chart, this a hundredth.
"""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import dagster as dg
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.domain.series import Series

_HISTORY = 72
_BANDS = (("90%", "q05", "q95"), ("80%", "q10", "q90"), ("50%", "q25", "q75"))
WIDTH, HEIGHT = 640, 288
# Drawn twice as large and reduced, which smooths the lines.
_SCALE = 2
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 26, 14, 24
_INK, _BLUE, _GRID, _PAPER = (36, 41, 47), (31, 111, 235), (225, 228, 232), (255, 255, 255)
# Bands from the outermost on, each drawn over the one before.
_SHADES = ((214, 228, 251), (176, 204, 247), (128, 173, 242))
_BOX = "\N{WHITE SQUARE}"
_UNASSIGNED = "\uffff"
# Distances between ticks, and how their times are written.
_TICKS = (
    *((f"{minutes}min", "%H:%M") for minutes in (1, 5, 15, 30)),
    *((f"{hours}h", "%m-%d %H:%M") for hours in (1, 3, 6, 12)),
    ("1D", "%m-%d"),
    ("W-MON", "%Y-%m-%d"),
    *((f"{months}MS", "%Y-%m") for months in (1, 3, 6)),
    *((f"{years}YS", "%Y") for years in (1, 2, 5, 10, 20)),
)
_Point = tuple[float, float]
_Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Fan:
    """What a fan chart shows. Times are Unix seconds, UTC.

    Attributes:
        title: printed above.
        unit: of the prices, printed above the axis.
        times, closes: of the past, oldest first, at least one; the last is the origin.
        steps: times of the forecast's steps.
        median: of each step.
        bands: label, lower and upper values of each step, the widest band first.
    """

    title: str
    unit: str
    times: Sequence[float]
    closes: Sequence[float]
    steps: Sequence[float]
    median: Sequence[float]
    bands: Sequence[tuple[str, Sequence[float], Sequence[float]]]


def forecast_plot(
    series: Series, candles: pd.DataFrame, forecast: pd.DataFrame
) -> dg.MetadataValue:
    """Fan chart as a Markdown image: the last 72 candles, then median and quantile bands.

    Args:
        candles: up to the origin of ``forecast``, at least one.
        forecast: rows of one origin, ordered by step.
    """
    recent, first = candles.tail(_HISTORY), forecast.iloc[0]
    origin = first["as_of"].to_pydatetime()
    version, kind = first["model_version"], first["kind"]
    closes = series.timeframe.close_all(recent["timestamp"])
    fan = Fan(
        title=f"{series}: forecast from {origin:%Y-%m-%d %H:%M} UTC (model {version}, {kind})",
        unit=series.symbol.partition("/")[2],
        times=[close.timestamp() for close in closes],
        closes=recent["close"].tolist(),
        steps=[series.timeframe.shift(origin, step).timestamp() for step in range(1, STEPS + 1)],
        median=forecast["price"].tolist(),
        bands=[
            (label, forecast[low].tolist(), forecast[high].tolist()) for label, low, high in _BANDS
        ],
    )
    encoded = base64.b64encode(draw_fan(fan)).decode()
    return dg.MetadataValue.md(f"![{series} forecast](data:image/png;base64,{encoded})")


def draw_fan(fan: Fan) -> bytes:
    """PNG of 640 x 288 pixels."""
    image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), _PAPER)
    draw = ImageDraw.Draw(image)
    origin, last = fan.times[-1], fan.closes[-1]
    values = [*fan.closes, *(value for _, *ends in fan.bands for end in ends for value in end)]
    place = _Scales((fan.times[0], fan.steps[-1]), (min(values), max(values)))
    _draw_grid(draw, place)
    for shade, (_, lower, upper) in zip(_SHADES, fan.bands, strict=False):
        edge = [*zip(fan.steps, upper, strict=True)]
        back = [*zip(fan.steps, lower, strict=True)][::-1]
        draw.polygon([place.at(*point) for point in [(origin, last), *edge, *back]], fill=shade)
    past = [place.at(*point) for point in zip(fan.times, fan.closes, strict=True)]
    future = [(origin, last), *zip(fan.steps, fan.median, strict=True)]
    draw.line(past, _INK, width=2 * _SCALE - 1, joint="curve")
    draw.line([place.at(*point) for point in future], _BLUE, width=2 * _SCALE, joint="curve")
    _draw_origin(draw, place, origin)
    _draw_labels(draw, fan)
    return _png(image)


@dataclass(frozen=True)
class _Scales:
    """From times and prices to pixels of the enlarged picture."""

    times: tuple[float, float]
    prices: tuple[float, float]

    def at(self, time: float, price: float) -> _Point:
        return self.x(time), self.y(price)

    def x(self, time: float) -> float:
        first, last = self.times
        inner = WIDTH - _LEFT - _RIGHT
        return (_LEFT + inner * (time - first) / (last - first or 1)) * _SCALE

    def y(self, price: float) -> float:
        low, high = self.prices
        inner = HEIGHT - _TOP - _BOTTOM
        share = (price - low) / (high - low) if high > low else 0.5
        return (HEIGHT - _BOTTOM - inner * (0.04 + 0.92 * share)) * _SCALE


def price_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most ``most`` round prices in ``[low, high]``: multiples of 1, 2 or 5 times ten to n."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10, 20) if power * each >= rough)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def time_ticks(first: float, last: float, most: int = 6) -> list[tuple[float, str]]:
    """At most ``most`` round times in ``[first, last]`` (Unix seconds), with their labels."""
    start, end = (pd.Timestamp(each, unit="s", tz="UTC") for each in (first, last))
    for frequency, form in _TICKS:
        if (end - start) / _lasting(frequency) <= 2 * most:
            found = pd.date_range(start.floor("D"), end, freq=frequency)
            ticks = [(tick.timestamp(), f"{tick:{form}}") for tick in found if tick >= start]
            if len(ticks) <= most:
                return ticks
    return []


@lru_cache(maxsize=64)
def _lasting(frequency: str) -> pd.Timedelta:
    """Roughly the time between two ticks."""
    two = pd.date_range("2024-01-01", periods=2, freq=frequency)
    return two[1] - two[0]


def _draw_grid(draw: ImageDraw.ImageDraw, place: _Scales) -> None:
    """Grid lines with their labels."""
    left, right = _LEFT * _SCALE, (WIDTH - _RIGHT) * _SCALE
    top, bottom = _TOP * _SCALE, (HEIGHT - _BOTTOM) * _SCALE
    for price in price_ticks(*place.prices):
        y = place.y(price)
        draw.line([(left, y), (right, y)], _GRID, width=_SCALE)
        text = f"{price:,.6g}"
        draw.text((left - 6 * _SCALE, y), text, _INK, _font(10), anchor="rm")
    for time, label in time_ticks(*place.times):
        x = place.x(time)
        draw.line([(x, top), (x, bottom)], _GRID, width=_SCALE)
        draw.text((x, bottom + 5 * _SCALE), label, _INK, _font(10), anchor="mt")
    draw.rectangle([left, top, right, bottom], outline=_GRID, width=_SCALE)


def _draw_origin(draw: ImageDraw.ImageDraw, place: _Scales, origin: float) -> None:
    """A dotted line where the past ends."""
    x = place.x(origin)
    for y in range(_TOP * _SCALE, (HEIGHT - _BOTTOM) * _SCALE, 6 * _SCALE):
        draw.line([(x, y), (x, y + 2 * _SCALE)], _INK, width=_SCALE)


def _draw_labels(draw: ImageDraw.ImageDraw, fan: Fan) -> None:
    """Title, unit and legend."""
    line = 13 * _SCALE
    draw.text((WIDTH * _SCALE / 2, line), _drawable(fan.title), _INK, _font(12), anchor="mm")
    draw.text((8 * _SCALE, line), _drawable(fan.unit), _INK, _font(10), anchor="lm")
    x, y = float((_LEFT + 10) * _SCALE), float((_TOP + 12) * _SCALE)
    for colour, label in [
        (_BLUE, "median"),
        *zip(_SHADES, [band[0] for band in fan.bands], strict=False),
    ]:
        draw.rectangle([x, y - 3 * _SCALE, x + 14 * _SCALE, y + 3 * _SCALE], fill=colour)
        draw.text((x + 18 * _SCALE, y), label, _INK, _font(10), anchor="lm")
        x += 18 * _SCALE + draw.textlength(label, _font(10)) + 14 * _SCALE


def _drawable(text: str) -> str:
    """``text`` with a box for each character that the font lacks, such as 币."""
    return "".join(each if _is_drawable(each) else _BOX for each in text)


@lru_cache(maxsize=4096)
def _is_drawable(character: str) -> bool:
    """Whether the font draws it otherwise than a character that no font has."""
    drawn, missing = (bytes(_font(12).getmask(each)) for each in (character, _UNASSIGNED))
    return character.isspace() or drawn != missing


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, enlarged as the picture is."""
    return ImageFont.load_default(size * _SCALE)


def _png(image: Image.Image) -> bytes:
    """The picture in its final size and few colours; Dagster's event log keeps every plot."""
    file = io.BytesIO()
    reduced = image.reduce(_SCALE)
    reduced.quantize(palette=_palette(), dither=Image.Dither.NONE).save(file, format="png")
    return file.getvalue()


@lru_cache(maxsize=1)
def _palette() -> Image.Image:
    """The colours and what smoothing makes of two neighbours; 31 in all."""
    drawn = (_PAPER, _GRID, _INK, _BLUE, *_SHADES)
    halves = [_mixed(one, other, 0.5) for one, other in combinations(drawn, 2)]
    text = [_mixed(_PAPER, _INK, share) for share in (0.25, 0.75)]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in (*drawn, *halves, *text) for part in colour])
    return palette


def _mixed(one: _Colour, other: _Colour, share: float) -> _Colour:
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(one, other, strict=True))
    return red, green, blue
