"""``make up`` with shards: a code server for each, one daemon, and one published folder.

The servers, sensors and runs are real, the market is the sandbox. When `COIN_SHARDS` changes, the
next `make up` goes on where the last one was.
"""

import json
import signal
import time
import warnings
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coin_assets.alerts.heartbeat import heartbeat_age
from coin_assets.client import PublishedError, ShardUnread, open_published
from coin_assets.domain.shards import shard_of
from coin_assets.domain.timeframes import month_start
from coin_assets_tests.test_up import Up, up

SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT")  # two shards: 1 1 0, three shards: 2 1 0
AGE = timedelta(seconds=60)
TICKS = """{ sensorsOrError(repositorySelector: {
  repositoryName: "__repository__", repositoryLocationName: "%s"
}) { ... on Sensors { results { name sensorState {
  ticks(limit: 1, statuses: [SUCCESS, SKIPPED]) { timestamp } } } } } }"""
RUNS = """{ runsOrError { ... on Runs { results { jobName status creationTime
  repositoryOrigin { repositoryLocationName } assetSelection { path } } } } }"""


def settings_of(shards: int) -> dict[str, str]:
    """Enough candles for a model: since the start of the month before."""
    start = month_start(month_start(datetime.now(UTC)) - timedelta(days=1))
    return {
        "COIN_SYMBOLS": ",".join(SYMBOLS),
        "COIN_SHARDS": str(shards),
        "COIN_HISTORY_START": f"{start:%Y-%m-%d}",
        "COIN_ALERT_CYCLE_SECONDS": "5",
    }


def locations_of(shards: int) -> list[str]:
    if shards == 1:
        return ["coin_assets.definitions"]
    return [f"coin_assets.shard_{number}" for number in range(shards)]


def manifests(published: Path, shards: int) -> list[dict[str, Any]]:
    names = (
        ["manifest.json"]
        if shards == 1
        else [f"shard={number}/manifest.json" for number in range(shards)]
    )
    return [json.loads((published / name).read_bytes()) for name in names]


def served(published: Path) -> set[str]:
    """Symbols that a reader gets fresh now, each with its forecast."""
    found = set()
    with suppress(PublishedError), warnings.catch_warnings():
        warnings.simplefilter("ignore", ShardUnread)
        reader = open_published(published)
        for symbol in SYMBOLS:
            with suppress(PublishedError):
                if len(reader.forecast(symbol, "1h")) == 24:
                    found.add(symbol)
    return found


def works(published: Path, shards: int) -> bool:
    """Whether all series are served, and every shard lists its own alone."""
    if served(published) != set(SYMBOLS):
        return False
    listed = [
        {each["symbol"] for each in m["ops"]["entries"]} for m in manifests(published, shards)
    ]
    expected = [{s for s in SYMBOLS if shard_of(s, shards) == number} for number in range(shards)]
    root = json.loads((published / "manifest.json").read_bytes())
    return listed == expected and root["version"] == (2 if shards == 1 else 3)


def all_sensors_tick(made: Up, shards: int, since: float) -> bool:
    for location in locations_of(shards):
        sensors = made.ui.query(TICKS % location)["sensorsOrError"]["results"]
        running = [each for each in sensors if each["name"] != "training_events"]
        ticks = [tick for each in running for tick in each["sensorState"]["ticks"]]
        if len(ticks) < len(running) or min(tick["timestamp"] for tick in ticks) < since:
            return False
    return True


def is_at_rest(made: Up) -> bool:
    """Whether no run is open; one that is queued would fail if its symbols moved."""
    runs = made.ui.query(RUNS)["runsOrError"]["results"]
    return bool(runs) and {run["status"] for run in runs} <= {"SUCCESS", "FAILURE"}


def stage(folder: Path, shards: int) -> None:
    """One ``make up`` until everything is served, then Ctrl-C."""
    published = folder / "home" / "published"
    before, since = served(published), time.time()
    with up(folder, **settings_of(shards)) as made:
        assert served(published) >= before  # nothing vanishes while the shards start
        made.until(lambda: works(published, shards))
        made.until(lambda: all_sensors_tick(made, shards, since))
        alerts = folder / "home" / "alerts"
        made.until(lambda: (heartbeat_age(alerts, datetime.now(UTC), shards) or AGE) < AGE)
        made.until(lambda: is_at_rest(made))
        runs = made.ui.query(RUNS)["runsOrError"]["results"]
        for run in (each for each in runs if each["creationTime"] > since):
            assert run["status"] == "SUCCESS", run
            assert run["repositoryOrigin"]["repositoryLocationName"] in locations_of(shards)
            names = {key["path"][0] for key in run["assetSelection"] or ()}
            owners = {shard_of(s, shards) for s in SYMBOLS if s.replace("/", "_") in names}
            assert len(owners) <= 1
        made.process.send_signal(signal.SIGINT)
        assert made.process.wait(60) == 0


def test_two_shards_are_served_as_one(tmp_path: Path) -> None:
    stage(tmp_path, 2)
    assert {path.name for path in (tmp_path / "home/published").glob("shard=*")} == {
        "shard=0",
        "shard=1",
    }


@pytest.mark.slow  # `coin_assets_tests/shards` shows it without servers
def test_an_installation_goes_through_numbers_of_shards(tmp_path: Path) -> None:
    for shards in (1, 2, 3, 1):
        stage(tmp_path, shards)
