"""Pictures of the page of the published folder (docs/images/page_*.png), in a real browser.

They show the documents of the page's tests at a fixed time, so they change with the page alone.
"""

import tempfile
from pathlib import Path
from typing import Any

from coin_assets_tests.site import tabs
from coin_assets_tests.site.folder import published, served, with_troubles
from coin_assets_tests.webui import ROOT

IMAGES = ROOT / "docs/images"
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2}
DARK: dict[str, Any] = WIDE | {"color_scheme": "dark"}
# name of the picture, address, options of the browser
PICTURES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("overview", "", WIDE),
    ("series", "#/series/BTC_USDT/1h", WIDE),
    ("past", "#/series/BTC_USDT/1h?origin=2026-11-28T06:00:00Z", WIDE),
    ("quality", "#/quality/BTC_USDT/1h", WIDE),
    ("status", "#/status", WIDE),
    ("dark", "#/series/ETH_USDT/4h", DARK),
    ("phone", "", PHONE),
    ("phone_series", "#/series/BTC_USDT/1h", PHONE),
)


def main() -> None:
    """Write one picture for each of `PICTURES` (png)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / tabs.SUB_PATH
        path.mkdir(parents=True)
        with_troubles(published(path))
        with served(Path(folder)) as port, tabs.browser() as browser:
            for name, address, options in PICTURES:
                with tabs.watched(browser, port, **options) as opened:
                    tab = opened.at(address)
                    tab.wait_for_timeout(500)  # the chart draws in the next frame
                    tab.screenshot(path=IMAGES / f"page_{name}.png")


if __name__ == "__main__":
    main()
