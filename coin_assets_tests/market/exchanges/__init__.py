"""Stand-ins of exchanges on 127.0.0.1, for the real ccxt client.

Each talks as its exchange does to ccxt's ``load_markets`` and ``fetch_ohlcv`` of one market: its
own paths and parameters, its cap, its order, its ends of a range, its edge. Where each habit is
known from stands with the class. BitMEX is not among them: the installed ccxt has no ``bitmex``.

``EXCHANGES`` is the table for parametrised tests; the classes' ``symbol``, ``intervals`` and `cap`
say what to ask for::

    fake = EXCHANGES["okx"](now, holes=[(start, end)])
    market = CcxtMarket("okx", fake.configure, sleep=lambda _: None, clock=lambda: now)
    ... fake.candles("1h", start, end) ... fake.oldest(Timeframe("1h")) ... fake.requests
"""

from coin_assets_tests.market.exchanges.binance_futures import BinanceCoinM, BinanceUsdM
from coin_assets_tests.market.exchanges.bitget import Bitget
from coin_assets_tests.market.exchanges.bybit import Bybit
from coin_assets_tests.market.exchanges.coinbase import Coinbase
from coin_assets_tests.market.exchanges.gate import Gate
from coin_assets_tests.market.exchanges.htx import Htx
from coin_assets_tests.market.exchanges.kraken import Kraken
from coin_assets_tests.market.exchanges.kucoin import Kucoin
from coin_assets_tests.market.exchanges.mexc import Mexc
from coin_assets_tests.market.exchanges.okx import Okx
from coin_assets_tests.market.exchanges.server import Candle, Request, StandIn

EXCHANGES: dict[str, type[StandIn]] = {
    exchange.exchange_id: exchange
    for exchange in (
        BinanceUsdM,
        BinanceCoinM,
        Mexc,
        Gate,
        Htx,
        Kraken,
        Okx,
        Coinbase,
        Kucoin,
        Bybit,
        Bitget,
    )
}

__all__ = ["EXCHANGES", "Candle", "Request", "StandIn"]
