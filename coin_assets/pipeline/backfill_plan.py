"""Plans a backfill: which candles to request, the least time that takes; and carries it out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from coin_assets.domain.candles.gap_ledger import Range
from coin_assets.domain.durations import duration_text
from coin_assets.domain.timeframes import months_between
from coin_assets.errors import CandlesNotYetAvailable, CoinAssetsError
from coin_assets.market.base import Estimate, Market
from coin_assets.pipeline.context import Pipeline
from coin_assets.pipeline.fetch import fetch_candles, stored_reports
from coin_assets.pipeline.fetch_ranges import expected_range, lacking, oldest_candle
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.pipeline.month_report import MonthReport
from coin_assets.store.base import Store

_HEAD = ("series", "first candle", "months", "missing", "requests", "at least")
_NOTHING = Estimate(0, 0.0)


@dataclass(frozen=True)
class SourcePlan:
    """Missing candles of one fetch request.

    Attributes:
        expected: opens that the window should hold; None if the market has none in it, or is
            unavailable.
        ranges: candles to request.
        estimate: requests and seconds that they take at least.
        error: why the market is unavailable.
        edge: time before which the market serves nothing, if the window begins earlier.
    """

    request: FetchRequest
    expected: Range | None
    ranges: tuple[Range, ...] = ()
    estimate: Estimate = _NOTHING
    error: CoinAssetsError | None = None
    edge: datetime | None = None

    @property
    def months(self) -> int:
        """Number of calendar months with candles to request."""
        return len({month for each in self.ranges for month in months_between(*each)})

    @property
    def missing(self) -> int:
        """Number of candles to request."""
        return sum(self.request.series.timeframe.count(*each) for each in self.ranges)


def plan_source(store: Store, market: Market, request: FetchRequest, now: datetime) -> SourcePlan:
    """Plan the fetch of the candles that ``request`` lacks at ``now``; stores nothing.

    The oldest candle is requested from the market if the ledger does not have it.
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
    pipeline: Pipeline, plan: SourcePlan, log: Callable[[str], None]
) -> tuple[list[MonthReport], datetime]:
    """Fetch the candles that ``plan`` lacks; without any, it sends no request.

    Args:
        log: receives lines on the progress of a long fetch.

    Returns:
        A report a month, and the time up to which the candles reach: the clock's ``closed_by``, or
        the close of the newest one if the market does not have those after it yet.

    Raises:
        CoinAssetsError: as `fetch_candles`.
    """
    store, market, clock = pipeline.store, pipeline.market, pipeline.clock
    closed_by = clock.closed_by()
    series, request = plan.request.series, replace(plan.request, closed_by=closed_by)
    months = months_between(request.start, request.end)
    if not plan.ranges and set(months) <= set(store.fetched_months(series)):
        return stored_reports(store, plan.request, plan.expected, {}), closed_by
    try:
        return fetch_candles(store, market, request, clock.now, log), closed_by
    except CandlesNotYetAvailable:
        newest = store.newest_candles([series]).get(series)
        if newest is None or newest < request.start:
            raise
        # The history is stored; the next live run waits for the last candles.
        reached = series.timeframe.close_of(newest)
        request = replace(request, closed_by=reached)
        return fetch_candles(store, market, request, clock.now, log), reached


def plan_table(plans: Sequence[SourcePlan]) -> str:
    """The plans as a text table, a line each, and their sum; durations are lower bounds."""
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
