"""Monthly rollover: the monthly version of the champion's method becomes champion.

A model loses calibration over the years, because its scales and quantiles are those of the market
it saw. The gate compares different methods. A month of forecasts is too little evidence to compare
two versions of one method, so the newer one becomes champion without the gate. Published forecasts
then come from models of the same age as those of a backtest.
"""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from coin_assets.domain.evaluation.roles import MONTHLY_ROLLOVER, Roles, rollover_candidates
from coin_assets.domain.forecasting.frame import LIVE, kind_of
from coin_assets.domain.methods import CHAMPION, METHODS
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.store.base import Store

ROLLOVER_REASON = "monthly version of the champion's method"
OVERTAKEN_REASON = "the champion has the same method and a later cutoff"


def apply_monthly_rollover(
    store: Store,
    registry: ModelRegistry,
    versions: Sequence[ModelVersion],
    roles: Roles,
    origins: pd.DatetimeIndex,
    closed_by: datetime,
) -> Roles:
    """Make the newest monthly version champion, if it has the champion's method.

    The rollover requires that the newest origin is live, and that the monthly version has the same
    method and lookback as the champion. It takes effect at the first origin without a forecast.
    It also retires an older challenger of that method. A champion appointed by an operator or by
    the gate stays until the monthly version of a later month.

    Args:
        store, registry: of the platform.
        versions: all versions of the series, lowest number first.
        roles: record of the series.
        origins: origins that are about to be forecast, ascending.
        closed_by: the clock; see `kind_of`.

    Returns:
        The record after the rollover, or ``roles`` if there was none.

    Raises:
        CorruptArtefact: the monthly version, or the metadata of the champion, cannot be read.
    """
    if not len(origins):
        return roles
    newest = origins[-1].to_pydatetime()
    by_name = {each.name: each for each in versions}
    for version in rollover_candidates(versions, roles, newest):
        series, champion = version.series, by_name[roles.holder(CHAMPION) or ""]
        if kind_of(newest, series.timeframe, closed_by) != LIVE:
            return roles
        if not _is_same_method(version, champion):
            continue
        registry.load(version)  # a champion must be able to forecast
        stored = store.newest_forecasts([series]).get(series)
        since = version.cutoff if stored is None else series.timeframe.next(stored)
        since = max(since, version.cutoff)
        roles = registry.appoint(
            series,
            CHAMPION,
            version,
            since,
            reason=ROLLOVER_REASON,
            by=MONTHLY_ROLLOVER,
            recorded_at=newest,
        )
        return _retire_overtaken(registry, roles, by_name, version, since, newest)
    return roles


def _retire_overtaken(
    registry: ModelRegistry,
    roles: Roles,
    by_name: dict[str, ModelVersion],
    champion: ModelVersion,
    since: datetime,
    recorded_at: datetime,
) -> Roles:
    """Leave the method's challenger's role vacant, if the new champion has overtaken it."""
    role = METHODS[champion.method].role
    challenge = roles.last_change(role)
    challenger = by_name.get((challenge and challenge.version) or "")
    if not challenge or not challenger or not _is_overtaken(challenger, champion):
        return roles
    return registry.appoint(
        champion.series,
        role,
        None,
        max(since, challenge.since),
        reason=OVERTAKEN_REASON,
        by=MONTHLY_ROLLOVER,
        recorded_at=recorded_at,
    )


def _is_overtaken(challenger: ModelVersion, champion: ModelVersion) -> bool:
    """Whether a challenger has the champion's method and an earlier cutoff."""
    return challenger.cutoff < champion.cutoff and _is_same_method(challenger, champion)


def _is_same_method(version: ModelVersion, other: ModelVersion) -> bool:
    """Whether two versions have the same method and lookback.

    Metadata of another method are not read, so that they may be damaged.
    """
    if version.method != other.method:
        return False
    return bool(version.metadata().get("lookback") == other.metadata().get("lookback"))
