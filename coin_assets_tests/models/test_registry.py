"""The model registry: versions count up, never change, and come back as they were stored.

- A version is a folder whose name tells number and cutoff; its bytes depend on the model alone.
- What is loaded is what was stored, or it is refused as corrupt, naming the file.
- Killed writers leave nothing that counts; writers at the same time get different numbers.
"""

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.baseline import VolatilityScaledBaseline
from coin_assets.domain.forecasting import Forecaster
from coin_assets.domain.keys import Key
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import CorruptArtefact
from coin_assets.models.forecasters import new_forecaster
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.remembered import Remembered

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["coin_assets.domain.baseline", "hypothesis", "pytest"])

BTC = Key("BTC/USDT", Timeframe.parse("1h"))
ETH = Key("ETH/USDT", Timeframe.parse("1h"))
OCT, NOV = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
FOLDER = Path("models/symbol=BTC_USDT/timeframe=1h")


def candles(seed: int = 0, count: int = 300) -> pd.DataFrame:
    close = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(count)))
    opens = pd.date_range("2026-09-01", periods=count, freq="h", tz="UTC", unit="us")
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    return pd.DataFrame({"timestamp": opens, **prices, "volume": 1.0})


def model(seed: int = 0) -> Forecaster:
    return new_forecaster(BTC).fit(candles(seed))


def facts(lookback: str | None = None) -> dict[str, Any]:
    return {"lookback": lookback, "rows": 300}


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path)


def numbers(registry: ModelRegistry, key: Key = BTC) -> list[int]:
    return [version.number for version in registry.versions(key)]


# ---------------------------------------------------------------------------------------- versions


def test_an_empty_registry_has_no_versions(registry: ModelRegistry) -> None:
    assert registry.versions(BTC) == []
    assert registry.find(BTC, NOV, None) is None


