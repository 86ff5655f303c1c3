"""A fake exchange in a process of its own: it shares no interpreter with who asks it.

    python -m benchmarks.exchange_server <folder of candle files> <now> <delay> <symbol>...

Prints its address and serves until it is ended, each answer ``delay`` seconds late, as over the
internet. Every symbol gets the candles of BTC/USDT.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT
from coin_assets.domain.series import Series
from coin_assets.market.archive import ArchiveMarket
from coin_assets.market.base import Page

SERVED = "BTC/USDT"


class SameForAll(ArchiveMarket):
    """One file for every symbol."""

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        return super().pages(replace(series, symbol=SERVED), start, end, now)


@contextmanager
def running_exchange(
    folder: Path, now: datetime, symbols: Sequence[str], delay_seconds: float = 0.0
) -> Iterator[str]:
    """Address of a fake exchange that serves the candles of ``folder`` within the block."""
    module = (sys.executable, "-m", "benchmarks.exchange_server")
    command = (*module, str(folder), now.isoformat(), str(delay_seconds), *symbols)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.terminate()


def pointed_at(url: str) -> Callable[[Any], None]:
    """What points a ccxt client at the exchange; its rate limiter stays on."""

    def configure(client: Any) -> None:
        client.urls["api"]["public"] = f"{url}/api/v3"

    return configure


def main() -> None:
    from coin_assets_tests.market.exchange import FakeExchange, Request
    from coin_assets_tests.market.faults import Reply

    folder, now, delay, *symbols = sys.argv[1:]
    market = SameForAll(Path(folder))

    class DistantExchange(FakeExchange):
        def answer(self, request: Request) -> Reply | None:
            time.sleep(float(delay))
            return super().answer(request)

    with DistantExchange(datetime.fromisoformat(now), market, symbols) as exchange:
        print(exchange.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
