"""Details of an evaluation that plots need, as JSON values of bounded size.

Scores by step and over time, changes of roles, and the champion's newest matured forecasts with
their outcomes.
"""

import math
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from coin_assets.domain.candles.grid import Mask
from coin_assets.domain.evaluation.matured import Matured
from coin_assets.domain.evaluation.report import Evaluation, Judged, rounded
from coin_assets.domain.evaluation.roles import RoleChange
from coin_assets.domain.evaluation.scoring import coverage_of, mean_by_origin, pinball_loss
from coin_assets.domain.forecasting.frame import QUANTILES, STEPS, Floats
from coin_assets.domain.json_format import Document, time_text
from coin_assets.domain.methods import CHALLENGER, CHALLENGER_ROLES, CHAMPION
from coin_assets.domain.timeframes import Timeframe

RECENT_FORECASTS, PERIODS, MOST_CHANGES = 30, 30, 50
_ROLES = (CHAMPION, CHALLENGER)


def details_of(evaluation: Evaluation, changes: Sequence[RoleChange]) -> Document:
    """Details of an evaluation; scores of a role are None where none of its forecasts counts.

    Args:
        changes: of the roles of the series, in the order of their record.

    Returns:
        ``by_step``: of each step. ``over_time``: of `PERIODS` equal parts of the window, without
        those that have no origin. Both have a member for each role; that of a challenger of a
        further method is absent without its forecasts. ``recent``: the champion's newest
        `RECENT_FORECASTS`, oldest first. ``roles``: the newest `MOST_CHANGES`, oldest first.
    """
    champion = evaluation.champion
    found: Document = rounded(
        {
            "by_step": _by_step(evaluation),
            "over_time": _over_time(evaluation),
            "recent": champion and _recent(champion.forecast, evaluation.series.timeframe),
            "roles": [
                {
                    "role": each.role,
                    "version": each.version,
                    "since": time_text(each.since),
                    "by": each.by,
                    "reason": each.reason,
                }
                for each in changes[-MOST_CHANGES:]
            ],
        }
    )
    return found | {"recent": found["recent"] or []}


def _by_step(evaluation: Evaluation) -> list[Document]:
    scores = {
        role: [_part(judged, slice(step, step + 1)) for step in range(STEPS)]
        for role, judged in _roles(evaluation)
    }
    return [
        {
            "step": step + 1,
            **dict.fromkeys(_ROLES),
            **{role: parts[step] for role, parts in scores.items()},
        }
        for step in range(STEPS)
    ]


def _over_time(evaluation: Evaluation) -> list[Document]:
    start, end = evaluation.window
    length = timedelta(seconds=math.ceil((end - start).total_seconds() / PERIODS))
    times = [start + number * length for number in range(PERIODS + 1)]
    found = []
    for first, after in pairwise(times):
        scores, most = dict[str, Document | None].fromkeys(_ROLES), 0
        for role, judged in _roles(evaluation):
            origins = judged.forecast.origins
            first_time, last_time = pd.Timestamp(first), pd.Timestamp(after)
            chosen: Mask = np.asarray((origins >= first_time) & (origins < last_time))
            if chosen.any():
                part = Judged(judged.forecast.at(chosen), judged.naive.at(chosen))
                scores[role] = _part(part)
                most = max(most, int(chosen.sum()))
        if most:
            period = {"start": time_text(first), "end": time_text(min(after, end))}
            found.append({**period, "origins": most, **scores})
    return found


def _part(judged: Judged, steps: slice = slice(None)) -> Document:
    """Loss beside naive, and coverage, at some steps."""
    coverage = coverage_of(judged.forecast, steps=steps)
    return {
        "pinball": _loss(judged.forecast, steps),
        "naive_pinball": _loss(judged.naive, steps),
        "coverage_80": coverage.coverage_80,
        "coverage_90": coverage.coverage_90,
    }


def _recent(forecast: Matured, timeframe: Timeframe) -> list[Document]:
    """The newest matured forecasts; ``actual`` is None where a candle is missing."""
    found = []
    for each in range(max(0, len(forecast) - RECENT_FORECASTS), len(forecast)):
        origin = forecast.origins[each].to_pydatetime()
        found.append(
            {
                "as_of": time_text(origin),
                "model_version": str(forecast.versions[each]),
                "live": bool(forecast.live[each]),
                "last": _known(forecast.last[each]),
                "forecast": [
                    {
                        "close_time": time_text(timeframe.shift(origin, step + 1)),
                        "actual": _known(forecast.actual[each, step]),
                        "quantiles": dict(
                            zip(
                                map(str, QUANTILES),
                                forecast.quantiles[each, step].tolist(),
                                strict=True,
                            )
                        ),
                    }
                    for step in range(STEPS)
                ],
            }
        )
    return found


def _roles(evaluation: Evaluation) -> list[tuple[str, Judged]]:
    """Roles with matured forecasts."""
    found = [(CHAMPION, evaluation.champion)]
    found += [(role, evaluation.of_role(role)) for role in CHALLENGER_ROLES]
    return [(role, judged) for role, judged in found if judged is not None]


def _loss(forecast: Matured, steps: slice) -> float | None:
    """Mean pinball loss over origins, steps and quantiles; None where no close is known."""
    actual, quantiles = forecast.actual[:, steps], forecast.quantiles[:, steps]
    cells = pinball_loss(np.log(actual), np.log(quantiles)).mean(axis=2)
    return _mean(mean_by_origin(cells))


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _known(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
