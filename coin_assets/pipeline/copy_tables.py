"""The tables of a store for a copy: how to read a range, and how to make it equal."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import LATEST
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import EPOCH, month_label, months_between, next_month
from coin_assets.store.base import Store


@dataclass(frozen=True)
class CopyWindow:
    """A half-open range of times: a month, or all time before or after the months.

    Attributes:
        fetched: whether the source has it as a fetched month; only such months hold candles.
        known: whether the target has it as a fetched month.
    """

    start: datetime
    end: datetime
    label: str
    fetched: bool = False
    known: bool = False


@dataclass(frozen=True)
class CopiedTable:
    """One table of a store.

    Attributes:
        identity: columns that identify a row.
        read: returns the rows of a range, in the order of the store.
        equalise: replaces the rows of a range; its last argument is whether the range may hold rows
            that are not among the new ones.
    """

    name: str
    identity: tuple[str, ...]
    read: Callable[[Store, Series, CopyWindow], pd.DataFrame]
    equalise: Callable[[Store, Series, CopyWindow, pd.DataFrame, bool], None]


def copy_windows(source: Store, target: Store, series: Series) -> list[CopyWindow]:
    """Ranges that a copy compares one by one: months with rows, and the time before and after."""
    fetched, known = source.fetched_months(series), target.fetched_months(series)
    times = fetched + known
    for store in (source, target):
        times += [
            *store.newest_candles([series]).values(),
            *store.newest_forecasts([series]).values(),
        ]
    if not times:
        return [CopyWindow(EPOCH, LATEST, "all time")]
    months = months_between(min(times), next_month(max(times)))
    first, end = months[0], next_month(months[-1])
    return [
        CopyWindow(EPOCH, first, f"before {month_label(first)}"),
        *(
            CopyWindow(each, next_month(each), month_label(each), each in fetched, each in known)
            for each in months
        ),
        CopyWindow(end, LATEST, f"from {month_label(end)} on"),
    ]


def _equalise_candles(
    store: Store,
    series: Series,
    window: CopyWindow,
    rows: pd.DataFrame,
    unwanted: bool,  # noqa: ARG001
) -> None:
    if window.fetched:
        store.write_candles(series, rows, window.start, window.end)
    else:
        store.delete_candles(series, window.start, window.end)


def _equalise_forecasts(
    store: Store, series: Series, window: CopyWindow, rows: pd.DataFrame, unwanted: bool
) -> None:
    if unwanted:
        store.delete_forecasts(series, window.start, window.end)
    if len(rows):
        store.revise_forecasts(series, rows)


def _equalise_revisions(
    store: Store, series: Series, window: CopyWindow, rows: pd.DataFrame, unwanted: bool
) -> None:
    if unwanted:
        store.delete_revisions(series, window.start, window.end)
    if len(rows):
        store.record_revisions(series, rows)


CANDLES = CopiedTable(
    "candles",
    ("timestamp",),
    lambda store, series, window: store.read_candles(series, window.start, window.end),
    _equalise_candles,
)
FORECASTS = CopiedTable(
    "forecasts",
    ("role", "as_of", "step"),
    lambda store, series, window: store.read_forecasts(series, window.start, window.end),
    _equalise_forecasts,
)
REVISIONS = CopiedTable(
    "revisions",
    ("timestamp", "seen_at"),
    lambda store, series, window: store.read_revisions(series, window.start, window.end),
    _equalise_revisions,
)
TABLES = (CANDLES, FORECASTS, REVISIONS)