def test_versions_count_up_by_key_and_their_folders_tell_number_and_cutoff(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    added = [registry.add(BTC, model(), cutoff, facts()) for cutoff in (NOV, OCT, NOV)]
    other = registry.add(ETH, model(), NOV, facts())
    assert [version.name for version in (*added, other)] == ["1", "2", "3", "1"]
    assert [version.folder.relative_to(tmp_path) for version in added] == [
        FOLDER / "0001_20261101T000000Z",
        FOLDER / "0002_20261001T000000Z",
        FOLDER / "0003_20261101T000000Z",
    ]
    assert registry.versions(BTC) == added
    assert registry.versions(ETH) == [other]


def test_numbers_keep_their_order_beyond_four_digits(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    registry.add(BTC, model(), OCT, facts())
    (tmp_path / FOLDER / "0001_20261001T000000Z").rename(
        tmp_path / FOLDER / "9999_20261001T000000Z"
    )
    assert registry.add(BTC, model(), NOV, facts()).folder.name == "10000_20261101T000000Z"
    assert numbers(registry) == [9999, 10000]


def test_a_version_set_aside_is_not_used_and_its_number_not_given_again(
    registry: ModelRegistry,
) -> None:
    first = registry.add(BTC, model(), OCT, facts())
    damaged = registry.add(BTC, model(), NOV, facts())
    damaged.folder.rename(damaged.folder.with_name(f"{damaged.folder.name}.damaged"))
    assert registry.versions(BTC) == [first]
    assert registry.add(BTC, model(), NOV, facts()).number == damaged.number + 1


def test_every_change_of_the_versions_is_seen_at_once_by_all_registries(
    tmp_path: Path, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coin_assets.models.registry._VERSIONS", Remembered(10, settled=0.02))
    for count in range(1, 6):
        version = registry.add(BTC, model(), NOV, facts())
        assert numbers(ModelRegistry(tmp_path)) == list(range(1, count + 1))
        time.sleep(0.03)
        assert numbers(ModelRegistry(tmp_path)) == list(range(1, count + 1))
    version.folder.rename(version.folder.with_name(f"{version.folder.name}.damaged"))
    assert numbers(ModelRegistry(tmp_path)) == [1, 2, 3, 4]


def test_a_cutoff_is_kept_in_utc(registry: ModelRegistry) -> None:
    tokyo = NOV.astimezone(timezone(timedelta(hours=9)))
    version = registry.add(BTC, model(), tokyo, facts())
    assert version.folder.name == "0001_20261101T000000Z"
    assert version.metadata()["cutoff"] == "2026-11-01T00:00:00+00:00"
    assert registry.find(BTC, NOV, None) == version


def test_a_version_is_found_by_cutoff_and_lookback_together(registry: ModelRegistry) -> None:
    whole = registry.add(BTC, model(), NOV, facts())
    year = registry.add(BTC, model(), NOV, facts("365d"))
    old = registry.add(BTC, model(), OCT, facts("365d"))
    assert registry.find(BTC, NOV, None) == whole
    assert registry.find(BTC, NOV, "365d") == year
    assert registry.find(BTC, OCT, "365d") == old
    assert registry.find(BTC, OCT, None) is None
    assert registry.find(BTC, NOV, "90d") is None
    assert registry.find(BTC, NOV + timedelta(seconds=1), None) is None
    assert registry.find(ETH, NOV, None) is None


# --------------------------------------------------------------------------------------- artefacts


def test_the_same_candles_make_the_same_bytes(registry: ModelRegistry) -> None:
    first, second = (registry.add(BTC, model(), NOV, facts()) for _ in range(2))
    other = registry.add(BTC, model(seed=1), NOV, facts())
    contents = [(v.folder / "model.json").read_bytes() for v in (first, second, other)]
    assert contents[0] == contents[1] != contents[2]


def test_metadata_tells_what_the_registry_knows_and_what_it_was_told(
    registry: ModelRegistry,
) -> None:
    version = registry.add(BTC, model(), NOV, facts("365d") | {"answer": 42})
    artefact = (version.folder / "model.json").read_bytes()
    assert version.metadata() == {
        "schema_version": 1,
        "model_version": "1",
        "symbol": "BTC/USDT",
        "timeframe": "1h",
        "forecaster": "volatility_scaled_baseline",
        "cutoff": "2026-11-01T00:00:00+00:00",
        "artefact_sha256": hashlib.sha256(artefact).hexdigest(),
        "lookback": "365d",
        "rows": 300,
        "answer": 42,
    }


def test_what_is_loaded_forecasts_what_was_stored_to_the_bit(registry: ModelRegistry) -> None:
    stored = model()
    registry.add(BTC, stored, NOV, facts())
    loaded = registry.load(registry.versions(BTC)[0])
    frame = candles()
    origins = BTC.timeframe.close_all(frame["timestamp"])
    expected = stored.predict_quantiles(frame, origins)
    assert loaded.predict_quantiles(frame, origins).tobytes() == expected.tobytes()
    assert loaded.context == stored.context


def test_values_that_are_no_json_are_refused_and_leave_no_version(
    registry: ModelRegistry,
) -> None:
    broken = VolatilityScaledBaseline("1h").fit(candles())
    broken.typical_volatility_ = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        registry.add(BTC, broken, NOV, facts())
    assert registry.versions(BTC) == []


# ------------------------------------------------------------------------------------------ damage


def rewrite(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps(change(json.loads(content))).encode()


def rehashed(folder: Path, content: bytes) -> None:
    """Store an artefact that metadata vouches for."""
    (folder / "model.json").write_bytes(content)
    metadata = json.loads((folder / "metadata.json").read_bytes())
    metadata["artefact_sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "metadata.json").write_text(json.dumps(metadata))


# name -> (file, damage; None removes the file)
DAMAGES: dict[str, tuple[str, Callable[[bytes], bytes] | None]] = {
    "artefact missing": ("model.json", None),
    "artefact empty": ("model.json", lambda content: content[:0]),
    "artefact truncated": ("model.json", lambda content: content[:-10]),
    "artefact with a space more": ("model.json", lambda content: content + b" "),
    "one digit flipped": ("model.json", lambda content: content.replace(b"1", b"2", 1)),
    "metadata missing": ("metadata.json", None),
    "metadata empty": ("metadata.json", lambda content: content[:0]),
    "metadata truncated": ("metadata.json", lambda content: content[:-10]),
    "metadata without hash": (
        "metadata.json",
        rewrite(lambda metadata: metadata | {"artefact_sha256": None}),
    ),
    "metadata of nothing": ("metadata.json", rewrite(lambda _: {})),
    "metadata no object": ("metadata.json", lambda content: b"7"[: len(content)]),
    "another symbol": ("metadata.json", rewrite(lambda m: m | {"symbol": "ETH/USDT"})),
    "another timeframe": ("metadata.json", rewrite(lambda m: m | {"timeframe": "4h"})),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_version_is_refused_naming_the_file_and_the_remedy(
    registry: ModelRegistry, name: str
) -> None:
    version = registry.add(BTC, model(), NOV, facts())
    file, damage = DAMAGES[name]
    path = version.folder / file
    content = path.read_bytes()
    path.unlink() if damage is None else path.write_bytes(damage(content))
    with pytest.raises(CorruptArtefact) as refusal:
        registry.load(version)
    assert str(version.folder) in str(refusal.value)
    assert "adding .damaged to its name" in str(refusal.value)


def test_a_version_copied_from_another_key_is_refused(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    foreign = registry.add(ETH, model(), NOV, facts())
    (tmp_path / FOLDER).mkdir(parents=True)
    foreign.folder.rename(tmp_path / FOLDER / foreign.folder.name)
    (version,) = registry.versions(BTC)
    with pytest.raises(CorruptArtefact, match="another key than BTC/USDT 1h"):
        registry.load(version)


STATES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "unknown forecaster": lambda artefact: artefact | {"forecaster": "oracle"},
    "no state": lambda artefact: artefact | {"state": {}},
    "state no object": lambda artefact: artefact | {"state": [1, 2]},
    "unknown parameter": lambda artefact: (
        artefact | {"state": artefact["state"] | {"parameters": {"depth": 3}}}
    ),
    "too few quantiles": lambda artefact: (
        artefact | {"state": artefact["state"] | {"quantiles": [[0.0] * 7]}}
    ),
    "volatility no number": lambda artefact: (
        artefact | {"state": artefact["state"] | {"typical_volatility": "calm"}}
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_that_is_none_is_refused_even_if_its_hash_is_right(
    registry: ModelRegistry, name: str
) -> None:
    version = registry.add(BTC, model(), NOV, facts())
    artefact = json.loads((version.folder / "model.json").read_bytes())
    rehashed(version.folder, json.dumps(STATES[name](artefact)).encode())
    with pytest.raises(CorruptArtefact):
        registry.load(version)


def test_an_untouched_artefact_with_a_new_hash_still_loads(registry: ModelRegistry) -> None:
    version = registry.add(BTC, model(), NOV, facts())
    artefact = json.loads((version.folder / "model.json").read_bytes())
    rehashed(version.folder, json.dumps(artefact).encode())
    assert registry.load(version).state() == model().state()


# ------------------------------------------------------------------------ killed, at the same time


def test_what_a_killed_training_left_does_not_count_and_does_not_disturb(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    registry.add(BTC, model(), OCT, facts())
    partial = tmp_path / FOLDER / ".partial"
    partial.mkdir()
    (partial / "model.json").write_text("half")
    (partial / ".metadata.json.17.partial").write_text("less")
    assert numbers(registry) == [1]
    version = registry.add(BTC, model(), NOV, facts())
    assert numbers(registry) == [1, 2]
    assert sorted(path.name for path in version.folder.iterdir()) == [
        "metadata.json",
        "model.json",
    ]
    assert not partial.exists()


def add_and_die_before_the_rename(home: Path) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    pytest.MonkeyPatch().setattr(Path, "rename", die)
    ModelRegistry(home).add(BTC, model(), NOV, facts())


def test_a_training_killed_at_the_last_moment_leaves_no_version_and_no_lock(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    child = PROCESSES.Process(target=add_and_die_before_the_rename, args=(tmp_path,), daemon=True)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert (tmp_path / FOLDER / ".partial" / "metadata.json").exists()
    assert registry.versions(BTC) == []
    version = registry.add(BTC, model(), NOV, facts())
    assert version.number == 1
    assert registry.load(version).state() == model().state()


def add_ten(home: Path, seed: int, together: Barrier) -> None:
    registry, forecaster = ModelRegistry(home), model(seed)
    together.wait()
    for _ in range(10):
        registry.add(BTC, forecaster, NOV, facts() | {"seed": seed})


def test_two_processes_that_add_at_once_get_different_numbers(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    together = PROCESSES.Barrier(2)
    children = [
        PROCESSES.Process(target=add_ten, args=(tmp_path, seed, together), daemon=True)
        for seed in (0, 1)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    versions: list[ModelVersion] = registry.versions(BTC)
    assert [version.number for version in versions] == list(range(1, 21))
    states = [model(seed).state() for seed in (0, 1)]
    seeds = [version.metadata()["seed"] for version in versions]
    assert sorted(seeds) == [0] * 10 + [1] * 10
    for version, seed in zip(versions, seeds, strict=True):
        assert version.metadata()["model_version"] == version.name
        assert registry.load(version).state() == states[seed]
