"""The record of roles in the registry: an append-only file.

- Appointments are idempotent, and every registry sees them at once.
- A killed appointment leaves the record before or after it; concurrent ones are all recorded.
- A damaged record raises an error with file and remedy.
- A rollback restores roles and artefacts to the byte.
"""

import json
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from coin_assets.domain.evaluation.roles import Roles, version_for
from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.errors import CorruptArtefact, DataRefused
from coin_assets.files.cache import FileCache
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets_tests.domain.evaluation.role_holders import holder_at
from coin_assets_tests.models.test_registry import BTC, ETH, NOV, OCT, facts, model

FILE = Path("models/symbol=BTC_USDT/timeframe=1h/roles.json")
DAY = timedelta(days=1)


def appoint(
    registry: ModelRegistry, role: str, version: ModelVersion | None, since: datetime
) -> Roles:
    return registry.appoint(BTC, role, version, since, reason="why", by="who", recorded_at=NOV)


def holders(registry: ModelRegistry) -> tuple[str | None, str | None]:
    roles = registry.roles(BTC)
    return roles.holder(CHAMPION), roles.holder(CHALLENGER)


def challenge(registry: ModelRegistry) -> Roles:
    return registry.appoint_next_challenger(BTC, reason="next", by="who", recorded_at=NOV)


# ------------------------------------------------------------------------------------- appointment


def test_without_appointments_there_is_no_record(
    tmp_path: Path, registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    assert registry.roles(BTC).is_empty
    assert registry.roles(ETH).is_empty
    assert challenge(registry).is_empty
    assert not (tmp_path / FILE).exists()
    assert len(registry.versions(BTC)) == len(versions)


def test_what_is_appointed_is_read_as_it_was_recorded(
    tmp_path: Path, registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    since = OCT + 9 * DAY
    recorded = registry.appoint(
        BTC, CHAMPION, versions[1], since, reason="bésser", by="update", recorded_at=NOV
    )
    found = ModelRegistry(tmp_path).roles(BTC)
    assert found == recorded
    (change,) = found.changes
    assert (change.role, change.version, change.since) == (CHAMPION, "2", since)
    assert (change.reason, change.by, change.recorded_at) == ("bésser", "update", NOV)
    assert json.loads((tmp_path / FILE).read_bytes())["changes"][0]["since"] == since.isoformat()


def test_appointing_again_changes_no_byte(
    tmp_path: Path, registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    appoint(registry, CHAMPION, versions[1], NOV)
    appoint(registry, CHALLENGER, versions[2], NOV)
    status, content = (tmp_path / FILE).stat(), (tmp_path / FILE).read_bytes()
    appoint(registry, CHAMPION, versions[1], NOV + DAY)
    appoint(registry, CHALLENGER, versions[2], NOV + DAY)
    assert (tmp_path / FILE).read_bytes() == content
    assert (tmp_path / FILE).stat() == status


def test_every_appointment_is_seen_at_once_by_all_registries(
    tmp_path: Path,
    registry: ModelRegistry,
    versions: list[ModelVersion],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coin_assets.models.role_files._ROLES", FileCache[Roles](10, settled=0.02))
    for version in versions:
        appoint(registry, CHAMPION, version, NOV)
        assert holders(ModelRegistry(tmp_path)) == (version.name, None)
        time.sleep(0.03)
        assert holders(ModelRegistry(tmp_path)) == (version.name, None)


def test_only_versions_of_the_series_can_be_appointed(
    registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    foreign = registry.add(ETH, model(), OCT, facts())
    gone = versions[1]
    registry.remove(gone)
    for version in (foreign, gone):
        with pytest.raises(DataRefused, match=r"BTC/USDT 1h has no version .* 1, 3, 4, 5\."):
            appoint(registry, CHAMPION, version, NOV)
    assert registry.roles(BTC).is_empty


def test_a_refused_appointment_leaves_the_record_as_it_was(
    registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    known = appoint(registry, CHAMPION, versions[2], NOV)
    for version, since in ((versions[3], NOV - DAY), (versions[4], OCT), (None, NOV)):
        with pytest.raises(DataRefused):
            appoint(registry, CHAMPION, version, since)
    assert registry.roles(BTC) == known


# ---------------------------------------------------------------------------------- the challenger


def test_the_next_challenger_counts_from_its_cutoff_on(
    registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    appoint(registry, CHAMPION, versions[1], OCT + 2 * DAY)
    challenge(registry)
    assert holders(registry) == ("2", "5")
    roles = registry.roles(BTC)
    assert holder_at(roles, CHALLENGER, versions[4].cutoff) == "5"
    assert holder_at(roles, CHALLENGER, versions[4].cutoff - timedelta.resolution) is None
    registry.add(BTC, model(), NOV, facts())
    assert challenge(registry) == roles


def test_after_an_earlier_challenger_the_next_counts_from_the_end_of_that_one_on(
    registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    appoint(registry, CHAMPION, versions[1], OCT + 2 * DAY)
    challenge(registry)
    appoint(registry, CHALLENGER, None, NOV)
    challenge(registry)
    assert holders(registry) == ("2", "4")
    roles = registry.roles(BTC)
    assert holder_at(roles, CHALLENGER, NOV - DAY) == "5"
    assert holder_at(roles, CHALLENGER, NOV) == "4"


def test_nobody_challenges_a_champion_whose_version_is_gone(
    registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    champion = versions[1]
    roles = appoint(registry, CHAMPION, champion, NOV)
    champion.folder.rename(champion.folder.with_name(f"{champion.folder.name}.damaged"))
    assert challenge(registry) == roles
    with pytest.raises(CorruptArtefact, match="Model version 2, champion since 2026-11-01"):
        version_for(CHAMPION, registry.versions(BTC), roles, NOV)
    restored = appoint(registry, CHAMPION, versions[2], NOV)
    assert version_for(CHAMPION, registry.versions(BTC), restored, NOV) == versions[2]


# ---------------------------------------------------------------------------------------- rollback


def contents(home: Path) -> dict[Path, bytes]:
    """Every file of every version."""
    return {path: path.read_bytes() for path in home.rglob("*/*.json") if path.name != FILE.name}


def test_a_rollback_restores_roles_and_artefacts_to_the_byte(
    tmp_path: Path, registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    appoint(registry, CHAMPION, versions[1], OCT + 9 * DAY)
    appoint(registry, CHALLENGER, versions[3], OCT + 9 * DAY)
    artefacts = contents(tmp_path)
    before = registry.roles(BTC)
    appoint(registry, CHAMPION, versions[3], OCT + 20 * DAY)
    assert holders(registry) == ("4", None)
    previous = registry.roles(BTC).previous_champion()
    (back,) = [version for version in registry.versions(BTC) if version.name == previous]
    after = appoint(registry, CHAMPION, back, OCT + 25 * DAY)
    assert holders(registry) == ("2", None)
    assert after.changes[: len(before.changes)] == before.changes
    assert contents(tmp_path) == artefacts
    assert version_for(CHAMPION, registry.versions(BTC), after, NOV) == versions[1]
    assert registry.load(versions[1]).state() == model().state()
