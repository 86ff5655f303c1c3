"""Request to the exchange beside the start of ``make up``; prints one sentence if it fails.

It is nobody's child, because the servers neither wait for it nor reap it.
"""

import os
import signal
import sys


def main() -> None:
    """Print why the exchange does not answer, if it does not."""
    # Imported here, after the parent has returned.
    from coin_assets.config.settings import Settings
    from coin_assets.errors import CoinAssetsError
    from coin_assets.market.base import RemoteMarket
    from coin_assets.market.factory import open_market

    settings = Settings()
    market = open_market(settings.market_kind, settings.market_argument)
    if isinstance(market, RemoteMarket):
        try:
            market.probe(settings.series_list[0])
        except CoinAssetsError as error:
            print(f"make up: {error} Collecting goes on by itself.", file=sys.stderr, flush=True)


if __name__ == "__main__" and not os.fork():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word
    main()
