"""Evaluation of a series: scores of matured forecasts in a window, by role.

The result depends on candles and forecasts only, not on the clock.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from coin_assets.domain.evaluation.drift import UNKNOWN, Drift, drift_of
from coin_assets.domain.evaluation.matured import Matured, matured, naive_of
from coin_assets.domain.evaluation.promotion import PairedScores
from coin_assets.domain.evaluation.scoring import RoleScores, inside, losses, mean_by_origin, scores
from coin_assets.domain.evaluation.windows import candles_from, window_of
from coin_assets.domain.forecasting.naive import has_naive
from coin_assets.domain.json_format import Document, time_text
from coin_assets.domain.methods import CHALLENGER, CHALLENGER_ROLES, CHAMPION
from coin_assets.domain.series import Series

SCHEMA_VERSION = 1
# Roles of challengers of further methods than the one that is always trained.
FURTHER_ROLES = tuple(role for role in CHALLENGER_ROLES if role != CHALLENGER)
_DIGITS = 9  # significant digits; machines may differ in later ones
# Scores of the champion in the manifest, in this order.
_SHOWN = (
    "origins",
    "live",
    "backtest",
    "pinball",
    "skill",
    "mae",
    "smape",
    "mase",
    "directional_accuracy",
    "coverage_80",
    "coverage_90",
    "sharpness",
)
_OF_NAIVE = ("pinball", "mae", "smape", "mase", "coverage_80", "coverage_90", "sharpness")


@dataclass(frozen=True, eq=False)
class Judged:
    """Matured forecasts of one role, and the naive ones of the same origins.

    There is at least one origin.
    """

    forecast: Matured
    naive: Matured

    @property
    def scores(self) -> RoleScores:
        """Scores of the role, relative to the naive forecasts."""
        return scores(self.forecast, self.naive)

    def naive_document(self) -> Document:
        """Scores of the naive forecasts as JSON values."""
        known = scores(self.naive, self.naive).document()
        return {name: known[name] for name in _OF_NAIVE}

    def of_versions(self, versions: AbstractSet[str] | None) -> "Judged | None":
        """The forecasts by some model versions; None if there are none.

        Args:
            versions: names of the versions; None selects all.
        """
        if versions is None:
            return self
        made = np.isin(self.forecast.versions, list(versions))
        return Judged(self.forecast.at(made), self.naive.at(made)) if made.any() else None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scored forecasts of one series.

    Attributes:
        as_of: data time, the close of the newest candle.
        window: start and end of the origins, half-open.
        champion, challenger: None where no forecast of the role has matured.
        unscored: role -> number of origins without a naive forecast, which are left out.
        drift: of the champion.
        further: matured forecasts of challengers of further methods, by role.
    """

    series: Series
    as_of: datetime
    window: tuple[datetime, datetime]
    champion: Judged | None
    challenger: Judged | None
    unscored: dict[str, int]
    drift: Drift
    further: Mapping[str, Judged] = field(default_factory=dict)

    def of_role(self, role: str) -> Judged | None:
        """Matured forecasts of a challenger's role; None where there are none."""
        return self.challenger if role == CHALLENGER else self.further.get(role)

    def pairs_of(
        self,
        champions: AbstractSet[str] | None,
        challengers: AbstractSet[str] | None,
        role: str = CHALLENGER,
    ) -> PairedScores:
        """Paired scores at the common matured origins of some versions.

        Args:
            champions, challengers: names of model versions; None selects all.
            role: of the challengers.
        """
        challenger = self.of_role(role)
        return paired(
            self.champion and self.champion.of_versions(champions),
            challenger and challenger.of_versions(challengers),
        )

    def document(self) -> Document:
        """The evaluation as JSON values, numbers to `_DIGITS` digits.

        ``promotion`` is None, and challengers of further methods are missing; `evaluate_series`
        adds both.
        """
        start, end = self.window
        document: Document = rounded(
            {
                "schema_version": SCHEMA_VERSION,
                "symbol": self.series.symbol,
                "timeframe": self.series.timeframe.name,
                "as_of": time_text(self.as_of),
                "window": {"start": time_text(start), "end": time_text(end)},
                CHAMPION: self.champion and self.champion.scores.document(),
                CHALLENGER: self.challenger and self.challenger.scores.document(),
                "naive": self.champion and self.champion.naive_document(),
                "unscored": self.unscored,
                "paired": paired_document(self.pairs_of(None, None)),
                "drift": self.drift.document(),
                "promotion": None,
            }
        )
        return document


