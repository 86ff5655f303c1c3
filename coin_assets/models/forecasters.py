"""Which forecaster serves which key, and how a stored one is found again by name.

scikit-learn takes seconds to import, so nothing here imports it before it is needed.
"""

from typing import Any

from coin_assets.domain.forecasting import Forecaster
from coin_assets.domain.keys import Key
from coin_assets.errors import CorruptArtefact

# Longest window by unit of the timeframe, in candles: beyond it, nothing was gained on candles
# before the test spans, and every candle more is one more that a revision touches.
_LONGEST = {"m": 256, "h": 256, "d": 64, "w": 16, "M": 8}
# Candles that the quantiles are learned from: the newest ones of long timeframes, of which a whole
# history is several markets in a row. On candles before the test spans coverage was nearest to
# nominal so.
_CALIBRATED = {"m": 8192, "h": 8192, "d": 500, "w": 156, "M": 156}


def new_forecaster(key: Key) -> Forecaster:
    """An unfitted forecaster for ``key``."""
    from coin_assets.domain.har import HarForecaster

    unit = key.timeframe.unit
    return HarForecaster(key.timeframe.name, longest=_LONGEST[unit], calibrated=_CALIBRATED[unit])


def restored_forecaster(name: str, state: dict[str, Any]) -> Forecaster:
    """The fitted forecaster that gave ``state``.

    Raises:
        CorruptArtefact: the method is unknown, or the state is not one of its states.
    """
    from coin_assets.domain.baseline import VolatilityScaledBaseline
    from coin_assets.domain.har import HarForecaster

    methods: tuple[type[Forecaster], ...] = (HarForecaster, VolatilityScaledBaseline)
    known = {method.name: method for method in methods}
    if name not in known:
        raise CorruptArtefact(f"Unknown forecaster {name!r}; known are {', '.join(known)}.")
    try:
        return known[name].from_state(state)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptArtefact(f"State of {name} is not usable ({error}).") from error
