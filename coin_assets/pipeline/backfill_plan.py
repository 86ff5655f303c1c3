"""What a backfill will ask the market for, how long that takes at least, and doing it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from coin_assets.domain.candles.gap_ledger import Range
from coin_assets.domain.durations import duration_text
from coin_assets.domain.timeframes import months_between
from coin_assets.errors import CandlesNotYetAvailable, CoinAssetsError
from coin_assets.market.base import Estimate, Market
from coin_assets.pipeline.fetch import (
    FetchRequest,
    expected_range,
    fetch_candles,
    lacking,
    oldest_candle,
    stored_reports,
)
from coin_assets.pipeline.month_report import MonthReport
from coin_assets.store.base import Store

_HEAD = ("key", "first candle", "months", "missing", "requests", "at least")
_NOTHING = Estimate(0, 0.0)


@dataclass(frozen=True)
class SourcePlan:
    """What one pull lacks.

    Attributes:
        expected: opens that the window should hold; None if the market has none in it, or could
            not be asked.
        ranges: candles to ask for.
        error: why the market could not be asked.
        edge: time before which the market serves nothing, where the window begins before.
    """

    request: FetchRequest
    expected: Range | None
    ranges: tuple[Range, ...] = ()
    estimate: Estimate = _NOTHING
    error: CoinAssetsError | None = None
    edge: datetime | None = None

    @property
    def months(self) -> int:
        """Calendar months with candles to ask for."""
        return len({month for each in self.ranges for month in months_between(*each)})

    @property
    def missing(self) -> int:
        """Candles to ask for."""
        return sum(self.request.series.timeframe.count(*each) for each in self.ranges)


def plan_source(store: Store, market: Market, request: FetchRequest, now: datetime) -> SourcePlan:
    """What ``pull`` lacks at ``now``; the market may be asked for its oldest candle.

    Stores nothing.
    """
    try:
        limit = min(request.closed_by, market.horizon(request.series, request.closed_by))
        expected = expected_range(request, oldest_candle(store, market, request, limit), limit)
        if expected is None:
            return SourcePlan(request, None, edge=_edge(store, market, request))
        unanswered, due = lacking(store, request, expected, now)
        ranges = sorted({*unanswered, *due})
        estimate = sum((market.estimate(request.series, *each) for each in ranges), start=_NOTHING)
    except CoinAssetsError as error:
        return SourcePlan(request, None, error=error)
    return SourcePlan(
        request, expected, tuple(ranges), estimate, edge=_edge(store, market, request)
    )


def _edge(store: Store, market: Market, request: FetchRequest) -> datetime | None:
    edge = market.edge(request.series) or store.read_ledger(request.series).edge
    return edge if edge is not None and edge > max(request.start, request.first_expected) else None


def carry_out(
    store: Store,
    market: Market,
    plan: SourcePlan,
    closed_by: datetime,
    clock: Callable[[], datetime],
    say: Callable[[str], None],
) -> tuple[list[MonthReport], datetime]:
    """Pull what ``plan`` lacks; what lacks nothing is reported without asking the market again.

    Args:
        closed_by: candles that close up to here are final by now.

    Returns:
        A report a month, and the time up to which the candles reach: ``closed_by``, or the close
        of the newest one if the market does not have those after it yet.

    Raises:
        CoinAssetsError: as `fetch_candles`.
    """
    series, request = plan.request.series, replace(plan.request, closed_by=closed_by)
    months = months_between(request.start, request.end)
    if not plan.ranges and set(months) <= set(store.fetched_months(series)):
        return stored_reports(store, plan.request, plan.expected, {}), closed_by
    try:
        return fetch_candles(store, market, request, clock, say), closed_by
    except CandlesNotYetAvailable:
        newest = store.newest_candles([series]).get(series)
        if newest is None or newest < request.start:
            raise
        # The history is there. What comes last is for the next live run to wait for.
        reached = series.timeframe.close_of(newest)
        request = replace(request, closed_by=reached)
        return fetch_candles(store, market, request, clock, say), reached


def plan_table(plans: Sequence[SourcePlan]) -> str:
    """The plans as text, a line each, and their sum; times are the least that limits allow."""
    rows = [_HEAD, *(_row(plan) for plan in plans)]
    total = sum((plan.estimate for plan in plans), start=_NOTHING)
    rows.append(
        (
            "total",
            "",
            str(sum(plan.months for plan in plans)),
            f"{sum(plan.missing for plan in plans):,}",
            f"{total.requests:,}",
            duration_text(timedelta(seconds=total.seconds)),
        )
    )
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines += [
        f"{plan.request.series}: the market serves nothing before {plan.edge:%Y-%m-%d %H:%M}"
        for plan in plans
        if plan.edge is not None
    ]
    lines += [f"{plan.request.series}: {plan.error}" for plan in plans if plan.error is not None]
    return "\n".join(lines)


def _row(plan: SourcePlan) -> tuple[str, ...]:
    series = str(plan.request.series)
    if plan.error is not None:
        return series, "unknown, see below", "-", "-", "-", "-"
    return (
        series,
        "none in this time" if plan.expected is None else f"{plan.expected[0]:%Y-%m-%d %H:%M}",
        str(plan.months),
        f"{plan.missing:,}",
        f"{plan.estimate.requests:,}",
        duration_text(timedelta(seconds=plan.estimate.seconds)),
    )
