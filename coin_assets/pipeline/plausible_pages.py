"""Implausible candles of answers, held back until a second reading or an operator confirms."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import pandas as pd

from coin_assets.domain.candles.absences import Absence
from coin_assets.domain.candles.frame import between, empty_candles
from coin_assets.domain.candles.plausibility import (
    CONTEXT,
    MOST_CONFIRMED_FACTOR,
    SECOND_READING_AFTER,
    Sifted,
    Step,
    Surroundings,
    caution_about,
    is_second_reading,
    moves_far,
    sift_steps,
)
from coin_assets.domain.candles.refusals import Refusal
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact, ImplausibleCandles
from coin_assets.market.base import Page
from coin_assets.store.base import Store

_FOLLOWING = 10  # candles after a range, of which the first stored one is compared


@dataclass
class PlausiblePages:
    """Looks at the pages of one series, in order, before they are committed.

    Attributes:
        now: time of an answer.
        accepts_all: an operator has confirmed whatever the market sends.
        log: receives a line for each implausible candle.
    """

    store: Store
    series: Series
    now: Callable[[], datetime]
    accepts_all: bool
    log: Callable[[str], None]
    _close: float | None = None  # of the newest candle so far
    _after: pd.DataFrame = field(default_factory=empty_candles)

    def begin(self, end: datetime, limit: datetime) -> None:
        """Begin a range that ends at ``end``.

        Args:
            limit: no candle is stored that closes later.
        """
        self._close, self._after = None, empty_candles()
        if end < self.series.timeframe.floor(limit):
            self._after = self._stored(end, self.series.timeframe.shift(end, _FOLLOWING))

    def sifted(self, page: Page, known: pd.DataFrame) -> tuple[Page, ImplausibleCandles | None]:
        """The page without implausible candles, and an error if it ends at one.

        Args:
            known: stored candles of the requested range.
        """
        if page.candles.empty:
            return page, None
        stored = between(known, page.start, page.end) if len(known) else known
        after = self._following(page.end, known)
        before, close = self._close_before(page.candles, stored), page.candles["close"].iloc[-1]
        self._close = float(close)
        if not moves_far(page.candles, before) and not (len(after) and moves_far(after, close)):
            return page, None
        absences = self.store.read_ledger(self.series).within(page.start, page.end)
        found = sift_steps(
            Surroundings(self._context(page.start), stored, after),
            page.candles,
            self.series.timeframe,
            partial(self._is_confirmed, absences, self.now()),
        )
        error = None if found.step is None else _error(self.series, found.step)
        return _without(page, found), error

    def _is_confirmed(
        self, absences: Sequence[Absence], at: datetime, refusal: Refusal, step: Step
    ) -> bool:
        confirmed = self.accepts_all or is_second_reading(absences, refusal, step, at)
        what = "is confirmed and stored" if confirmed else "is held back"
        self.log(f"{self.series}: the implausible candle {refusal.value} {what}")
        return confirmed

    def _close_before(self, candles: pd.DataFrame, stored: pd.DataFrame) -> float | None:
        """Close that the first of ``candles`` is compared with; None without stored candles."""
        if self._close is not None:
            return self._close
        opened = candles["timestamp"].iloc[0]
        until = stored[stored["timestamp"] <= opened] if len(stored) else stored
        if len(until):  # as a rule the same candle: the last few are requested again
            return float(until["close"].iloc[-1])
        before = self._context(opened.to_pydatetime())
        return float(before["close"].iloc[-1]) if len(before) else None

    def _following(self, end: datetime, known: pd.DataFrame) -> pd.DataFrame:
        """The stored candle that follows ``end`` closely, in the range or after it; or no row."""
        until = self.series.timeframe.shift(end, _FOLLOWING)
        for candles in (known, self._after):
            if len(found := between(candles, end, until)):
                return found.head(1)
        return self._after.head(0)

    def _context(self, start: datetime) -> pd.DataFrame:
        """The newest `CONTEXT` stored candles before ``start``; none if a file is damaged."""
        return self._stored(self.series.timeframe.shift(start, -CONTEXT), start)

    def _stored(self, start: datetime, end: datetime) -> pd.DataFrame:
        with suppress(CorruptArtefact):  # of another month
            return self.store.read_candles(self.series, start, end)
        return empty_candles()


def _without(page: Page, found: Sifted) -> Page:
    """The page with the candles of ``found``; it answers for nothing after a held step."""
    start, end = page.start, page.end
    if found.step is not None:
        end = found.step.end
        if found.candles.empty:
            start = found.step.start
    refused = sorted({*page.refused, *found.refusals}, key=lambda each: each.start)
    return replace(
        page,
        candles=found.candles,
        start=start,
        end=end,
        refused=tuple(each for each in refused if start <= each.start < end),
    )


def _error(series: Series, step: Refusal) -> ImplausibleCandles:
    return ImplausibleCandles(
        f"{series}: the market's candle {step.value} is implausible. It and all later ones are "
        "held back, and what was published before stays. The same candle in an answer "
        f"{SECOND_READING_AFTER.seconds // 60} minutes later confirms a step of up to "
        f"x{MOST_CONFIRMED_FACTOR}. If another source shows the same price, "
        f"launch backfill with symbols [{series.symbol!r}] and accept_implausible: true; see "
        "docs/operations/recovery.md#implausible-candles."
    )


def caution_of(store: Store, source: Series) -> str | None:
    """What looks implausible in the newest stored candles of a fetched series; None if nothing."""
    with suppress(CorruptArtefact):
        newest = store.newest_candles([source]).get(source)
        if newest is not None:
            timeframe = source.timeframe
            start, end = timeframe.shift(newest, 1 - CONTEXT), timeframe.close_of(newest)
            absences = store.read_ledger(source).within(start, end)
            return caution_about(store.read_candles(source, start, end), absences, timeframe)
    return None
