"""Pages of an archive's candles, with holes filled from an exchange."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import between, merged
from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.candles.refusals import Refusal
from coin_assets.domain.series import Series
from coin_assets.market.base import Page
from coin_assets.market.served import Served, joined

# Candles that an exchange delivers in one request, or a few.
ONE_REQUEST = 1000

Span = tuple[datetime, datetime]


def filled_pages(
    exchange: Served, series: Series, candles: pd.DataFrame, span: Span, now: datetime
) -> Iterator[Page]:
    """Pages of the archive's ``candles`` in ``span``, with holes filled from the exchange.

    Long holes become pages of the exchange.
    """
    reached, stop = span
    for gap in find_gaps(candles["timestamp"], series.timeframe, *span):
        until = min(gap.end, stop)
        if gap.count <= ONE_REQUEST:
            continue
        begin = gap.start
        if series.timeframe.count(reached, begin):
            yield from _filled(exchange, series, candles, (reached, begin), now)
        else:
            begin = reached
        yield from exchange.pages(series, begin, until, now)
        reached = until
    if reached < stop:
        yield from _filled(exchange, series, candles, (reached, stop), now)


def _filled(
    exchange: Served, series: Series, candles: pd.DataFrame, span: Span, now: datetime
) -> Iterator[Page]:
    """``span`` as one page, except for holes that the exchange no longer serves."""
    own = between(candles, *span)
    holes = _holes(own, series, span)
    answers = [page for hole in holes for page in exchange.answers(series, *hole, now)]
    # One request covers holes that are close together; the archive's candles between them win.
    whole = merged(joined(answers), own)
    known = set(own["timestamp"])
    refused = tuple(
        refusal for page in answers for refusal in page.refused if refusal.start not in known
    )
    start, stop = span
    for without in _without_candles(own, series, answers):
        if start < without.start:
            yield _page(whole, refused, start, without.start)
        yield without
        start = without.end
    if start < stop:
        yield _page(whole, refused, start, stop)


def _holes(candles: pd.DataFrame, series: Series, span: Span) -> list[Span]:
    """Ranges that contain all missing candles, each for one request."""
    holes: list[Span] = []
    for gap in find_gaps(candles["timestamp"], series.timeframe, *span):
        if holes and series.timeframe.count(holes[-1][0], gap.end) <= ONE_REQUEST:
            holes[-1] = holes[-1][0], min(gap.end, span[1])
        else:
            holes.append((gap.start, min(gap.end, span[1])))
    return holes


def _without_candles(candles: pd.DataFrame, series: Series, answers: list[Page]) -> Iterator[Page]:
    """Missing ranges that the exchange no longer serves or fails to serve, ascending."""
    for page in answers:
        if page.is_unavailable or page.error is not None:
            for gap in find_gaps(candles["timestamp"], series.timeframe, page.start, page.end):
                yield replace(page, start=gap.start, end=min(gap.end, page.end))


def _page(
    candles: pd.DataFrame, refused: tuple[Refusal, ...], start: datetime, end: datetime
) -> Page:
    inside = tuple(each for each in refused if start <= each.start < end)
    return Page(between(candles, start, end), start, end, inside)
