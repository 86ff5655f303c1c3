"""The model registry: versions are numbered, immutable, and loaded as stored.

- A version is a folder named by number and cutoff; its artefact depends on the model only.
- Loading returns what was stored for this series and version, or raises `CorruptArtefact` with the
  path of the file.
- Killed writers leave no version; concurrent writers get different numbers.
- The number of a removed version is not used again; versions in use cannot be removed.
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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.domain.forecasting.frame import CHALLENGER, CHAMPION, Forecaster
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import CorruptArtefact, DataRefused
from coin_assets.files.cache import FileCache
from coin_assets.files.checksummed_json import with_checksum
from coin_assets.models.forecasters import new_forecaster
from coin_assets.models.registry import SCHEMA_VERSION, ModelRegistry, ModelVersion

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["sklearn.linear_model", "hypothesis", "pytest"])

BTC = Series("BTC/USDT", Timeframe.parse("1h"))
ETH = Series("ETH/USDT", Timeframe.parse("1h"))
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


def numbers(registry: ModelRegistry, series: Series = BTC) -> list[int]:
    return [version.number for version in registry.versions(series)]


# ---------------------------------------------------------------------------------------- versions


def test_an_empty_registry_has_no_versions(registry: ModelRegistry) -> None:
    assert registry.versions(BTC) == []
    assert registry.find(BTC, NOV, None) is None


def test_versions_count_up_by_series_and_folders_name_number_and_cutoff(
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
    remembered = "coin_assets.models.version_folders._VERSIONS"
    monkeypatch.setattr(remembered, FileCache(10, settled=0.02))
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
    assert version.cutoff == NOV
    assert registry.find(BTC, NOV, None) == registry.versions(BTC)[0] == version


def test_a_fraction_of_a_second_is_no_part_of_a_cutoff(registry: ModelRegistry) -> None:
    version = registry.add(BTC, model(), NOV + timedelta(milliseconds=900), facts())
    assert version.cutoff == NOV
    assert registry.find(BTC, NOV + timedelta(milliseconds=100), None) == version
    assert registry.load(registry.versions(BTC)[0]).state() == model().state()


@pytest.mark.parametrize(
    "name", ["1_20261101T000000Z", "0001_x_Z", "0001_20261101T000000Z.removed", "0001", "old"]
)
def test_folders_of_other_names_are_no_versions(
    tmp_path: Path, registry: ModelRegistry, name: str
) -> None:
    (tmp_path / FOLDER / name).mkdir(parents=True)
    assert registry.versions(BTC) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0002_20261301T000000Z", "no valid cutoff"),
        ("0001_20261001T000000Z", "have the same number"),
    ],
)
def test_folders_that_contradict_are_refused(
    tmp_path: Path, registry: ModelRegistry, name: str, expected: str
) -> None:
    registry.add(BTC, model(), NOV, facts())
    (tmp_path / FOLDER / name).mkdir()
    with pytest.raises(CorruptArtefact, match=expected) as refusal:
        registry.versions(BTC)
    assert name in str(refusal.value)


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


def test_an_artefact_does_not_depend_on_time_or_run_of_its_training(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    first = registry.add(BTC, model(), NOV, facts() | {"trained_at": "now", "run_id": "a"})
    second = registry.add(BTC, model(), NOV, facts("365d") | {"trained_at": "then"})
    elsewhere = ModelRegistry(tmp_path / "other").add(BTC, model(), NOV, facts())
    digests = {version.metadata()["artefact_sha256"] for version in (first, second, elsewhere)}
    assert len(digests) == 1
    contents = {(v.folder / "model.json").read_bytes() for v in (first, second, elsewhere)}
    assert len(contents) == 1


def test_metadata_holds_the_identity_and_the_given_facts(
    registry: ModelRegistry,
) -> None:
    version = registry.add(BTC, model(), NOV, facts("365d") | {"answer": 42})
    artefact = (version.folder / "model.json").read_bytes()
    assert version.metadata() == {
        "schema_version": SCHEMA_VERSION,
        "model_version": "1",
        "symbol": "BTC/USDT",
        "timeframe": "1h",
        "forecaster": model().name,
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
    registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = model()
    monkeypatch.setattr(broken, "state", lambda: {"scale": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        registry.add(BTC, broken, NOV, facts())
    with pytest.raises(ValueError, match="JSON"):
        registry.add(BTC, model(), NOV, facts() | {"loss": float("inf")})
    assert registry.versions(BTC) == []
    assert registry.add(BTC, model(), NOV, facts()).number == 1


# ------------------------------------------------------------------------------------------ damage


def rewrite(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[bytes], bytes]:
    """An edit by hand."""
    return lambda content: json.dumps(change(json.loads(content))).encode()


def resealed(**facts: Any) -> Callable[[bytes], bytes]:
    """An edit by somebody who knows how the file vouches for itself."""

    def change(content: bytes) -> bytes:
        metadata = json.loads(content)
        del metadata["sha256"]
        return with_checksum(metadata | facts)

    return change


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
    "metadata no text": ("metadata.json", lambda _: b"\xff\xfe\x00"),
    "metadata of endless depth": ("metadata.json", lambda _: b"[" * 100_000),
    "metadata of nothing": ("metadata.json", rewrite(lambda _: {})),
    "metadata no object": ("metadata.json", lambda content: b"7"[: len(content)]),
    "metadata without hash": (
        "metadata.json",
        rewrite(lambda metadata: metadata | {"artefact_sha256": None}),
    ),
    "metadata without a seal": (
        "metadata.json",
        rewrite(lambda m: {name: value for name, value in m.items() if name != "sha256"}),
    ),
    "one fact edited": ("metadata.json", rewrite(lambda m: m | {"rows": 301})),
    "one fact added": ("metadata.json", rewrite(lambda m: m | {"note": "better"})),
    "one fact lost": (
        "metadata.json",
        rewrite(lambda m: {name: value for name, value in m.items() if name != "rows"}),
    ),
    "another artefact's hash": ("metadata.json", resealed(artefact_sha256="0" * 64)),
    "another symbol": ("metadata.json", resealed(symbol="ETH/USDT")),
    "another timeframe": ("metadata.json", resealed(timeframe="4h")),
    "another cutoff": ("metadata.json", resealed(cutoff=OCT.isoformat())),
    "another version": ("metadata.json", resealed(model_version="7")),
    "another forecaster": ("metadata.json", resealed(forecaster="oracle")),
    "an earlier schema": ("metadata.json", resealed(schema_version=SCHEMA_VERSION - 1)),
    "a future schema": ("metadata.json", resealed(schema_version=SCHEMA_VERSION + 1)),
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


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["model.json", "metadata.json"]), st.data())
def test_a_flipped_byte_anywhere_is_refused_or_changes_nothing(
    tmp_path: Path, file: str, data: st.DataObject
) -> None:
    """White space between the facts is no fact."""
    registry = ModelRegistry(tmp_path)
    version = (registry.versions(BTC) or [registry.add(BTC, model(), NOV, facts())])[0]
    path = version.folder / file
    content, expected = path.read_bytes(), version.metadata()
    place = data.draw(st.integers(0, len(content) - 1))
    flipped = content[place] ^ (1 << data.draw(st.integers(0, 7)))
    path.write_bytes(content[:place] + bytes([flipped]) + content[place + 1 :])
    try:
        state = registry.load(version).state()
    except CorruptArtefact as refusal:
        assert str(version.folder) in str(refusal)  # noqa: PT017 (not refusing is right, too)
    else:
        assert (state, version.metadata()) == (model().state(), expected)
        assert file == "metadata.json"
    finally:
        path.write_bytes(content)


def test_a_version_copied_from_another_series_is_refused(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    foreign = registry.add(ETH, model(), NOV, facts())
    (tmp_path / FOLDER).mkdir(parents=True)
    foreign.folder.rename(tmp_path / FOLDER / foreign.folder.name)
    (version,) = registry.versions(BTC)
    with pytest.raises(CorruptArtefact, match="symbol is 'ETH/USDT', not 'BTC/USDT'"):
        registry.load(version)


@pytest.mark.parametrize("name", ["0002_20261101T000000Z", "0001_20261001T000000Z"])
def test_a_version_under_another_name_is_refused(registry: ModelRegistry, name: str) -> None:
    version = registry.add(BTC, model(), NOV, facts())
    version.folder.rename(version.folder.with_name(name))
    (renamed,) = registry.versions(BTC)
    with pytest.raises(CorruptArtefact, match="belongs elsewhere"):
        registry.load(renamed)


SWAPS = [{"model.json"}, {"metadata.json"}, {"model.json", "metadata.json"}]


@pytest.mark.parametrize("files", SWAPS, ids=lambda files: "+".join(sorted(files)))
@pytest.mark.parametrize(
    "other", [(BTC, NOV, 1), (BTC, OCT, 1), (BTC, OCT, 0), (ETH, NOV, 1), (ETH, NOV, 0)]
)
def test_files_of_another_version_are_refused(
    registry: ModelRegistry, files: set[str], other: tuple[Series, datetime, int]
) -> None:
    """Also with an equal state, because series or cutoff differ."""
    version = registry.add(BTC, model(), NOV, facts())
    registry.add(other[0], model(), OCT, facts())  # so that numbers differ, or are the same
    series, cutoff, seed = other
    foreign = registry.add(series, model(seed), cutoff, facts())
    for file in files:
        (version.folder / file).write_bytes((foreign.folder / file).read_bytes())
    with pytest.raises(CorruptArtefact, match=r"adding \.damaged to its name"):
        registry.load(version)


ARTEFACTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "unknown forecaster": lambda artefact: artefact | {"forecaster": "oracle"},
    "forecaster no name": lambda artefact: artefact | {"forecaster": ["oracle"]},
    "no forecaster": lambda artefact: {k: v for k, v in artefact.items() if k != "forecaster"},
    "no state": lambda artefact: {k: v for k, v in artefact.items() if k != "state"},
    "empty state": lambda artefact: artefact | {"state": {}},
    "state no object": lambda artefact: artefact | {"state": [1, 2]},
    "state null": lambda artefact: artefact | {"state": None},
    "another symbol": lambda artefact: artefact | {"symbol": "ETH/USDT"},
    "another timeframe": lambda artefact: artefact | {"timeframe": "4h"},
    "another cutoff": lambda artefact: artefact | {"cutoff": OCT.isoformat()},
    "a future schema": lambda artefact: artefact | {"schema_version": SCHEMA_VERSION + 1},
    "no object": lambda _: [1, 2],
}


def vouched(version: ModelVersion, artefact: Any) -> None:
    """Store an artefact that metadata vouches for, forecaster included."""
    content = json.dumps(artefact).encode()
    (version.folder / "model.json").write_bytes(content)
    named = artefact.get("forecaster") if isinstance(artefact, dict) else None
    path = version.folder / "metadata.json"
    digest = hashlib.sha256(content).hexdigest()
    path.write_bytes(resealed(artefact_sha256=digest, forecaster=named)(path.read_bytes()))


@pytest.mark.parametrize("name", ARTEFACTS)
def test_an_artefact_that_is_none_is_refused_even_if_all_hashes_are_right(
    registry: ModelRegistry, name: str
) -> None:
    version = registry.add(BTC, model(), NOV, facts())
    artefact = json.loads((version.folder / "model.json").read_bytes())
    vouched(version, ARTEFACTS[name](artefact))
    with pytest.raises(CorruptArtefact) as refusal:
        registry.load(version)
    assert str(version.folder / "model.json") in str(refusal.value)
    assert "adding .damaged to its name" in str(refusal.value)


def test_an_untouched_artefact_with_new_hashes_still_loads(registry: ModelRegistry) -> None:
    version = registry.add(BTC, model(), NOV, facts())
    vouched(version, json.loads((version.folder / "model.json").read_bytes()))
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


# ----------------------------------------------------------------------------------------- removal


def filled(registry: ModelRegistry, count: int = 4) -> list[ModelVersion]:
    forecaster = model()
    return [
        registry.add(BTC, forecaster, OCT + timedelta(days=day), facts()) for day in range(count)
    ]


def test_a_removed_version_is_gone_and_removing_it_again_changes_nothing(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    first, second, *others = filled(registry)
    registry.remove(second)
    registry.remove(second)
    assert registry.versions(BTC) == [first, *others]
    names = {path.name for path in (tmp_path / FOLDER).iterdir()}
    assert names == {".lock", *(version.folder.name for version in (first, *others))}
    assert registry.add(BTC, model(), NOV, facts()).number == 5


def test_the_newest_number_stays_so_that_it_is_never_given_again(registry: ModelRegistry) -> None:
    versions = filled(registry)
    with pytest.raises(DataRefused, match="Version 4 of BTC/USDT 1h is the newest"):
        registry.remove(versions[-1])
    assert registry.versions(BTC) == versions


def test_what_ever_held_a_role_stays(registry: ModelRegistry) -> None:
    versions = filled(registry)
    told: dict[str, Any] = {"reason": "", "by": "", "recorded_at": NOV}
    registry.appoint(BTC, CHAMPION, versions[0], NOV, **told)
    registry.appoint(BTC, CHALLENGER, versions[1], NOV, **told)
    registry.appoint(BTC, CHALLENGER, None, NOV, **told)
    for version in versions[:2]:
        with pytest.raises(DataRefused, match="holds or held a role"):
            registry.remove(version)
    registry.remove(versions[2])
    assert registry.versions(BTC) == [versions[0], versions[1], versions[3]]


def remove_and_die(home: Path, when: str) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    pytest.MonkeyPatch().setattr(when, die)
    registry = ModelRegistry(home)
    registry.remove(registry.versions(BTC)[1])


@pytest.mark.parametrize(
    ("when", "left"),
    [("pathlib.Path.rename", [1, 2, 3, 4]), ("shutil.rmtree", [1, 3, 4])],
)
def test_a_removal_killed_in_between_leaves_the_version_whole_or_gone(
    tmp_path: Path, registry: ModelRegistry, when: str, left: list[int]
) -> None:
    versions = filled(registry)
    child = PROCESSES.Process(target=remove_and_die, args=(tmp_path, when), daemon=True)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert numbers(registry) == left
    for version in registry.versions(BTC):
        assert registry.load(version).state() == model().state()
    registry.remove(versions[1])
    assert numbers(registry) == [1, 3, 4]
    registry.add(BTC, model(), NOV, facts())
    assert not list((tmp_path / FOLDER).glob("*.removed"))
    assert numbers(registry) == [1, 3, 4, 5]
