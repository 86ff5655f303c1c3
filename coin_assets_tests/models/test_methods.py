"""Trainings of several methods: side by side, killed, damaged, and in a home of before."""

import json
from pathlib import Path
from typing import Any

import pytest

from coin_assets.domain.methods import CHALLENGER, CHALLENGER_NAIVE, DEFAULT_METHOD, HAR, NAIVE
from coin_assets.errors import CorruptArtefact
from coin_assets.models.forecasters import restored_forecaster
from coin_assets.models.registry import ModelRegistry
from coin_assets.models.training import TrainingRequest, TrainingResult, train, train_all
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.models.trainings import (
    BTC,
    NOV,
    NOW,
    OCT,
    SEP,
    crowned,
    request,
    version_of,
)
from coin_assets_tests.platform import files_of


def both(cutoff: Any = NOV) -> TrainingRequest:
    return TrainingRequest(BTC, cutoff, SEP, others=(NAIVE,))


def made(registry: ModelRegistry) -> list[tuple[str, str, str]]:
    """Number, method and folder of each version."""
    return [(each.name, each.method, each.folder.name) for each in registry.versions(BTC)]


def test_one_training_makes_a_version_of_each_method(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    result = train(store, registry, both(), NOW)
    assert made(registry) == [
        ("1", HAR, "0001_20261101T000000Z"),
        ("2", NAIVE, "0002_20261101T000000Z_naive"),
    ]
    (naive,) = result.others
    assert (result.created, naive.created) == (True, True)
    assert naive.rows == result.rows
    assert naive.skill == pytest.approx(0.0, abs=1e-12)
    facts = version_of(naive).metadata()
    assert (facts["forecaster"], facts["features"]) == ("naive_returns", [])
    loaded = registry.load(version_of(naive))
    assert loaded.state() == restored_forecaster("naive_returns", loaded.state()).state()


def test_the_default_method_is_the_same_to_the_byte_beside_another(
    store: ParquetStore, tmp_path: Path
) -> None:
    alone, beside = (ModelRegistry(tmp_path / name) for name in ("alone", "beside"))
    train(store, alone, request(), NOW)
    train(store, beside, both(), NOW)
    files = [files_of(registry.folder_of(BTC)) for registry in (alone, beside)]
    assert set(files[0]) < set(files[1])
    assert all(files[1][name] == content for name, content in files[0].items())


def test_training_again_makes_nothing_new(store: ParquetStore, registry: ModelRegistry) -> None:
    train(store, registry, both(), NOW)
    before = files_of(registry.folder_of(BTC))
    again = train(store, registry, both(), NOW)
    assert [each.created for each in again.of_all_methods] == [False, False]
    assert files_of(registry.folder_of(BTC)) == before


@pytest.mark.parametrize("killed_at", [HAR, NAIVE])
def test_a_training_that_was_killed_between_the_methods_is_completed_by_the_next(
    store: ParquetStore, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    crowned(registry, version_of(train(store, registry, request(OCT), NOW)))
    add = ModelRegistry.add

    def killed(self: ModelRegistry, series: Any, forecaster: Any, *args: Any, **more: Any) -> Any:
        if forecaster.name.startswith(killed_at):
            raise KeyboardInterrupt
        return add(self, series, forecaster, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(ModelRegistry, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            train(store, registry, both(), NOW)
    assert registry.roles(BTC).holder(CHALLENGER_NAIVE) is None
    train(store, registry, both(), NOW)
    assert [method for _, method, _ in made(registry)] == [HAR, HAR, NAIVE]
    roles = registry.roles(BTC)
    assert (roles.holder(CHALLENGER), roles.holder(CHALLENGER_NAIVE)) == ("2", "3")


def test_a_challenger_of_each_method_counts_from_its_cutoff_on(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    crowned(registry, version_of(train(store, registry, both(OCT), NOW)))
    train(store, registry, both(OCT), NOW)
    roles = registry.roles(BTC)
    # The naive version of the champion's own cutoff may challenge it at once.
    assert (roles.holder(CHALLENGER), roles.holder(CHALLENGER_NAIVE)) == (None, "2")
    change = roles.last_change(CHALLENGER_NAIVE)
    assert change is not None
    assert change.since == OCT
    train(store, registry, both(NOV), NOW)
    roles = registry.roles(BTC)
    assert (roles.holder(CHALLENGER), roles.holder(CHALLENGER_NAIVE)) == ("3", "2")


def test_a_damaged_version_of_a_further_method_stops_that_method_only(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    train(store, registry, both(), NOW)
    (registry.versions(BTC)[1].folder / "metadata.json").write_text("{}")
    result = train(store, registry, both(), NOW)
    (naive,) = result.others
    assert (result.error, result.version) == (None, registry.versions(BTC)[0])
    assert isinstance(naive.error, CorruptArtefact)
    assert naive.version is None


def test_many_trainings_make_a_version_of_each_method(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    reported: list[TrainingResult] = []
    results = train_all(store, registry, [both(OCT), both(NOV)], NOW, reported.append)
    assert reported == results
    assert [len(each.of_all_methods) for each in results] == [2, 2]
    cutoffs = [(each.method, each.cutoff) for each in registry.versions(BTC)]
    assert sorted(cutoffs) == [(HAR, OCT), (HAR, NOV), (NAIVE, OCT), (NAIVE, NOV)]


def test_a_home_of_before_is_read_as_before_and_goes_on(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    first = crowned(registry, version_of(train(store, registry, request(OCT), NOW)))
    before = files_of(registry.folder_of(BTC))
    assert first.method == DEFAULT_METHOD
    assert "method" not in json.loads((first.folder / "metadata.json").read_bytes())
    train(store, registry, both(NOV), NOW)
    after = files_of(registry.folder_of(BTC))
    kept = {name: content for name, content in before.items() if "roles" not in name}
    assert {name: after[name] for name in kept} == kept
    assert [number for number, _, _ in made(registry)] == ["1", "2", "3"]
