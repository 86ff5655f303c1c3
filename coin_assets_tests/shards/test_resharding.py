"""A home whose number of shards changes: nothing is lost, done twice, or left undone.

The sandbox market goes on while one home goes from 1 shard to 2, to 3 and back to 1. At each stage
a boundary is due, and every series is fresh after it. A home that never had shards is the control:
the stores are the same to the byte, and readers find the same files.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from coin_assets.client import open_published
from coin_assets.commands.status import main as status
from coin_assets.domain.shards import Shard, shard_of
from coin_assets.publish import objects, root
from coin_assets_tests.platform import Platform, files_of, utc

SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT")  # two shards: 1 1 0, three shards: 2 1 0
SETTINGS = {"symbols": ",".join(SYMBOLS), "derived_timeframes": "", "history_start": "2024-02-01"}
STAGES = (
    (1, "2024-02-20T12:00:30"),
    (2, "2024-02-20T13:00:30"),
    (3, "2024-02-20T16:00:30"),
    (1, "2024-02-21T00:00:30"),
)
STORED = ("candles", "forecasts", "ledger", "revisions", "models", "evaluations")


@pytest.fixture(autouse=True)
def _new_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root, "_SWEEP_SECONDS", 0.0)
    monkeypatch.setattr(objects, "_SWEPT", {})


class Installation:
    """Platforms of all shards over one home and one instance of Dagster."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.shards: list[Platform] = []

    def restart(self, count: int, now: str) -> None:
        """As `make up` with another `COIN_SHARDS`: all code locations are new."""
        before, self.shards = self.shards[:1], []
        for number in range(count):
            chosen: dict[str, Any] = {} if count == 1 else {"shards": count, "shard": number}
            platform = Platform(self.home, now, **SETTINGS, **chosen)
            if before:
                platform.instance = before[0].instance
            elif self.shards:
                platform.instance = self.shards[0].instance
            self.shards.append(platform)

    def settle(self) -> None:
        """Let the sensors of all shards work until nothing is due anywhere."""
        for _ in range(20):
            if not any(self.cycle()):
                return
        raise AssertionError("the shards do not come to rest")

    def cycle(self) -> list[bool]:
        return [bool(platform.cycle()) for platform in self.shards]


def names(home: Path) -> set[str]:
    found = (home / "published").rglob("[hp]*_1h.json")
    return {str(path.relative_to(home / "published")) for path in found}


def expected_names(count: int) -> set[str]:
    return {
        str(Path(Shard(shard_of(symbol, count), count).folder, f"{kind}_{name}_1h.json"))
        for symbol in SYMBOLS
        for name in [symbol.replace("/", "_")]
        for kind in ("history", "prediction")
    }


def read_all(home: Path, now: datetime) -> dict[str, Any]:
    """What a reader gets of every series."""
    reader = open_published(home / "published", clock=lambda: now)
    found: dict[str, Any] = {"series": sorted(map(tuple, reader.series().astype(str).to_numpy()))}
    for symbol in SYMBOLS:
        found[f"history {symbol}"] = reader.history(symbol, "1h").to_csv()
        found[f"forecast {symbol}"] = reader.forecast(symbol, "1h").to_csv()
    return found


def stored(home: Path) -> dict[str, bytes]:
    parts: Iterable[str] = (part for part in STORED if (home / part).exists())
    return {
        f"{part}/{path}": content
        for part in parts
        for path, content in files_of(home / part).items()
        if Path(path).name != "metadata.json"  # of a model: how long its training took
    }


def test_a_home_goes_through_numbers_of_shards_and_nothing_is_lost(tmp_path: Path) -> None:
    sharded, control = Installation(tmp_path / "sharded"), Installation(tmp_path / "control")
    for stage, (count, now) in enumerate(STAGES):
        then = STAGES[max(0, stage - 1)][1]
        before = read_all(sharded.home, utc(then)) if stage else {}
        sharded.restart(count, then)
        control.restart(1, now)
        if stage:  # ticks of all shards, with which nothing is published anew
            for platform in (*sharded.shards, *sharded.shards):
                assert not platform.tick("publish_due").run_requests
            assert read_all(sharded.home, utc(then)) == before
        for platform in sharded.shards:
            platform.now = now
        for installation in (sharded, control):
            installation.settle()
        assert read_all(sharded.home, utc(now)) == read_all(control.home, utc(now))
        assert names(sharded.home) == expected_names(count)
        assert stored(sharded.home) == stored(control.home)
    manifests = [
        {**json.loads((each.home / "published/manifest.json").read_bytes()), "generated_at": None}
        for each in (sharded, control)
    ]
    public = [each["public"] for each in manifests]
    assert public[0] == public[1]
    assert manifests[0]["version"] == 2


def test_a_shard_requests_its_own_work_alone(tmp_path: Path) -> None:
    sharded = Installation(tmp_path / "home")
    sharded.restart(2, STAGES[0][1])
    for number, platform in enumerate(sharded.shards):
        for request in platform.tick("candles_due").run_requests or []:
            owners = {
                shard_of(symbol, 2)
                for key in request.asset_selection or ()
                for symbol in SYMBOLS
                if key.path[0] == symbol.replace("/", "_")
            }
            assert owners == {number}


def test_status_and_metrics_read_all_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sharded = Installation(tmp_path / "home")
    sharded.restart(2, STAGES[0][1])
    sharded.settle()
    for name, value in (("COIN_HOME", str(tmp_path / "home")), ("COIN_SHARDS", "2")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COIN_SYMBOLS", SETTINGS["symbols"])
    monkeypatch.setenv("COIN_DERIVED_TIMEFRAMES", "")
    assert status([], utc(STAGES[0][1])) == 0
    out = capsys.readouterr().out
    assert all(symbol in out for symbol in SYMBOLS)
    assert "3 series: 3 fresh" in out
    (tmp_path / "home/published/shard=1/manifest.json").unlink()
    assert status([], utc(STAGES[0][1])) == 1
    assert "1 fresh" in capsys.readouterr().out
