"""Separation of the valid candles of an answer from the broken ones."""

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import (
    COLUMNS,
    VALUES,
    broken_rules,
    empty_candles,
    rendered,
)
from coin_assets.domain.candles.refusals import Refusal
from coin_assets.domain.timeframes import Timeframe, as_micros


def sifted(frame: pd.DataFrame, timeframe: Timeframe) -> tuple[pd.DataFrame, list[Refusal]]:
    """Split ``frame`` into valid candles and refusals.

    Where an answer has a valid and a broken row for one open, the valid one wins.

    Args:
        frame: columns `COLUMNS` with plausible UTC open times; of rows with equal open times the
            last one wins. Values that are not numbers count as missing.
        timeframe: of the candles.

    Returns:
        A candle frame, and refusals in ascending order, at most one for each open.
    """
    if frame.empty:
        return empty_candles(), []
    ordered = frame[COLUMNS]
    if not (ordered["timestamp"].is_monotonic_increasing and ordered["timestamp"].is_unique):
        ordered = ordered.sort_values("timestamp", kind="stable")
        ordered = ordered.drop_duplicates("timestamp", keep="last").reset_index(drop=True)
    values = {name: _numbers(ordered[name]) for name in VALUES}
    candles = pd.DataFrame({"timestamp": ordered["timestamp"].dt.as_unit("us"), **values})
    broken = broken_rules(candles, candles["timestamp"], timeframe)
    if not any(rows.any() for _, _, rows in broken):
        return candles, []
    rules = np.full(len(candles), "", dtype=object)
    for rule, _, rows in reversed(broken):
        rules[rows] = rule
    valid = candles[rules == ""].reset_index(drop=True)
    known = set(as_micros(valid["timestamp"]).tolist())
    found: dict[int, Refusal] = {}
    for row in np.flatnonzero(rules != ""):
        opened = timeframe.floor(candles["timestamp"].iloc[row].to_pydatetime())
        micros = int(as_micros(pd.DatetimeIndex([opened]))[0])
        if micros not in known:
            value = rendered(ordered["timestamp"].iloc[row], ordered.iloc[row])
            found[micros] = Refusal(opened, timeframe.close_of(opened), str(rules[row]), value)
    return valid, [found[micros] for micros in sorted(found)]


def refusal_at(opened: datetime, timeframe: Timeframe, sent: object) -> Refusal:
    """Refusal of a row without a usable time.

    Args:
        opened: open of the candle in whose place the row was sent.
        timeframe: of the candle.
        sent: the row, for the message.
    """
    return Refusal(opened, timeframe.close_of(opened), "implausible_times", repr(sent)[:200])


def _numbers(column: "pd.Series[Any]") -> "pd.Series[float]":
    if column.dtype == "float64":
        return column
    is_bool = column.map(lambda value: isinstance(value, bool | np.bool_))
    return pd.to_numeric(column.mask(is_bool), errors="coerce").astype("float64")
