"""The tables of a store as a copy sees them: read a range, make a range equal."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import LATEST
from coin_assets.domain.series import Key
from coin_assets.domain.timeframes import EPOCH, month_label, months_between, next_month
from coin_assets.store.base import Store


@dataclass(frozen=True)
class Window:
    """A half-open range of times: a month, or all that lies before or after the months.

    Attributes:
        fetched: whether the source counts it as a fetched month; only such months hold candles.
        known: whether the target does.
    """

    start: datetime
    end: datetime
    label: str
    fetched: bool = False
    known: bool = False


@dataclass(frozen=True)
class Table:
    """One kind of rows of a store.

    Attributes:
        identity: columns that tell rows apart.
        read: rows of a range, in the order of the store.
        equalise: make a range that may hold other rows hold exactly these; with the last argument
            False no row of it is unwanted.
    """

    name: str
    identity: tuple[str, ...]
    read: Callable[[Store, Key, Window], pd.DataFrame]
    equalise: Callable[[Store, Key, Window, pd.DataFrame, bool], None]


def windows_of(source: Store, target: Store, key: Key) -> list[Window]:
    """Every month in which one of the stores may have rows of ``key``, and what lies around."""
    fetched, known = source.fetched_months(key), target.fetched_months(key)
    times = fetched + known
    for store in (source, target):
        times += [*store.newest_candles([key]).values(), *store.newest_forecasts([key]).values()]
    if not times:
        return [Window(EPOCH, LATEST, "all time")]
    months = months_between(min(times), next_month(max(times)))
    first, end = months[0], next_month(months[-1])
    return [
        Window(EPOCH, first, f"before {month_label(first)}"),
        *(
            Window(each, next_month(each), month_label(each), each in fetched, each in known)
            for each in months
        ),
        Window(end, LATEST, f"from {month_label(end)} on"),
    ]


def _equalise_candles(
    store: Store,
    key: Key,
    window: Window,
    rows: pd.DataFrame,
    unwanted: bool,  # noqa: ARG001
) -> None:
    if window.fetched:
        store.write_candles(key, rows, window.start, window.end)
    else:
        store.delete_candles(key, window.start, window.end)


def _equalise_forecasts(
    store: Store, key: Key, window: Window, rows: pd.DataFrame, unwanted: bool
) -> None:
    if unwanted:
        store.delete_forecasts(key, window.start, window.end)
    if len(rows):
        store.revise_forecasts(key, rows)


def _equalise_revisions(
    store: Store, key: Key, window: Window, rows: pd.DataFrame, unwanted: bool
) -> None:
    if unwanted:
        store.delete_revisions(key, window.start, window.end)
    if len(rows):
        store.record_revisions(key, rows)


CANDLES = Table(
    "candles",
    ("timestamp",),
    lambda store, key, window: store.read_candles(key, window.start, window.end),
    _equalise_candles,
)
FORECASTS = Table(
    "forecasts",
    ("role", "as_of", "step"),
    lambda store, key, window: store.read_forecasts(key, window.start, window.end),
    _equalise_forecasts,
)
REVISIONS = Table(
    "revisions",
    ("timestamp", "seen_at"),
    lambda store, key, window: store.read_revisions(key, window.start, window.end),
    _equalise_revisions,
)
TABLES = (CANDLES, FORECASTS, REVISIONS)
