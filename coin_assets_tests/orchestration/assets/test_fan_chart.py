"""The fan chart: its scales by law, its picture by the colours at known places."""

import io
import math
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from coin_assets.orchestration.assets.fan_chart import (
    HEIGHT,
    WIDTH,
    Fan,
    draw_fan,
    price_ticks,
    time_ticks,
)

_HOUR = 3600
_ORIGIN = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
_INK, _MEDIAN = (36, 41, 47), (31, 111, 235)
_BANDS = [(214, 228, 251), (176, 204, 247), (128, 173, 242)]  # the widest first


def fan(last: float = 100.0, width: float = 0.1) -> Fan:
    """Flat closes, and bands of constant width around a flat median."""
    ends = [
        (label, [last * (1 - share * width)] * 24, [last * (1 + share * width)] * 24)
        for label, share in (("90%", 1.0), ("80%", 0.7), ("50%", 0.3))
    ]
    return Fan(
        title="BTC/USDT 1h: forecast",
        unit="USDT",
        times=[_ORIGIN - _HOUR * back for back in reversed(range(72))],
        closes=[last] * 72,
        steps=[_ORIGIN + _HOUR * step for step in range(1, 25)],
        median=[last] * 24,
        bands=ends,
    )


def picture(made: bytes) -> Image.Image:
    return Image.open(io.BytesIO(made)).convert("RGB")


def column(image: Image.Image, x: int) -> list[tuple[int, ...]]:
    """Colours from the top to the bottom, each once in a row."""
    found: list[tuple[int, ...]] = []
    for y in range(28, HEIGHT - 26):
        colour = image.getpixel((x, y))
        assert isinstance(colour, tuple)
        if not found or found[-1] != colour:
            found.append(colour)
    return found


def test_picture_has_the_bands_inside_each_other_around_the_median() -> None:
    drawn = column(picture(draw_fan(fan())), WIDTH - 40)
    seen = [each for each in drawn if each in (*_BANDS, _MEDIAN)]
    outer, middle, inner = _BANDS
    assert seen == [outer, middle, inner, _MEDIAN, inner, middle, outer]


def test_closes_are_drawn_before_the_origin_and_bands_after_it() -> None:
    past = column(picture(draw_fan(fan())), WIDTH // 3)
    assert _INK in past
    assert not set(_BANDS) & set(past)


def test_picture_is_small_and_has_its_size() -> None:
    made = draw_fan(fan())
    assert len(made) < 10_000  # Dagster's event log keeps each
    assert picture(made).size == (WIDTH, HEIGHT)


def test_same_forecast_gives_the_same_bytes() -> None:
    assert draw_fan(fan()) == draw_fan(fan())


def test_flat_prices_and_one_candle_are_drawn() -> None:
    one = replace(fan(width=0.0), times=[_ORIGIN], closes=[100.0])
    assert picture(draw_fan(one)).size == (WIDTH, HEIGHT)


def test_missing_characters_become_boxes_of_the_same_number() -> None:
    box = draw_fan(replace(fan(), title="\N{WHITE SQUARE}/USDT"))
    assert draw_fan(replace(fan(), title="币/USDT")) == box
    assert draw_fan(replace(fan(), title="B/USDT")) != box


@given(st.floats(1e-9, 1e9), st.floats(1e-4, 1e4))
def test_price_ticks_are_round_few_and_inside(low: float, share: float) -> None:
    high = low * (1 + share)
    ticks = price_ticks(low, high)
    assert 1 <= len(ticks) <= 7
    assert all(low * (1 - 1e-9) <= tick <= high * (1 + 1e-9) for tick in ticks)
    digits = 12 - math.floor(math.log10(high))
    steps = {round(after - before, digits) for before, after in pairwise(ticks)}
    for step in steps:
        digit = step / 10 ** math.floor(math.log10(step) + 1e-9)
        assert min(abs(digit - round_one) for round_one in (1, 2, 5, 10)) < 1e-6


@given(st.integers(0, 2_000_000_000), st.integers(600, 2_000_000_000))
def test_time_ticks_are_few_and_inside(first: int, lasting: int) -> None:
    ticks = time_ticks(first, first + lasting)
    assert len(ticks) <= 6
    assert all(first <= time <= first + lasting for time, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks)


@pytest.mark.parametrize(
    ("step", "label"),
    [(60, "12:00"), (3600, "11-28"), (86400, "2026-11"), (30 * 86400, "2027")],
)
def test_time_ticks_say_what_their_span_needs(step: int, label: str) -> None:
    labels = [text for _, text in time_ticks(_ORIGIN - 72 * step, _ORIGIN + 24 * step)]
    assert len(labels) >= 2
    assert label in labels
