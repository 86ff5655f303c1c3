"""The model registry: versions are numbered, immutable, and loaded as stored.

- A version is a folder named by number and cutoff; its artefact depends on the model only.
- Loading returns what was stored for this series and version, or raises `CorruptArtefact` with the
  path of the file.
- Killed writers leave no version; concurrent writers get different numbers.
- The number of a removed version is not used again; versions in use cannot be removed.
"""

import hashlib
import time
from datetime import UTC, datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.forecasting.frame import Forecaster
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import CorruptArtefact
from coin_assets.files.cache import FileCache
from coin_assets.models.forecasters import new_forecaster
from coin_assets.models.registry import SCHEMA_VERSION, ModelRegistry

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
    cache = "coin_assets.models.version_folders._VERSIONS"
    monkeypatch.setattr(cache, FileCache(10, settled=0.02))
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
