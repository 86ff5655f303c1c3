"""``make screenshots``: the pictures of docs/images, from a fresh demo in a real browser.

``python -m docs.screenshots http://127.0.0.1:3000`` takes them of a running ``make up`` instead.
"""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from coin_assets.orchestration.partitions import partition_of
from coin_assets_tests.browser import page
from coin_assets_tests.webui import ROOT, environment, run, up

IMAGES = ROOT / "docs/images"
_SENSOR = "locations/coin_assets.definitions/sensors/health_alerts"
# name of the picture, address, a text that is there when the page is
LIVE_PAGES = (
    ("job", "locations/coin_assets.definitions/jobs/update", "BTC_USDT"),
    ("candles", "assets/BTC_USDT/ohlcv_4h", "Latest"),
    ("models", "assets/BTC_USDT/model_1d", "Latest"),
    ("predictions", "assets/BTC_USDT/prediction_1d", "Latest"),
    ("published", "assets/BTC_USDT/published_1d", "Latest"),
    ("evaluations", "assets/BTC_USDT/evaluation_1h", "Latest"),
    ("freshness", "assets/BTC_USDT/published_1h", "Freshness policy"),
    ("checks", "assets/BTC_USDT/ohlcv_1h?view=checks&checkDetail=data_time", "data_time"),
    ("automation", "automation", "health_alerts"),
    ("alerts", _SENSOR, "Latest tick"),
)


# Paths of this machine do not belong into the documentation.
_WITHOUT_PATHS = r"""() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode;
        text.nodeValue = text.nodeValue.replace(/\/\S+?\/home(?=\/)/g, "/srv/coin_assets");
    }
}"""


def main() -> None:
    """Write assets, partitions, forecast and one picture for each of `LIVE_PAGES` (png)."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 1:
        capture(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        env = environment(Path(folder) / "home", COIN_ALERT_CYCLE_SECONDS="10")
        done = run("make -s demo", env, timeout=600)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        with up(env, Path(folder) / "up.log") as ui:
            capture(ui.url)


def capture(url: str) -> None:
    """Open the pages and save what they show."""
    with page() as tab:
        tab.set_viewport_size({"width": 1600, "height": 1500})
        tab.goto(f"{url}/locations/coin_assets.definitions/asset-groups/BTC_USDT")
        tab.get_by_text("ohlcv_1h").first.wait_for()
        tab.wait_for_timeout(4000)  # the graph lays itself out, and fetches states
        tab.screenshot(path=IMAGES / "assets.png")
        tab.set_viewport_size({"width": 1600, "height": 1000})
        tab.goto(f"{url}/assets/BTC_USDT/ohlcv_1h?view=partitions&partition=2026-03-01")
        tab.get_by_text("last_candle").wait_for()
        tab.screenshot(path=IMAGES / "partitions.png")
        month = partition_of(datetime.now(UTC))
        tab.goto(f"{url}/assets/BTC_USDT/prediction_1h?view=partitions&partition={month}")
        tab.get_by_text("[Show Markdown]").click()
        tab.get_by_alt_text("BTC/USDT 1h forecast").wait_for()
        tab.wait_for_timeout(500)
        tab.get_by_role("dialog").screenshot(path=IMAGES / "forecast.png")
        tab.set_viewport_size({"width": 1600, "height": 900})
        for name, address, text in LIVE_PAGES:
            tab.goto(f"{url}/{address}")
            tab.get_by_text(text).first.wait_for()
            tab.wait_for_timeout(3000)
            tab.evaluate(_WITHOUT_PATHS)
            tab.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
