"""Killed and concurrent writers of the model registry, and removal of versions."""

import os
import signal
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.errors import DataRefused
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets_tests.models.test_registry import (
    BTC,
    FOLDER,
    NOV,
    OCT,
    PROCESSES,
    facts,
    model,
    numbers,
)

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
    record: dict[str, Any] = {"reason": "", "by": "", "recorded_at": NOV}
    registry.appoint(BTC, CHAMPION, versions[0], NOV, **record)
    registry.appoint(BTC, CHALLENGER, versions[1], NOV, **record)
    registry.appoint(BTC, CHALLENGER, None, NOV, **record)
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
