"""Make the home that ``test_release_home.py`` opens: run it with the code of a release.

``python -m coin_assets_tests.make_release_home <folder>``
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from coin_assets.domain.series import Series
from coin_assets.market.base import Page
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.market.wrapped import WrappedMarket
from coin_assets_tests.platform import Platform, failures, given, utc

CANDLES = ["BTC_USDT/ohlcv_4h", "BTC_USDT/ohlcv_1d"]
ABSENT = [utc("2026-08-03T08:00"), utc("2026-08-03T12:00")]
REVISED = utc("2026-10-02T00:00")


class RevisingMarket(WrappedMarket):
    """The sandbox without two candles; the volume of a third one is wrong at first."""

    is_wrong = True

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        for page in self._whole.pages(series, start, end, now):
            candles = page.candles[~page.candles["timestamp"].isin(ABSENT)].reset_index(drop=True)
            if self.is_wrong:
                candles.loc[candles["timestamp"] == REVISED, "volume"] *= 1.5
            yield replace(page, candles=candles)


def main(home: Path) -> None:
    """Collect, revise, train, forecast, evaluate, publish and alert; then remove locks."""
    market = RevisingMarket(SandboxMarket())
    platform = Platform(
        home,
        now="2026-10-02T04:30",
        history_start="2026-06-01",
        source_timeframes="4h",
        derived_timeframes="1d",
        history_window="4h:5d,1d:30d",
        disk_limits="1/98/99",  # so that an alert is open
    )
    platform.market = given(market)
    done = [platform.materialise(CANDLES, "2026-06-01", "2026-09-01")]
    done.append(platform.update("2026-10-01"))
    market.is_wrong, platform.now = False, "2026-10-02T08:30"
    done.append(platform.update("2026-10-01"))
    done.append(platform.train())
    platform.now = "2026-10-06T12:30"
    done.append(platform.update("2026-10-01"))
    done.append(platform.materialise(CANDLES, "2026-08-01"))  # verifies the gap
    done.append(platform.run("evaluate"))
    done.append(platform.run("redo_touched"))
    done.append(platform.update("2026-10-01"))
    platform.tick("publish_due")
    platform.tick("health_alerts")
    done.append(platform.run("acknowledge_alert", subjects=["disk"], hours=744, note="known"))
    for result in done:
        assert result.success, failures(result)
    for path in (*home.rglob(".*lock"), home / "alerts/heartbeat.json"):
        path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
