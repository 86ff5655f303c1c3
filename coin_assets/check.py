"""``python -m coin_assets.check``: one line on whether the settings can be used, before a start."""

import sys

from coin_assets.build import build_definitions
from coin_assets.errors import CoinAssetsError
from coin_assets.settings import Settings


def main() -> int:
    """Print what will be served; returns 0, or 2 if the settings or the home cannot be used."""
    try:
        settings = Settings()
        build_definitions(settings)
    except CoinAssetsError as error:
        print(f"coin_assets: {error}", file=sys.stderr)
        return 2
    print(
        f"coin_assets: {len(settings.symbols)} symbols x {len(settings.timeframes)} timeframes "
        f"from {settings.market}, home {settings.home}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
