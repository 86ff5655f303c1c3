"""Contents of published files as pandas frames; all times are UTC.

The functions raise one of `CONTENT_ERRORS` for a document that breaks the contract.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import pandas as pd

from coin_assets.domain.json_format import TIME_FORMAT, Document, parse_time
from coin_assets.domain.timeframes import Timeframe

Frames = dict[str, pd.DataFrame]

_CANDLE = ("open", "high", "low", "close", "volume")
_TIMES = ("as_of", "start", "end", "close_time", "since")
_ROLES = ("champion", "challenger", "naive")  # challengers of further methods come after them


def history_frame(document: Document) -> pd.DataFrame:
    """``symbol, timeframe, timestamp, open, high, low, close, volume``, oldest first."""
    rows = document["data"]
    numbers = {name: pd.Series([row[name] for row in rows], dtype=float) for name in _CANDLE}
    opened = _times([row["timestamp"] for row in rows])
    return _identified(document, pd.DataFrame({"timestamp": opened, **numbers}))


def forecast_frame(document: Document) -> pd.DataFrame:
    """One row a step: identity, ``as_of, model_version``, times, price, bounds and quantiles.

    Quantiles are columns named as in the file: ``0.05`` to ``0.95``.
    """
    steps = document["forecast"]
    levels = list(steps[0]["quantiles"])
    as_of, version = parse_time(document["as_of"]), document["model_version"]
    frame = pd.DataFrame(
        {
            "as_of": pd.Series([as_of] * len(steps), dtype="datetime64[us, UTC]"),
            "model_version": [version] * len(steps),
            "timestamp": _times([step["timestamp"] for step in steps]),
            "close_time": _times(_close_times(document)),
            **{
                name: pd.Series([step[name] for step in steps], dtype=float)
                for name in ("price", "lower_bound", "upper_bound")
            },
            **{
                level: pd.Series([step["quantiles"][level] for step in steps], dtype=float)
                for level in levels
            },
        }
    )
    return _identified(document, frame)


def evaluation_frames(document: Document) -> Frames:
    """The parts of an evaluation that it has, each a frame with one row a role and item.

    ``scores`` (whole window), ``by_volatility`` (terciles), ``reliability`` (observed share of
    closes at or below each level), ``by_step``, ``over_time``, ``recent`` (matured forecasts step
    by step, with outcomes) and ``roles`` (appointments).
    """
    levels = document.get("levels") or []
    scored = [(role, document[role]) for role in _ROLES if document.get(role)]
    further = document.get("challengers") or ()
    roles = [*_ROLES, *(each["role"] for each in further)]
    scored += [(each["role"], each["scores"]) for each in further if each.get("scores")]
    parts: dict[str, list[Document]] = {
        "scores": [{"role": role, **_scalars(each)} for role, each in scored],
        "by_volatility": [
            {"role": role, "tercile": tercile, **shares}
            for role, each in scored
            for tercile, shares in (each.get("coverage_by_volatility") or {}).items()
        ],
        "reliability": [
            {"role": role, "level": level, "observed": share}
            for role, each in scored
            for level, share in zip(levels, each.get("observed") or (), strict=False)
        ],
        "by_step": list(_by_role(document.get("by_step"), roles)),
        "over_time": list(_by_role(document.get("over_time"), roles)),
        "recent": [
            {**_scalars(each), **_scalars(step), **step["quantiles"]}
            for each in document.get("recent") or ()
            for step in each["forecast"]
        ],
        "roles": [_scalars(each) for each in document.get("roles") or ()],
    }
    return {
        name: _identified(document, _with_times(pd.DataFrame(rows)))
        for name, rows in parts.items()
        if rows
    }


def _close_times(document: Document) -> list[str | datetime]:
    """Close of each step; files of earlier releases lack it."""
    steps = document["forecast"]
    if all("close_time" in step for step in steps):
        return [step["close_time"] for step in steps]
    opened = [parse_time(step["timestamp"]) for step in steps]
    last = Timeframe.parse(document["timeframe"]).close_of(opened[-1])
    return [closed for _, closed in pairwise([*opened, last])]


def _by_role(items: list[Document] | None, roles: list[str]) -> Iterator[Document]:
    """A row for each of the roles that an item has."""
    for item in items or ():
        for role in roles:
            if item.get(role):
                yield {**_scalars(item), "role": role, **_scalars(item[role])}


def _scalars(document: Document) -> Document:
    return {name: each for name, each in document.items() if not isinstance(each, dict | list)}


def _with_times(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{name: _times(frame[name]) for name in _TIMES if name in frame})


def _times(values: Any) -> pd.Series:
    """Times of JSON, or datetimes, as UTC."""
    series = pd.Series(values)
    if series.dtype.kind != "M":
        series = pd.to_datetime(series, format=TIME_FORMAT, utc=True)
    return series.astype("datetime64[us, UTC]")


def _identified(document: Document, frame: pd.DataFrame) -> pd.DataFrame:
    frame.insert(0, "symbol", document["symbol"])
    frame.insert(1, "timeframe", document["timeframe"])
    return frame
