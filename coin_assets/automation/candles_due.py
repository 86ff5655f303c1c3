"""The sensor ``candles_due``: from a closed candle to published files, in one run a month."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from coin_assets.assets.specs import SeriesSpec
from coin_assets.automation.planner import plan_updates
from coin_assets.automation.requests import ChecksOfAsset, described, run_requests
from coin_assets.automation.runs import runs_of
from coin_assets.automation.state import key_states
from coin_assets.automation.work import KeyState
from coin_assets.resources import (
    Clock,
    MarketResource,
    PublisherResource,
    RegistryResource,
    StoreResource,
)
from coin_assets.steps.standing import standing_of

INTERVAL_SECONDS = 5


def candles_due_sensor(
    specs: Sequence[SeriesSpec], checks: ChecksOfAsset, jobs: Sequence[Any]
) -> dg.SensorDefinition:
    """``candles_due``.

    Args:
        jobs: the jobs ``update`` and ``train_models``.
    """

    @dg.sensor(
        name="candles_due",
        jobs=jobs,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Compares the candles, models and forecasts that should exist by now with those that "
            "do, and requests one run a month for the difference, through to the published files. "
            "It looks every few seconds; what failed is asked for again, ever more slowly, up to "
            "every 15 minutes, and never given up."
        ),
    )
    def candles_due(
        context: dg.SensorEvaluationContext,
        store: StoreResource,
        market: MarketResource,
        registry: RegistryResource,
        publisher: PublisherResource,
        clock: Clock,
    ) -> dg.SensorResult:
        now, closed_by = clock.now(), clock.closed_by()
        keys = [spec.key for spec in specs]
        standings = standing_of(store.client(), registry.client(), publisher.client(), keys)
        states = key_states(specs, store.client(), market.client(), standings, now, closed_by)
        at = clock.machine_time()
        plan = plan_updates(states, runs_of(context.instance, specs, at), at)
        if plan.is_empty:
            return dg.SensorResult(skip_reason=_reason(states, closed_by))
        context.log.info(described(plan))
        return dg.SensorResult(run_requests=run_requests(plan, checks))

    return candles_due


def _reason(states: Sequence[KeyState], closed_by: datetime) -> str:
    """Why nothing is requested, for the list of ticks."""
    late = [state for state in states if (state.verified or state.first) <= state.last_due]
    if late:
        shown = ", ".join(str(state.key) for state in late[:5])
        more = f" and {len(late) - 5} more" if len(late) > 5 else ""
        return f"{shown}{more} lack candles; their runs are on their way, or wait for the next try"
    following = min(state.timeframe.next(closed_by) for state in states)
    return f"everything is there; the next candle closes at {following:%Y-%m-%d %H:%M} UTC"
