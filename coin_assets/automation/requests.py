"""From a plan to Dagster's run requests."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from coin_assets.assets.specs import asset_key
from coin_assets.automation.runs import PURPOSE_TAG, TRAIN_JOB, UPDATE_JOB
from coin_assets.automation.work import LIVE, REPAIR, TRAINING, Plan, Request
from coin_assets.domain.keys import Key
from coin_assets.domain.layers import PUBLISHED
from coin_assets.partitions import partition_of

PRIORITY_TAG = "dagster/priority"
_LIVE_PRIORITY, _BACKGROUND_PRIORITY = "10", "-5"

ChecksOfAsset = Mapping[dg.AssetKey, Sequence[dg.AssetCheckKey]]


def checks_of(assets: Iterable[dg.AssetsDefinition]) -> ChecksOfAsset:
    """The checks that assets record themselves; the separate ones are no part of a run."""
    found: dict[dg.AssetKey, list[dg.AssetCheckKey]] = defaultdict(list)
    for asset in assets:
        for check in asset.check_keys:
            found[check.asset_key].append(check)
    return found


def run_requests(plan: Plan, checks: ChecksOfAsset) -> list[dg.RunRequest]:
    """One run request for each request of the plan, and as many trainings as its keys need."""
    return [_update(request, checks) for request in plan.requests] + training_requests(
        plan.training, {PURPOSE_TAG: TRAINING}
    )


def training_requests(keys: Iterable[Key], tags: Mapping[str, str]) -> list[dg.RunRequest]:
    """Trainings of exactly these keys: timeframes with the same symbols share one."""
    symbols: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        symbols[key.timeframe.name].append(key.symbol)
    timeframes: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for timeframe, names in symbols.items():
        timeframes[tuple(names)].append(timeframe)
    return [
        dg.RunRequest(
            job_name=TRAIN_JOB,
            run_config={"symbols": list(names), "timeframes": together},
            tags={PRIORITY_TAG: _BACKGROUND_PRIORITY, **tags},
        )
        for names, together in timeframes.items()
    ]


def _update(request: Request, checks: ChecksOfAsset) -> dg.RunRequest:
    chosen = [asset_key(step.key, step.layer) for step in request.steps]
    is_live = request.purpose in (LIVE, REPAIR)
    has_month = any(step.layer != PUBLISHED for step in request.steps)
    return dg.RunRequest(
        job_name=UPDATE_JOB,
        # Published files have no partitions, and Dagster refuses one for them alone.
        partition_key=partition_of(request.month) if has_month else None,
        asset_selection=chosen,
        asset_check_keys=[check for asset in chosen for check in checks.get(asset, ())],
        tags={
            PURPOSE_TAG: request.purpose,
            PRIORITY_TAG: _LIVE_PRIORITY if is_live else _BACKGROUND_PRIORITY,
        },
    )


def described(plan: Plan) -> str:
    """The plan in one line for the log."""
    parts = [
        f"{request.purpose} {request.month:%Y-%m}: {len(request.steps)} steps of "
        f"{len({step.key for step in request.steps})} keys"
        for request in plan.requests
    ]
    if plan.training:
        parts.append(f"training of {', '.join(map(str, plan.training))}")
    return "; ".join(parts)
