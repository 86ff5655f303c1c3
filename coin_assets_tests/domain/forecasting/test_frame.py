"""Forecast frames, and the rules of which forecast may exist.

- `forecast_frame` lays out quantiles as rows; `validated_forecasts` lets exactly the frames
  through that keep every rule, in canonical types, and otherwise names the rule.
- The version that may forecast an origin is the newest one trained on nothing after it.
- A forecast is live while its first candle is open, and a backtest from then on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.forecasting.frame import (
    BACKTEST,
    FORECAST_SCHEMA,
    LIVE,
    PRICE_COLUMNS,
    QUANTILE_COLUMNS,
    STEPS,
    Floats,
    eligible_version,
    forecast_frame,
    kind_of,
    validated_forecasts,
)
from coin_assets.domain.forecasting.trainable import minimum_candles
from coin_assets.domain.methods import CHAMPION
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets.errors import DataRefused

HOUR = Timeframe.parse("1h")
ORIGIN = datetime(2026, 11, 22, 20, tzinfo=UTC)


def origins(count: int) -> pd.DatetimeIndex:
    return pd.date_range(ORIGIN, periods=count, freq="h", unit="us")


def quantiles(count: int) -> Floats:
    """Every number encodes its origin, step and quantile: 1000s, 10s and ones."""
    origin, step, level = np.ogrid[1 : count + 1, 1 : STEPS + 1, 1:8]
    return np.asarray(1000 * origin + 10 * step + level, dtype=np.float64)


def good(count: int = 2) -> pd.DataFrame:
    return forecast_frame(origins(count), quantiles(count), "7", [LIVE] * count)


# --------------------------------------------------------------------------------------- the frame


def test_columns_are_named_for_their_probability() -> None:
    assert QUANTILE_COLUMNS == ["q05", "q10", "q25", "q50", "q75", "q90", "q95"]
    assert ["price", *QUANTILE_COLUMNS] == PRICE_COLUMNS


def test_a_frame_has_a_row_for_each_origin_and_step() -> None:
    frame = forecast_frame(origins(2), quantiles(2), "7", [BACKTEST, LIVE])
    assert list(frame.columns) == list(FORECAST_SCHEMA)
    assert len(frame) == 2 * STEPS
    for row, (origin, kind) in enumerate([(1, BACKTEST), (2, LIVE)]):
        for step in range(1, STEPS + 1):
            values = frame.iloc[row * STEPS + step - 1]
            assert values["as_of"] == ORIGIN + timedelta(hours=row)
            assert values["step"] == step
            assert values["kind"] == kind
            assert values["role"] == CHAMPION
            assert values["model_version"] == "7"
            expected = [1000 * origin + 10 * step + level for level in range(1, 8)]
            assert values[QUANTILE_COLUMNS].tolist() == expected
            assert values["price"] == expected[3]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_forecast_frame_makes_is_valid_and_in_canonical_types(count: int) -> None:
    frame = good(count)
    checked = validated_forecasts(frame, HOUR)
    pd.testing.assert_frame_equal(checked, frame, check_exact=True)
    assert [str(dtype) for dtype in checked.dtypes] == [
        "datetime64[us, UTC]",
        "str",
        "int64",
        *["float64"] * len(PRICE_COLUMNS),
        "str",
        "str",
    ]


Change = Callable[[pd.DataFrame], pd.DataFrame]


def first_row(column: str, value: object) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame[column].astype(object)
        changed.iloc[0] = value
        return frame.assign(**{column: changed})

    return change


SAME: dict[str, Change] = {
    "columns in another order": lambda frame: frame[frame.columns[::-1]],
    "another column": lambda frame: frame.assign(comment="hello"),
    "another index": lambda frame: frame.set_index(pd.Index(range(5, 5 + len(frame)))),
    "another zone": lambda frame: frame.assign(as_of=frame["as_of"].dt.tz_convert("Asia/Tokyo")),
    "nanoseconds": lambda frame: frame.assign(as_of=frame["as_of"].dt.as_unit("ns")),
    "untyped columns": lambda frame: frame.astype(object),
    "whole numbers": lambda frame: frame.astype(dict.fromkeys(PRICE_COLUMNS, "int64")),
    "numbered version": lambda frame: frame.assign(model_version=7),
}


@pytest.mark.parametrize("change", SAME)
def test_another_form_of_a_valid_frame_becomes_canonical(change: str) -> None:
    checked = validated_forecasts(SAME[change](good()), HOUR)
    pd.testing.assert_frame_equal(checked, good(), check_exact=True)


def test_rows_may_come_in_any_order_and_origins_in_both_roles() -> None:
    both = pd.concat([good(), good().assign(role="challenger")])
    shuffled = both.sample(frac=1, random_state=1)
    assert len(validated_forecasts(shuffled, HOUR)) == 4 * STEPS


def test_equal_quantiles_do_not_cross() -> None:
    flat = good().assign(**dict.fromkeys(PRICE_COLUMNS, 5.0))
    assert len(validated_forecasts(flat, HOUR)) == 2 * STEPS


# name -> (words of the message, change)
REFUSED: dict[str, tuple[str, Change]] = {
    "columns missing": (
        r"\['price', 'kind'\] are missing",
        lambda frame: frame.drop(columns=["price", "kind"]),
    ),
    "no columns": ("are missing", lambda frame: frame[[]]),
    "quantiles cross": ("do not cross: 1 rows", first_row("q25", 1011.9)),
    "quantile NaN": ("finite", first_row("q25", float("nan"))),
    "quantile infinite": ("finite", first_row("q95", float("inf"))),
    "quantile zero": ("above zero", first_row("q05", 0.0)),
    "quantile negative": ("above zero", first_row("q05", -1.0)),
    "quantile no number": ("wrong types", first_row("q05", "much")),
    "price beside the median": ("price is the median: 1 rows", first_row("price", 1014.5)),
    "price NaN": ("price is the median", first_row("price", float("nan"))),
    "step missing": ("once: 23 rows", lambda frame: frame.drop(index=30)),
    "step twice": ("once: 24 rows", first_row("step", 2)),
    "step too many": ("once: 25 rows", lambda frame: pd.concat([frame, frame.iloc[[3]]])),
    "step 0": ("once: 1 rows", lambda frame: frame.replace({"step": {1: 0}}).iloc[:STEPS]),
    "step 25": ("once: 1 rows", lambda frame: frame.replace({"step": {1: 25}}).iloc[:STEPS]),
    "step no number": ("wrong types", first_row("step", "one")),
    "step absent": ("wrong types", first_row("step", float("nan"))),
    "role unknown": ("role is one of champion, challenger", first_row("role", "pretender")),
    "role absent": ("role is one of champion, challenger", first_row("role", None)),
    "kind unknown": ("kind is one of live, backtest", first_row("kind", "guess")),
    "version absent": ("model version is named", first_row("model_version", None)),
    "origin unaligned": (
        "1h boundaries: 48 rows",
        lambda frame: frame.assign(as_of=frame["as_of"] + timedelta(minutes=30)),
    ),
    "origin absent": ("1h boundaries", first_row("as_of", pd.NaT)),
    "origin naive": (
        "wrong types",
        lambda frame: frame.assign(as_of=frame["as_of"].dt.tz_localize(None)),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_frame_is_refused_naming_the_rule(name: str) -> None:
    words, change = REFUSED[name]
    with pytest.raises(DataRefused, match=words):
        validated_forecasts(change(good()), HOUR)


def test_origins_are_judged_by_the_timeframe_of_the_series() -> None:
    frame = forecast_frame(origins(1), quantiles(1), "7", [LIVE])  # 20:00 on a Sunday
    for name in ("1h", "4h"):
        validated_forecasts(frame, Timeframe.parse(name))
    for name in ("6h", "1d", "1w", "1M"):
        with pytest.raises(DataRefused, match=f"{name} boundaries"):
            validated_forecasts(frame, Timeframe.parse(name))


# ------------------------------------------------------------------------------------------- rules


@dataclass(frozen=True)
class Version:
    number: int
    cutoff: datetime


@given(
    cutoffs=st.lists(st.integers(0, 6), max_size=8),
    origin=st.integers(-1, 7),
)
def test_the_newest_version_trained_on_nothing_after_the_origin_is_eligible(
    cutoffs: list[int], origin: int
) -> None:
    versions = [Version(n, ORIGIN + timedelta(hours=hours)) for n, hours in enumerate(cutoffs)]
    time = ORIGIN + timedelta(hours=origin)
    best: Version | None = None
    for version in versions:
        if version.cutoff > time:
            continue
        if best is None or version.cutoff >= best.cutoff:
            best = version
    assert eligible_version(versions, time) == best
    assert eligible_version(iter(versions), time) == best


def test_a_cutoff_at_the_origin_is_no_leak_and_one_just_after_is() -> None:
    at, after = Version(1, ORIGIN), Version(2, ORIGIN + timedelta.resolution)
    assert eligible_version([at, after], ORIGIN) is at
    assert eligible_version([after], ORIGIN) is None


@pytest.mark.parametrize(
    ("timeframe", "origin", "first_close"),
    [
        ("1h", ORIGIN, ORIGIN + timedelta(hours=1)),
        ("1w", datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
        ("1M", datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_a_forecast_is_live_until_its_first_candle_closes(
    timeframe: str, origin: datetime, first_close: datetime
) -> None:
    parsed = Timeframe.parse(timeframe)
    assert kind_of(origin, parsed, origin) == LIVE
    assert kind_of(origin, parsed, first_close - timedelta.resolution) == LIVE
    assert kind_of(origin, parsed, first_close) == BACKTEST
    assert kind_of(origin, parsed, first_close + timedelta(days=400)) == BACKTEST


def test_a_forecast_needs_ten_days_of_hours_four_months_of_days_a_year_of_weeks() -> None:
    below_a_day = [name for name in NAMES if name[-1] in "mh"]
    expected = dict.fromkeys(below_a_day, 240) | {"1d": 120, "3d": 120, "1w": 52, "1M": 24}
    assert {name: minimum_candles(Timeframe.parse(name)) for name in NAMES} == expected
