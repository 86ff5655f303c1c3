"""Pictures of the page on what ``make demo`` published (docs/images/page_*.png), in a real browser.

One more shows a folder with troubles, of the page's tests: a demo has none.
"""

import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from coin_assets_tests.site import tabs
from coin_assets_tests.site.folder import BUILT, published, served, with_troubles
from coin_assets_tests.webui import ROOT, environment, run

IMAGES = ROOT / "docs/images"
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2}
DARK: dict[str, Any] = WIDE | {"color_scheme": "dark"}
_YESTERDAY = datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0) - timedelta(1)
# name of the picture, address, options of the browser
PICTURES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("overview", "", WIDE),
    ("series", "#/series/BTC_USDT/1h", WIDE),
    ("past", f"#/series/BTC_USDT/1h?origin={_YESTERDAY:%Y-%m-%dT%H:%M:%SZ}", WIDE),
    ("quality", "#/quality/BTC_USDT/1h", WIDE),
    ("status", "#/status", WIDE),
    ("dark", "#/series/ETH_USDT/4h", DARK),
    ("phone", "", PHONE),
    ("phone_series", "#/series/BTC_USDT/1h", PHONE),
)


def main() -> None:
    """Write one picture for each of `PICTURES`, and that of troubles (png)."""
    with tempfile.TemporaryDirectory() as folder, tabs.browser() as browser:
        root, home = Path(folder) / "demo", Path(folder) / "home"
        done = run("make -s demo", environment(home), timeout=600)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        shutil.copytree(home / "published", root / tabs.SUB_PATH)
        shutil.copytree(BUILT, root / tabs.SUB_PATH, dirs_exist_ok=True)
        with served(root) as port:
            for name, address, options in PICTURES:
                with tabs.watched(browser, port, now=None, **options) as opened:
                    _save(opened, address, name)
        root = Path(folder) / "troubles"
        (root / tabs.SUB_PATH).mkdir(parents=True)
        with_troubles(published(root / tabs.SUB_PATH))
        with served(root) as port, tabs.watched(browser, port, **WIDE) as opened:
            _save(opened, "#/status", "troubles")


def _save(opened: tabs.Watched, address: str, name: str) -> None:
    tab = opened.at(address)
    tab.wait_for_timeout(500)  # the chart draws in the next frame
    tab.screenshot(path=IMAGES / f"page_{name}.png")


if __name__ == "__main__":
    main()
