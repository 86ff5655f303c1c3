"""Choice of the forecaster of a series, and restoration of stored forecasters.

The import of scikit-learn takes seconds, so the functions import it when they need it.
"""

from typing import Any

from coin_assets.domain.forecasting.frame import Forecaster
from coin_assets.domain.methods import DEFAULT_METHOD, METHODS, NAIVE
from coin_assets.domain.series import Series
from coin_assets.domain.timeframe_rules import LONG_HOURS, rules_of
from coin_assets.errors import CorruptArtefact

# With the variance measured by finer candles, the volatility is better known and its long-run level
# needs less weight.
_MEASURED = {"scale_prior_strength": 100.0, "quantile_prior_strength": 80.0}
# The candles that long hours learn from are years, so their quantiles follow the newest ones.
_BY_STATE = {"state_prior_strength": 40.0}
_ADAPTED = {**_BY_STATE, "adaptation_rate": 0.005}
# Deviations from the defaults of `HarForecaster` by name or unit of the timeframe, chosen on
# candles before the test spans (docs/forecasting.md). Longer windows gave no gain, and make more
# forecasts depend on a revised candle.
_PARAMETERS: dict[str, dict[str, Any]] = {
    "h": _BY_STATE,
    **dict.fromkeys(LONG_HOURS, _ADAPTED),
    "d": {
        "longest": 64,
        "scale_prior_strength": 1000.0,
        "level_window": 128,
        "level_weight": 0.5,
    },
    "w": {"longest": 16, "level_window": 256, **_MEASURED},
    "M": {"longest": 8, "level_window": 64, **_MEASURED},
}


def new_forecaster(
    series: Series, method: str = DEFAULT_METHOD, exogenous: tuple[str, ...] = ()
) -> Forecaster:
    """An unfitted forecaster for ``series``.

    Args:
        method: one of `METHODS`.
        exogenous: names of the exogenous series that it reads, if the method reads any.
    """
    from coin_assets.domain.forecasting.har import HarForecaster
    from coin_assets.domain.forecasting.naive_forecaster import NaiveForecaster

    if method == NAIVE:
        return NaiveForecaster(series.timeframe.name)
    rules = rules_of(series.timeframe)
    parameters = {
        "calibrated": rules.calibrated_candles,
        "calibration_half_life": rules.calibration_half_life,
        "realised": rules.realised,
        **(_PARAMETERS.get(series.timeframe.name) or _PARAMETERS.get(series.timeframe.unit, {})),
    }
    if METHODS[method].reads_exogenous:
        from coin_assets.domain.forecasting.har_exogenous import HarExogenousForecaster

        return HarExogenousForecaster(series.timeframe.name, exogenous, **parameters)
    return HarForecaster(series.timeframe.name, **parameters)


def restored_forecaster(name: str, state: dict[str, Any]) -> Forecaster:
    """The fitted forecaster that gave ``state``.

    Raises:
        CorruptArtefact: the method is unknown, or ``state`` is not a state of it.
    """
    known = {method.name: method for method in _methods()}
    if name not in known:
        raise CorruptArtefact(f"Unknown forecaster {name!r}. Known are {', '.join(known)}.")
    try:
        return known[name].from_state(state)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptArtefact(f"State of {name} is not usable ({error}).") from error


def _methods() -> tuple[type[Forecaster], ...]:
    """Methods that the registry can restore."""
    from coin_assets.domain.forecasting.har import HarForecaster
    from coin_assets.domain.forecasting.har_exogenous import HarExogenousForecaster
    from coin_assets.domain.forecasting.naive_forecaster import NaiveForecaster

    return HarForecaster, NaiveForecaster, HarExogenousForecaster
