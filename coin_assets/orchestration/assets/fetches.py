"""Fetches of the running step, together with those of the run's other steps."""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from coin_assets.domain.layers import CANDLES
from coin_assets.domain.timeframes import next_month
from coin_assets.errors import DiskFull
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.resources import Clock, DiskResource, pipeline_of
from coin_assets.pipeline.fetch_ahead import Fetched, FetchesAhead, Fetching, fetch_counted
from coin_assets.pipeline.fetch_request import FetchRequest

Window = tuple[datetime, datetime]


def request_of(spec: SeriesAssets, window: Window, clock: Clock) -> FetchRequest:
    """What the step of a source series requests."""
    return FetchRequest(
        spec.series,
        *window,
        spec.first_expected(clock.now()),
        clock.closed_by(),
        spec.reread_candles,
    )


def begin_fetches(
    context: dg.AssetExecutionContext, specs: Sequence[SeriesAssets], window: Window
) -> None:
    """Let threads fetch for all source series of the run, if this is its first such step.

    A run over several months is a backfill, whose steps fetch themselves.
    """
    store = context.resources.store
    if next_month(window[0]) < window[1] or store.fetches_ahead() is not None:
        return
    pipeline = pipeline_of(context)
    clock, disk = context.resources.clock, context.resources.disk
    fetching = Fetching(
        pipeline.store,
        pipeline.market,
        clock.now,
        lambda start: _has_room(disk, start, clock.now()),
    )
    # A step of a process of its own has a plan of one step, and fetches itself.
    planned = set(context.get_step_execution_context().execution_plan.step_keys_to_execute)
    requests = [
        request_of(spec, window, clock)
        for spec in specs
        if spec.is_fetched and spec.asset_key(CANDLES).to_python_identifier() in planned
    ]
    store.fetches_ahead(lambda: FetchesAhead(fetching, requests))


def fetch(context: dg.AssetExecutionContext, request: FetchRequest) -> Fetched:
    """Fetch for the running step, or take what a thread has fetched for it.

    A repeated step fetches itself.
    """
    ahead = context.resources.store.fetches_ahead()
    if ahead is not None and context.retry_number:
        ahead.discard(request.series)
    elif ahead is not None:
        fetched = ahead.take(request, context.log.info)
        if fetched is not None:
            return fetched
    pipeline = pipeline_of(context)
    return fetch_counted(
        pipeline.store, pipeline.market, request, pipeline.clock.now, context.log.info
    )


def _has_room(disk: DiskResource, start: datetime, now: datetime) -> bool:
    """Whether the disk may take history; the step itself warns or raises."""
    try:
        disk.checked(start, now, lambda _line: None)
    except DiskFull:
        return False
    return True
