"""Comparing candles: prices exactly, volume to 1e-9, and candles that only one side has."""

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.candles.comparison import (
    DIFFERING,
    EXTRA,
    FINDINGS,
    MISSING,
    compare_candles,
    markdown,
)
from coin_assets.domain.candles.frame import PRICES, empty_candles


def candles(count: int = 4) -> pd.DataFrame:
    price = 100.0 + np.arange(count)
    opens = pd.date_range("2024-01-01", periods=count, freq="D", tz="UTC", unit="us")
    columns = {"open": price, "high": price + 2, "low": price - 2, "close": price + 1}
    return pd.DataFrame({"timestamp": opens, **columns, "volume": 1e6 + price})


def test_equal_candles_do_not_differ() -> None:
    found = compare_candles(candles(), candles())
    assert (found.compared, found.count()) == (4, 0)


def test_nothing_compares_with_nothing() -> None:
    found = compare_candles(empty_candles(), empty_candles())
    assert (found.compared, found.count()) == (0, 0)


@pytest.mark.parametrize("name", PRICES)
def test_any_other_price_differs(name: str) -> None:
    changed = candles()
    changed[name] = changed[name].where(changed.index != 2, np.nextafter(changed[name], 1e9))
    found = compare_candles(candles(), changed)
    assert list(found.differences["timestamp"]) == [pd.Timestamp("2024-01-03", tz="UTC")]
    assert found.count(DIFFERING) == found.count() == 1


@pytest.mark.parametrize(("factor", "differing"), [(1 + 5e-10, 0), (1 + 2e-9, 4), (1 - 2e-9, 4)])
def test_volume_may_differ_by_rounding(factor: float, differing: int) -> None:
    changed = candles().assign(volume=candles()["volume"] * factor)
    assert compare_candles(candles(), changed).count(DIFFERING) == differing


def test_zero_volume_equals_zero_and_nothing_else() -> None:
    nothing, little = candles().assign(volume=0.0), candles().assign(volume=1e-12)
    assert compare_candles(nothing, nothing).count() == 0
    assert compare_candles(nothing, little).count(DIFFERING) == 4


def test_candles_of_one_side_are_missing_or_extra() -> None:
    found = compare_candles(candles().drop(index=1), candles().drop(index=3))
    assert found.compared == 4
    assert list(found.differences["finding"]) == [MISSING, EXTRA]
    assert [found.count(each) for each in FINDINGS] == [1, 1, 0]
    assert np.isnan(found.differences["open_stored"].iloc[0])
    assert found.differences["open_market"].iloc[0] == 101.0


def test_the_table_shows_both_values_and_how_many_more_there_are() -> None:
    changed = candles(5).assign(close=candles(5)["close"] + 0.25).drop(index=0)
    lines = markdown(compare_candles(candles(5), changed), 2).splitlines()
    assert lines[0] == "| open time (UTC) | finding | open | high | low | close | volume |"
    assert lines[2].startswith("| 2024-01-01 00:00 | extra | 100 / none | 102 / none |")
    assert lines[3] == (
        "| 2024-01-02 00:00 | differing | 101 | 103 | 99 | 102 / 102.25 | 1000101 |"
    )
    assert lines[-1].startswith("and 3 more")
    assert len(lines) == 6
