"""Damaged records of roles, and killed and concurrent appointments."""

import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.errors import CorruptArtefact
from coin_assets.files.checksummed_json import with_checksum
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.models.role_files import SCHEMA_VERSION
from coin_assets_tests.models.test_registry import BTC, NOV, OCT, PROCESSES, facts, model
from coin_assets_tests.models.test_roles import FILE, appoint, challenge, holders

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


def test_of_threads_that_seek_a_challenger_at_once_one_appoints_it(
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
