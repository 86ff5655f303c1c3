"""Fingerprints: equal rows, equal text; any other value, order or column, another text."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from coin_assets.store.fingerprint import TableDifference, difference, fingerprint
from coin_assets_tests.store.contract import HOUR, NOV, forecasts_at, hours, revisions_at

CANDLES = hours(NOV, 5)
FORECASTS = forecasts_at([NOV, NOV + HOUR])
REVISIONS = revisions_at([NOV], NOV + 5 * HOUR)


@pytest.mark.parametrize("frame", [CANDLES, FORECASTS, REVISIONS, CANDLES.head(0)])
def test_the_same_values_have_one_fingerprint_whatever_holds_them(frame: pd.DataFrame) -> None:
    text = [name for name in frame.columns if frame[name].dtype == "str"]
    times = [name for name in frame.columns if isinstance(frame[name].dtype, pd.DatetimeTZDtype)]
    other = frame.astype(dict.fromkeys(text, "object"))
    for name in times:
        other[name] = other[name].astype("datetime64[ns, UTC]").dt.tz_convert("Asia/Tokyo")
    other.index = other.index + 7
    assert fingerprint(other) == fingerprint(frame)


def test_one_nan_is_as_good_as_another_and_no_sign_tells_zeros_apart() -> None:
    quiet, loud = (
        np.array([bits], dtype="<u8").view("<f8")
        for bits in (0x7FF8000000000000, 0xFFF8000000000001)
    )
    frames = [REVISIONS.assign(old_close=value) for value in (quiet, loud)]
    assert fingerprint(frames[0]) == fingerprint(frames[1])
    assert fingerprint(CANDLES.assign(volume=0.0)) == fingerprint(CANDLES.assign(volume=-0.0))


def test_anything_else_changes_it() -> None:
    found = [
        fingerprint(frame)
        for frame in (
            CANDLES,
            CANDLES.head(4),
            CANDLES.iloc[::-1],
            CANDLES[[*CANDLES.columns[:-2], "volume", "close"]],
            CANDLES.rename(columns={"volume": "amount"}),
            CANDLES.assign(timestamp=CANDLES["timestamp"] + timedelta.resolution),
            CANDLES.assign(close=np.nextafter(CANDLES["close"].to_numpy(), 100.0)),
            CANDLES.assign(close=CANDLES["close"].where(CANDLES.index != 3)),
            FORECASTS,
            FORECASTS.assign(kind="backtest"),
            FORECASTS.assign(role="champio", kind="nlive"),
        )
    ]
    assert len(set(found)) == len(found)


def test_differences_are_counted_by_identity() -> None:
    original = hours(NOV, 6)
    copy = pd.concat([hours(NOV + HOUR, 4), hours(NOV + 20 * HOUR, 2)], ignore_index=True)
    copy.loc[1, "close"] = 11.0
    assert difference(original, copy, ["timestamp"]) == TableDifference(
        added=2, replaced=1, surplus=2
    )
    assert difference(original, original, ["timestamp"]) == TableDifference(0, 0, 0)
    assert difference(original, original.head(0), ["timestamp"]) == TableDifference(6, 0, 0)
    assert difference(original.head(0), copy, ["timestamp"]) == TableDifference(0, 0, 6)