def evaluation(
    series: Series,
    candles: pd.DataFrame,
    forecasts: pd.DataFrame,
    as_of: datetime,
    start: datetime | None = None,
) -> Evaluation:
    """Score the forecasts of all roles that have matured by ``as_of``.

    Args:
        series: of candles and forecasts.
        candles: candle frame from `candles_from`, or the beginning of the history, to ``as_of``;
            other candles are ignored.
        forecasts: forecast frame with the origins of the window; others are ignored.
        as_of: data time, the close of the newest candle.
        start: first origin; by default the start of `window_of`.

    Raises:
        DataRefused: stored forecasts are incomplete; see `matured`.
    """
    timeframe = series.timeframe
    default, end = window_of(timeframe, as_of)
    start = default if start is None else start
    opened = candles["timestamp"]
    seen = candles[(opened >= candles_from(timeframe, start)) & (opened < as_of)]
    made = forecasts[(forecasts["as_of"] >= start) & (forecasts["as_of"] < end)]
    judged: dict[str, Judged | None] = {}
    unscored = {}
    further = set(made["role"]).intersection(FURTHER_ROLES)
    for role in (CHAMPION, CHALLENGER, *sorted(further)):
        stored = matured(made, seen, timeframe, role, as_of)
        known = has_naive(seen, stored.origins, timeframe)
        kept = stored.at(known)
        judged[role] = Judged(kept, naive_of(kept, seen, timeframe)) if len(kept) else None
        unscored[role] = int((~known).sum())
    champion, challenger = judged[CHAMPION], judged[CHALLENGER]
    return Evaluation(
        series=series,
        as_of=as_of,
        window=(start, end),
        champion=champion,
        challenger=challenger,
        unscored=unscored,
        further={role: found for role in further if (found := judged[role]) is not None},
        drift=Drift(UNKNOWN) if champion is None else drift_of(champion.forecast, champion.naive),
    )


def paired(champion: Judged | None, challenger: Judged | None) -> PairedScores:
    """Paired scores at the common matured origins; empty if a role has no origin."""
    if champion is None or challenger is None:
        nothing = np.zeros(0)
        return PairedScores(
            origins=pd.DatetimeIndex([], tz="UTC"),
            champion=nothing,
            challenger=nothing,
            naive=nothing,
            covered=nothing,
            live=nothing.astype(bool),
        )
    common = champion.forecast.origins.intersection(challenger.forecast.origins)
    old, naive, new = (
        each.at(each.origins.isin(common))
        for each in (champion.forecast, champion.naive, challenger.forecast)
    )
    return PairedScores(
        origins=old.origins,
        champion=losses(old),
        challenger=losses(new),
        naive=losses(naive),
        covered=mean_by_origin(inside(new, 0.1, 0.9)),
        live=old.live & new.live,
    )


def quality_of(document: Document) -> Document | None:
    """Manifest field ``quality``: the champion's scores; None if it has none.

    Args:
        document: `Evaluation.document`.
    """
    champion = document[CHAMPION]
    if champion is None:
        return None
    return {
        "as_of": document["as_of"],
        "window": document["window"],
        **{name: champion[name] for name in _SHOWN},
        "drift": document["drift"]["state"],
        "model_versions": sorted(champion["versions"]),
    }


def paired_document(pairs: PairedScores) -> Document | None:
    """Mean losses at common origins as JSON values; None without such origins."""
    if not len(pairs.origins):
        return None
    live = int(pairs.live.sum())
    return {
        "origins": len(pairs.origins),
        "live": live,
        "backtest": len(pairs.origins) - live,
        CHAMPION: float(pairs.champion.mean()),
        CHALLENGER: float(pairs.challenger.mean()),
        "naive": float(pairs.naive.mean()),
    }


def rounded(value: Any) -> Any:
    """``value`` with floats rounded to `_DIGITS` significant digits."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
