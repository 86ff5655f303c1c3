"""Run requests of a plan."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG

from coin_assets.domain.evaluation.training_events import Triggered, grouped
from coin_assets.domain.layers import PUBLISHED, QUALITY
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import describe_months
from coin_assets.orchestration.assets.specs import asset_key
from coin_assets.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG, partition_of
from coin_assets.orchestration.sensors.runs import (
    EVALUATE_JOB,
    PROMOTE_JOB,
    PURPOSE_TAG,
    TRAIN_JOB,
    UPDATE_JOB,
)
from coin_assets.planning.facts import (
    EVALUATION,
    LIVE,
    PROMOTION,
    REPAIR,
    TRAINING,
    Plan,
    Request,
)

PRIORITY_TAG = "dagster/priority"
_LIVE_PRIORITY, _BACKGROUND_PRIORITY = "10", "-5"
# Minutes after which a run counts as hung, and is killed. Work that is killed goes on where it was.
# A live run ends in one; a month of minutes, or an exchange that does not answer, takes longer.
_LIVE_MINUTES, _MINUTES_A_SYMBOL = 6.0, 0.5
_BACKGROUND_MINUTES = 120.0
# Attempts that fail are repeated in the run, the last one after 40 minutes.
_TRAINING_MINUTES = 240.0


def time_limit(minutes: float) -> dict[str, str]:
    """The tag of a run that may take as long; `overdue_runs` ends it then."""
    return {MAX_RUNTIME_SECONDS_TAG: f"{minutes * 60:.0f}"}


TRAINING_TAGS = {PRIORITY_TAG: "-1", **time_limit(_TRAINING_MINUTES)}
BACKGROUND_LIMIT = time_limit(_BACKGROUND_MINUTES)

ChecksOfAsset = Mapping[dg.AssetKey, Sequence[dg.AssetCheckKey]]


def checks_of(assets: Iterable[dg.AssetsDefinition]) -> ChecksOfAsset:
    """Checks that assets record themselves; runs leave out separate checks."""
    found: dict[dg.AssetKey, list[dg.AssetCheckKey]] = defaultdict(list)
    for asset in assets:
        for check in asset.check_keys:
            found[check.asset_key].append(check)
    return found


def run_requests(plan: Plan, checks: ChecksOfAsset) -> list[dg.RunRequest]:
    """Run requests of a plan.

    Each request of the plan is one run, all evaluations are one, and so is each group of `grouped`
    series to train or to promote.
    """
    return [
        *(_update(request, checks) for request in plan.requests),
        *(training_request(each, {PURPOSE_TAG: TRAINING}) for each in grouped(plan.training)),
        *([_evaluation(plan.evaluations)] if plan.evaluations else []),
        *(_promotion(each) for each in grouped(plan.promotions)),
    ]


def training_request(series_list: Triggered, tags: Mapping[str, str]) -> dg.RunRequest:
    """A training of exactly these series."""
    return dg.RunRequest(
        job_name=TRAIN_JOB, run_config=_config(series_list), tags={**TRAINING_TAGS, **tags}
    )


def _promotion(series_list: Triggered) -> dg.RunRequest:
    return dg.RunRequest(
        job_name=PROMOTE_JOB,
        run_config=_config(series_list),
        tags={PURPOSE_TAG: PROMOTION, **BACKGROUND_LIMIT},
    )


def _evaluation(series_list: Iterable[Series]) -> dg.RunRequest:
    return dg.RunRequest(
        job_name=EVALUATE_JOB,
        asset_selection=[asset_key(series, QUALITY) for series in series_list],
        tags={
            PURPOSE_TAG: EVALUATION,
            PRIORITY_TAG: _BACKGROUND_PRIORITY,
            **BACKGROUND_LIMIT,
        },
    )


def _config(series_list: Triggered) -> dict[str, list[str]]:
    return {
        "symbols": list(series_list.symbols),
        "timeframes": [timeframe.name for timeframe in series_list.timeframes],
    }


def _update(request: Request, checks: ChecksOfAsset) -> dg.RunRequest:
    chosen = [asset_key(task.series, task.layer) for task in request.tasks]
    is_live = request.purpose in (LIVE, REPAIR)
    symbols = len({task.series.symbol for task in request.tasks})
    live_limit = time_limit(_LIVE_MINUTES + symbols * _MINUTES_A_SYMBOL)
    first, last = partition_of(request.month), partition_of(request.last)
    # Published files have no partitions, and Dagster refuses one for them alone.
    has_month = first == last and any(task.layer != PUBLISHED for task in request.tasks)
    return dg.RunRequest(
        job_name=UPDATE_JOB,
        partition_key=first if has_month else None,
        asset_selection=chosen,
        asset_check_keys=[check for asset in chosen for check in checks.get(asset, ())],
        tags={
            PURPOSE_TAG: request.purpose,
            PRIORITY_TAG: _LIVE_PRIORITY if is_live else _BACKGROUND_PRIORITY,
            **(live_limit if is_live else BACKGROUND_LIMIT),
            **({} if first == last else {RANGE_START_TAG: first, RANGE_END_TAG: last}),
        },
    )


def described(plan: Plan) -> str:
    """The plan in one line for the log."""
    parts = [
        f"{request.purpose} {describe_months(request.months)}: {len(request.tasks)} tasks of "
        f"{len({task.series for task in request.tasks})} series"
        for request in plan.requests
    ]
    for what, series_list in {
        "training": plan.training,
        "evaluation": plan.evaluations,
        "promotion": plan.promotions,
    }.items():
        if series_list:
            parts.append(f"{what} of {', '.join(map(str, series_list))}")
    return "; ".join(parts)
