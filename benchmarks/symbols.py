"""Hourly updates of fifty symbols from a fake exchange, in a process of their own.

One update fetches at the same time, as runs do; the other one symbol after the other.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count as numbers
from pathlib import Path
from typing import TypedDict
from unittest.mock import patch

import dagster as dg

from benchmarks.exchange_server import pointed_at, running_exchange
from benchmarks.harness import BenchmarkFailed, Figure, Home, in_fresh_process, say, temporary_home
from benchmarks.installation_plan import KLINES_WEIGHT, LIST_WEIGHT, WEIGHT_A_MINUTE
from benchmarks.timers import Stopwatch
from coin_assets.config.settings import Settings
from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.orchestration.assets.specs import asset_key
from coin_assets.orchestration.build import build_definitions
from coin_assets.orchestration.jobs.update import only
from coin_assets.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG
from coin_assets_tests.platform import StoppedClock, given, utc

FIRST, _LAST = "2025-05-01", "2025-06-01"
BEFORE, _IN_TURN, AFTER = (f"2025-06-30T{hour}:00:03" for hour in (21, 22, 23))
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Measured(TypedDict):
    """What the measuring process returns."""

    seconds: float
    seconds_in_turn: float
    steps: int
    requests: int
    request_seconds: float


def measure_symbols(folder: Path, count: int, delay_seconds: float) -> list[Figure]:
    """Figures of hourly updates of ``count`` symbols."""
    say(f"hourly update of {count} symbols")
    found = measure_hour(folder, count, delay_seconds)
    weight = KLINES_WEIGHT * (found["requests"] - 1) + LIST_WEIGHT
    minutes = max(found["seconds"], 60) / 60
    how = f"{count} symbols of 1h, candles to published files, {found['steps']} steps in one run"
    return [
        Figure(f"hourly update of {count} symbols", found["seconds"], "s", how),
        Figure(
            "the same, fetched one symbol after the other",
            found["seconds_in_turn"],
            "s",
            "the update of the hour before, without threads",
        ),
        Figure(
            f"requests for {count} symbols",
            found["requests"],
            "requests",
            "by the real ccxt client with its rate limiter, the list of symbols included; each "
            f"answer {1000 * delay_seconds:.0f} ms late",
        ),
        Figure(
            "time in these requests",
            found["request_seconds"],
            "s",
            "inside `Exchange.fetch`, one after the other",
        ),
        Figure(
            "share of the exchange's limit",
            100 * weight / minutes / WEIGHT_A_MINUTE,
            "%",
            f"weight {weight} of the {WEIGHT_A_MINUTE} that Binance allows a minute",
        ),
    ]


def measure_hour(folder: Path, count: int, delay_seconds: float) -> Measured:
    """One hourly update of ``count`` symbols from an exchange whose answers are late."""
    with late_exchange(folder, count, delay_seconds) as (url, home):
        return in_fresh_process(home, run_update, url=url)


@contextmanager
def late_exchange(
    folder: Path, count: int, delay_seconds: float, shard: Shard = ALONE
) -> Iterator[tuple[str, Home]]:
    """Address of an exchange whose answers are late, and a home of ``count`` symbols of it.

    Args:
        shard: has ``count`` symbols; the others have about as many.
    """
    symbols, owned = [], 0
    for number in numbers():
        if owned == count:
            break
        symbols.append(f"C{number:02d}/USDT")
        owned += shard.owns(symbols[-1])
    sharded = {"COIN_SHARDS": str(shard.count), "COIN_SHARD": str(shard.number)}
    with (
        running_exchange(folder, utc(AFTER), symbols, delay_seconds) as url,
        temporary_home(
            COIN_MARKET="ccxt:binance",
            COIN_SYMBOLS=",".join(symbols),
            COIN_DERIVED_TIMEFRAMES="",
            COIN_HISTORY_START=FIRST,
            **({} if shard.is_alone else sharded),
        ) as home,
    ):
        yield url, home


def run_update(url: str) -> Measured:
    """Fill the home of this process up to an hour, then measure the next two."""
    import ccxt

    settings = Settings()
    series_list = settings.series_list
    requests = Stopwatch()
    with dg.DagsterInstance.get() as instance:
        candles = [asset_key(series, CANDLES) for series in series_list]
        run_assets(instance, settings, url, BEFORE, candles)
        forecasts = [
            asset_key(series, layer) for series in series_list for layer in (MODELS, PREDICTIONS)
        ]
        run_assets(instance, settings, url, BEFORE, forecasts)
        layers = (CANDLES, PREDICTIONS, PUBLISHED)
        due = [asset_key(series, layer) for series in series_list for layer in layers]
        with (
            patch("coin_assets.orchestration.assets.candles.begin_fetches"),
            requests.around(ccxt.Exchange, "fetch"),  # a stopwatch is for one thread
        ):
            in_turn = run_assets(instance, settings, url, _IN_TURN, due)
        seconds = run_assets(instance, settings, url, AFTER, due)
    return {
        "seconds": seconds,
        "seconds_in_turn": in_turn,
        "steps": len(due),
        "requests": requests.calls,
        "request_seconds": requests.seconds,
    }


def sizes(settings: Settings) -> tuple[int, int]:
    """Bytes of Dagster's records, and of all other files of the home."""
    records = settings.home / "dagster"
    sizes = {path: path.stat().st_size for path in settings.home.rglob("*") if path.is_file()}
    of_records = sum(size for path, size in sizes.items() if path.is_relative_to(records))
    return of_records, sum(sizes.values()) - of_records


def run_assets(
    instance: dg.DagsterInstance,
    settings: Settings,
    url: str,
    at: str,
    steps: Sequence[dg.AssetKey],
) -> float:
    """Seconds of a run of these assets at ``at``, without those for the definitions."""
    definitions = build_definitions(
        settings,
        symbol_names={key.path[0] for key in steps},
        clock=StoppedClock(settle_seconds=settings.settle_seconds, at=at),
        market=given(CcxtMarket("binance", pointed_at(url))),
    )
    first = FIRST if at == BEFORE else _LAST
    started = time.perf_counter()
    result = only(definitions.resolve_job_def("update"), steps).execute_in_process(
        instance=instance,
        tags={RANGE_START_TAG: first, RANGE_END_TAG: _LAST},
        run_config=_QUIET,
        raise_on_error=False,
    )
    if not result.success:
        raise BenchmarkFailed(f"the update failed at {at}")
    return time.perf_counter() - started
