"""Which forecaster serves which key, and how a stored one is found again by name.

scikit-learn takes seconds to import, so nothing here imports it before it is needed.
"""

from typing import Any

from coin_assets.domain.forecasting.frame import Forecaster
from coin_assets.domain.forecasting.trainable import calibrated_candles
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact

# By unit of the timeframe, all in candles; chosen on candles before the test spans (see
# docs/forecasting.md). Beyond the longest window nothing was gained, and every candle more is one
# more that a revision touches.
_PARAMETERS: dict[str, dict[str, Any]] = {
    "m": {},
    "h": {},
    "d": {
        "longest": 64,
        "half_belief": 1000.0,
        "centred": 128,
        "usual_belief": 0.5,
    },
    "w": {"longest": 16, "centred": 256},
    "M": {"longest": 8, "centred": 64},
}


def new_forecaster(series: Series) -> Forecaster:
    """An unfitted forecaster for ``key``."""
    from coin_assets.domain.forecasting.har import HarForecaster

    calibrated = calibrated_candles(series.timeframe)
    return HarForecaster(
        series.timeframe.name, calibrated=calibrated, **_PARAMETERS[series.timeframe.unit]
    )


def restored_forecaster(name: str, state: dict[str, Any]) -> Forecaster:
    """The fitted forecaster that gave ``state``.

    Raises:
        CorruptArtefact: the method is unknown, or the state is not one of its states.
    """
    known = {method.name: method for method in _methods()}
    if name not in known:
        raise CorruptArtefact(f"Unknown forecaster {name!r}; known are {', '.join(known)}.")
    try:
        return known[name].from_state(state)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptArtefact(f"State of {name} is not usable ({error}).") from error


def _methods() -> tuple[type[Forecaster], ...]:
    """Methods that the registry can restore."""
    from coin_assets.domain.forecasting.har import HarForecaster

    return (HarForecaster,)
