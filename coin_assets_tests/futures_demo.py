"""``python -m coin_assets.demo`` with Binance's futures client on a loopback stand-in.

Settings come from the environment, as for the demo itself. The stand-in shows the time of the
machine, so that it has every candle that the demo expects.
"""

import sys
from datetime import UTC, datetime
from functools import partial
from unittest.mock import patch

from coin_assets.demo import main
from coin_assets.market import factory
from coin_assets.market.ccxt import CcxtMarket
from coin_assets_tests.market.exchanges.binance_futures import BinanceUsdM


class RunningBinanceUsdM(BinanceUsdM):
    """The stand-in on the clock of the machine."""

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    @now.setter
    def now(self, _time: datetime) -> None:
        """The clock of the machine cannot be set."""


if __name__ == "__main__":
    with RunningBinanceUsdM(datetime.now(UTC)) as exchange:
        on_loopback = partial(CcxtMarket, configure=exchange.configure)
        with patch.object(factory, "CcxtMarket", on_loopback):
            code = main([])
        assert exchange.asked("/klines"), "the demo asked another market"
    sys.exit(code)
