"""Factory of markets from the settings `COIN_MARKET` and `COIN_ARCHIVE`."""

from pathlib import Path

from coin_assets.errors import ConfigurationError
from coin_assets.market.archive import ArchiveMarket
from coin_assets.market.base import Market
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.combined import CombinedMarket
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.sandbox import SandboxMarket


def open_market(
    kind: str, argument: str, archive: str = "", downloads: Path | None = None
) -> Market:
    """Market of a kind; it opens no connection before its first use.

    Args:
        kind: ``sandbox``, ``ccxt`` or ``archive``.
        argument: exchange id of ``ccxt``, folder of ``archive``.
        archive: folder or URL of Binance Vision files, for long ranges of a ``ccxt`` market.
        downloads: working folder for files from a URL.

    Raises:
        ConfigurationError: the kind is unknown, or ``archive`` is given with another than ``ccxt``.
    """
    if archive and kind != "ccxt":
        raise ConfigurationError(
            f"COIN_ARCHIVE is for an exchange, not for a market of kind {kind!r}. Use it with "
            "COIN_MARKET=ccxt:<exchange>, or leave it empty."
        )
    match kind:
        case "sandbox":
            return SandboxMarket()
        case "ccxt":
            exchange = CcxtMarket(argument)
            return (
                CombinedMarket(ArchiveFiles(archive, downloads), exchange) if archive else exchange
            )
        case "archive":
            return ArchiveMarket(Path(argument))
    raise ConfigurationError(f"Unknown market {kind!r}. Use sandbox, ccxt or archive.")
