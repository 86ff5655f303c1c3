"""From the words of `COIN_MARKET` to a market."""

from pathlib import Path

from coin_assets.errors import ConfigurationError
from coin_assets.market.archive import ArchiveMarket
from coin_assets.market.base import Market
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.sandbox import SandboxMarket


def open_market(kind: str, argument: str) -> Market:
    """The market of ``kind`` (``sandbox``, ``ccxt``, ``archive``); nothing is contacted yet."""
    match kind:
        case "sandbox":
            return SandboxMarket()
        case "ccxt":
            return CcxtMarket(argument)
        case "archive":
            return ArchiveMarket(Path(argument))
    raise ConfigurationError(f"Unknown market {kind!r}. Use sandbox, ccxt or archive.")
