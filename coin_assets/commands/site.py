"""``make site``: serves the published folder and its page on localhost.

``make up`` starts it too, unless ``COIN_SITE_PORT`` is 0.
"""

import argparse
import sys
from collections.abc import Sequence

import uvicorn

from coin_assets.config.settings import Settings
from coin_assets.errors import CoinAssetsError, ConfigurationError
from coin_assets.publish.page import INDEX
from coin_assets.supervision.ports import require_free
from coin_assets.web.published import HOST, app_of

_STOP_SECONDS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; returns 2 if the settings or the port cannot be used."""
    parser = argparse.ArgumentParser(
        prog="make site",
        description="The published folder and its page on localhost, for this machine alone; "
        "docs/operations/serve.md has servers for others.",
    )
    parser.add_argument("--port", type=int, help="port; default: COIN_SITE_PORT")
    wanted = parser.parse_args(arguments)
    try:
        settings = Settings()
        port = settings.site_port if wanted.port is None else wanted.port
        if not port:
            raise ConfigurationError("COIN_SITE_PORT: it is 0; write a port, as in 8088.")
        require_free("COIN_SITE_PORT", HOST, port, "make site")
    except CoinAssetsError as error:
        print(f"make site: {error}", file=sys.stderr)
        return 2
    folder = settings.publish_dir
    print(f"make site: {folder} at http://{HOST}:{port}/", flush=True)
    if not folder.is_dir():
        print(f"make site: nothing is published yet; {INDEX} appears with the data.", flush=True)
    uvicorn.run(
        app_of(folder),
        host=HOST,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
