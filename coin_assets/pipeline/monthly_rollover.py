"""The month's training follows the champion of its own method, without a contest, without Dagster.

A model does not stay true for years: its scales and quantiles are those of the market it saw. The
gate asks whether another model is better; whether the same one, trained on the month that has come
since, may go on is no question of evidence, which a month of forecasts could not give. So what is
published comes from models as old as those of a backtest.
"""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from coin_assets.domain.evaluation.roles import SUCCESSION, Roles, possible_successors
from coin_assets.domain.forecasting.frame import CHALLENGER, CHAMPION, LIVE, kind_of
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.store.base import Store

SUCCEEDS = "the month's training of the same method"
OVERTAKEN = "the champion is of the same method and knows more"


def with_successor(
    store: Store,
    registry: ModelRegistry,
    versions: Sequence[ModelVersion],
    roles: Roles,
    origins: pd.DatetimeIndex,
    closed_by: datetime,
) -> Roles:
    """The record, with the newest anchor of a month as champion if it succeeds.

    It does where the newest origin is live and the anchor is of the champion's method: the same
    forecaster, trained on as long a history. It counts from the first origin without a forecast on,
    and ends the challenge of an older training of that method. Whoever was appointed by hand or by
    the gate stays until the anchor of a later month.

    Args:
        versions: all of a key, oldest number first.
        origins: those that are about to be forecast, ascending.

    Raises:
        CorruptArtefact: the anchor, or the metadata of the champion, cannot be read.
    """
    if not len(origins):
        return roles
    newest = origins[-1].to_pydatetime()
    by_name = {each.name: each for each in versions}
    for version in possible_successors(versions, roles, newest):
        series, champion = version.series, by_name[roles.holder(CHAMPION) or ""]
        if kind_of(newest, series.timeframe, closed_by) != LIVE:
            return roles
        if _method(version) != _method(champion):
            continue
        registry.load(version)  # a champion that cannot forecast would be none
        stored = store.newest_forecasts([series]).get(series)
        since = version.cutoff if stored is None else series.timeframe.next(stored)
        since = max(since, version.cutoff)
        roles = registry.appoint(
            series, CHAMPION, version, since, reason=SUCCEEDS, by=SUCCESSION, recorded_at=newest
        )
        challenge = roles.last_change(CHALLENGER)
        challenger = by_name.get((challenge and challenge.version) or "")
        if challenge and challenger and _is_overtaken(challenger, version):
            since = max(since, challenge.since)
            roles = registry.appoint(
                series, CHALLENGER, None, since, reason=OVERTAKEN, by=SUCCESSION, recorded_at=newest
            )
        return roles
    return roles


def _is_overtaken(challenger: ModelVersion, champion: ModelVersion) -> bool:
    """Whether a challenger only stands in the way of those that have more to say."""
    return challenger.cutoff < champion.cutoff and _method(challenger) == _method(champion)


def _method(version: ModelVersion) -> tuple[object, object]:
    """What two trainings have in common if one may follow the other."""
    metadata = version.metadata()
    return metadata.get("forecaster"), metadata.get("lookback")
