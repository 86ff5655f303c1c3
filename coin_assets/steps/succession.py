"""The month's training follows the champion of its own method, without a contest, without Dagster.

A model does not stay true for years: its scales and quantiles are those of the market it saw. The
gate asks whether another model is better; whether the same one, trained on the month that has come
since, may go on is no question of evidence, which a month of forecasts could not give. So what is
published comes from models as old as those of a backtest: none knows less than the month before.
"""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from coin_assets.domain.champions import SUCCESSION, Roles, possible_successors
from coin_assets.domain.forecasting import CHAMPION, LIVE, kind_of
from coin_assets.domain.timeframes import month_start
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.store.base import Store

SUCCEEDS = "the month's training of the same method"


def with_successor(
    store: Store,
    registry: ModelRegistry,
    versions: Sequence[ModelVersion],
    roles: Roles,
    origins: pd.DatetimeIndex,
    closed_by: datetime,
) -> Roles:
    """The record, with the anchor of the newest origin's month as champion if it succeeds.

    It does where that origin is live and the anchor is of the champion's method: the same
    forecaster, trained on as long a history. It counts from the first origin without a forecast on.
    Whoever was appointed after the month began stays until the next month.

    Args:
        versions: all of a key, oldest number first.
        origins: those that are about to be forecast, ascending.

    Raises:
        CorruptArtefact: the anchor, or the metadata of the champion, cannot be read.
    """
    if not len(origins):
        return roles
    newest = origins[-1].to_pydatetime()
    for version in possible_successors(versions, roles, month_start(newest)):
        key = version.key
        if kind_of(newest, key.timeframe, closed_by) != LIVE:
            return roles
        champion = next(each for each in versions if each.name == roles.holder(CHAMPION))
        if _method(version) != _method(champion):
            continue
        registry.load(version)  # a champion that cannot forecast would be none
        stored = store.newest_forecasts([key]).get(key)
        since = version.cutoff if stored is None else key.timeframe.next(stored)
        return registry.appoint(
            key,
            CHAMPION,
            version,
            max(since, version.cutoff),
            reason=SUCCEEDS,
            by=SUCCESSION,
            recorded_at=newest,
        )
    return roles


def _method(version: ModelVersion) -> tuple[object, object]:
    """What two trainings have in common if one may follow the other."""
    metadata = version.metadata()
    return metadata.get("forecaster"), metadata.get("lookback")
