"""The code location of the live test: the platform over a market that can be made to fail.

`LIVE_CONTROL` is the control file of the market, `LIVE_FRESHNESS` the limits of data age in
seconds (``1m:90/120``), because the settings know whole minutes only.
"""

import os
from datetime import timedelta

from coin_assets.config.settings import Settings
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.timeframes import Timeframe
from coin_assets.orchestration.build import build_definitions
from coin_assets_tests.live.market import ControlledMarketResource


def limits_of(text: str) -> dict[Timeframe, FreshnessLimits]:
    """``1m:90/120,5m:390/480``, in seconds."""
    found = {}
    for part in text.split(","):
        name, _, limits = part.partition(":")
        soft, hard = (timedelta(seconds=int(number)) for number in limits.split("/"))
        found[Timeframe.parse(name)] = FreshnessLimits(soft, hard)
    return found


defs = build_definitions(
    Settings(freshness=limits_of(os.environ["LIVE_FRESHNESS"])),
    market=ControlledMarketResource(
        kind="sandbox", argument="", control=os.environ["LIVE_CONTROL"]
    ),
)
