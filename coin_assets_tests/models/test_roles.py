"""The record of roles in the registry: an append-only file.

- Appointments are idempotent, and every registry sees them at once.
- A killed appointment leaves the record before or after it; concurrent ones are all recorded.
- A damaged record raises an error with file and remedy.
- A rollback restores roles and artefacts to the byte.
"""

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.domain.evaluation.roles import Roles, version_for
from coin_assets.domain.forecasting.frame import CHALLENGER, CHAMPION
from coin_assets.errors import CorruptArtefact, DataRefused
from coin_assets.files.cache import FileCache
from coin_assets.files.checksummed_json import with_checksum
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.models.role_files import SCHEMA_VERSION
from coin_assets_tests.domain.evaluation.role_holders import holder_at
from coin_assets_tests.models.test_registry import BTC, ETH, NOV, OCT, PROCESSES, facts, model

FILE = Path("models/symbol=BTC_USDT/timeframe=1h/roles.json")
DAY = timedelta(days=1)


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path)


@pytest.fixture
def versions(registry: ModelRegistry) -> list[ModelVersion]:
    """Five, one a day from October on."""
    forecaster = model()
    return [registry.add(BTC, forecaster, OCT + day * DAY, facts()) for day in range(5)]


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


def test_what_is_appointed_comes_back_as_it_was_told(
    tmp_path: Path, registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    since = OCT + 9 * DAY
    told = registry.appoint(
        BTC, CHAMPION, versions[1], since, reason="bésser", by="update", recorded_at=NOV
    )
    found = ModelRegistry(tmp_path).roles(BTC)
    assert found == told
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


def test_only_versions_of_the_key_can_be_appointed(
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


# -------------------------------------------------------------------------------------- damage

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: content[:0],
    "truncated": lambda content: content[:-10],
    "no text": lambda _: b"\xff\xfe\x00",
    "no object": lambda _: b"[]x",
    "a list": lambda _: b"[1, 2]",
    "another version named": lambda content: content.replace(b'"2"', b'"3"', 1),
    "no seal": lambda content: content.replace(b'"sha256"', b'"sha255"', 1),
    "a future schema": lambda _: with_checksum(
        {"schema_version": SCHEMA_VERSION + 1, "changes": []}
    ),
    "no changes": lambda _: with_checksum({"schema_version": SCHEMA_VERSION}),
    "changes of nothing": lambda _: with_checksum(
        {"schema_version": SCHEMA_VERSION, "changes": [{}]}
    ),
    "changes no list": lambda _: with_checksum({"schema_version": SCHEMA_VERSION, "changes": 7}),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_record_is_refused_and_never_written_over(
    tmp_path: Path, registry: ModelRegistry, versions: list[ModelVersion], name: str
) -> None:
    appoint(registry, CHAMPION, versions[1], NOV)
    damaged = DAMAGES[name]((tmp_path / FILE).read_bytes())
    (tmp_path / FILE).write_bytes(damaged)
    attempts: tuple[Callable[[], Any], ...] = (
        lambda: registry.roles(BTC),
        lambda: appoint(registry, CHAMPION, versions[2], NOV),
        lambda: challenge(registry),
        lambda: registry.remove(versions[0]),
    )
    for attempt in attempts:
        with pytest.raises(CorruptArtefact) as refusal:
            attempt()
        assert str(tmp_path / FILE) in str(refusal.value)
        assert "from a backup" in str(refusal.value)
    assert (tmp_path / FILE).read_bytes() == damaged
    assert registry.versions(BTC) == versions


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_byte_is_refused_or_changes_nothing(tmp_path: Path, data: st.DataObject) -> None:
    registry = ModelRegistry(tmp_path)
    if not registry.versions(BTC):
        appoint(registry, CHAMPION, registry.add(BTC, model(), OCT, facts()), NOV)
    content, expected = (tmp_path / FILE).read_bytes(), registry.roles(BTC)
    place = data.draw(st.integers(0, len(content) - 1))
    flipped = content[place] ^ (1 << data.draw(st.integers(0, 7)))
    (tmp_path / FILE).write_bytes(content[:place] + bytes([flipped]) + content[place + 1 :])
    try:
        assert registry.roles(BTC) == expected
    except CorruptArtefact as refusal:
        assert str(tmp_path / FILE) in str(refusal)  # noqa: PT017 (not refusing is right, too)
    finally:
        (tmp_path / FILE).write_bytes(content)


# ------------------------------------------------------------------------ killed, at the same time


def appoint_and_die_before_the_rename(home: Path) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    pytest.MonkeyPatch().setattr(Path, "replace", die)
    registry = ModelRegistry(home)
    appoint(registry, CHAMPION, registry.versions(BTC)[3], NOV)


def test_an_appointment_killed_at_the_last_moment_leaves_record_and_lock_free(
    tmp_path: Path, registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    known = appoint(registry, CHAMPION, versions[1], NOV)
    child = PROCESSES.Process(
        target=appoint_and_die_before_the_rename, args=(tmp_path,), daemon=True
    )
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert list((tmp_path / FILE).parent.glob(".roles.json.*"))
    assert registry.roles(BTC) == known
    assert registry.versions(BTC) == versions
    appoint(registry, CHAMPION, versions[3], NOV)
    assert holders(registry) == ("4", None)
    assert not list((tmp_path / FILE).parent.glob(".roles.json.*"))


ROUNDS = 15


def appoint_in_turn(home: Path, places: tuple[int, int], together: Barrier) -> None:
    registry = ModelRegistry(home)
    chosen = [registry.versions(BTC)[place] for place in places]
    together.wait()
    for count in range(ROUNDS):
        appoint(registry, CHAMPION, chosen[count % 2], NOV)


def test_of_appointments_by_two_processes_at_once_none_gets_lost(
    tmp_path: Path, registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    """Of every four versions each process appoints its own two, so each call is a change."""
    together = PROCESSES.Barrier(2)
    children = [
        PROCESSES.Process(target=appoint_in_turn, args=(tmp_path, places, together), daemon=True)
        for places in ((0, 1), (2, 3))
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    recorded = [change.version for change in registry.roles(BTC).changes]
    assert len(recorded) == 2 * ROUNDS
    for names in (("1", "2"), ("3", "4")):
        own = [version for version in recorded if version in names]
        assert own == [names[count % 2] for count in range(ROUNDS)]
    assert registry.versions(BTC) == versions


def test_of_threads_that_look_for_a_challenger_at_once_one_appoints_it(
    tmp_path: Path, registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    appoint(registry, CHAMPION, versions[0], NOV)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(challenge, [ModelRegistry(tmp_path) for _ in range(8)]))
    assert {roles.holder(CHALLENGER) for roles in found} == {"5"}
    assert len(registry.roles(BTC).changes) == 2


def test_times_are_written_in_utc(
    tmp_path: Path, registry: ModelRegistry, versions: list[ModelVersion]
) -> None:
    appoint(registry, CHAMPION, versions[0], NOV.astimezone())
    (change,) = json.loads((tmp_path / FILE).read_bytes())["changes"]
    assert change["since"] == NOV.astimezone(UTC).isoformat()
