"""Damaged versions in the model registry."""

import errno
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact, MachineFault
from coin_assets.files.checksummed_json import with_checksum
from coin_assets.models.registry import SCHEMA_VERSION, ModelRegistry, ModelVersion
from coin_assets_tests.models.test_registry import BTC, ETH, FOLDER, NOV, OCT, facts, model


def rewrite(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[bytes], bytes]:
    """An edit by hand."""
    return lambda content: json.dumps(change(json.loads(content))).encode()


def with_new_checksum(**facts: Any) -> Callable[[bytes], bytes]:
    """An edit that also replaces the checksum in the file."""

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
    "another artefact's hash": ("metadata.json", with_new_checksum(artefact_sha256="0" * 64)),
    "another symbol": ("metadata.json", with_new_checksum(symbol="ETH/USDT")),
    "another timeframe": ("metadata.json", with_new_checksum(timeframe="4h")),
    "another cutoff": ("metadata.json", with_new_checksum(cutoff=OCT.isoformat())),
    "another version": ("metadata.json", with_new_checksum(model_version="7")),
    "another forecaster": ("metadata.json", with_new_checksum(forecaster="oracle")),
    "an earlier schema": ("metadata.json", with_new_checksum(schema_version=SCHEMA_VERSION - 1)),
    "a future schema": ("metadata.json", with_new_checksum(schema_version=SCHEMA_VERSION + 1)),
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


@pytest.mark.parametrize("file", ["model.json", "metadata.json"])
def test_a_fault_of_the_machine_is_no_reason_to_replace_the_version(
    registry: ModelRegistry, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = registry.add(BTC, model(), NOV, facts())
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == file:
            raise OSError(errno.EMFILE, "Too many open files")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(MachineFault, match="the file is intact") as refusal:
        registry.load(version)
    assert str(version.folder / file) in str(refusal.value)
    assert "damaged" not in str(refusal.value)


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
    path.write_bytes(with_new_checksum(artefact_sha256=digest, forecaster=named)(path.read_bytes()))


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
