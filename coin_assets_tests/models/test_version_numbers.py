"""The number of a version is never given again, whatever became of its folder.

Stored forecasts name the versions that made them, so a number means one model for ever.
"""

import shutil
from pathlib import Path

import pytest

from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.errors import CorruptArtefact
from coin_assets.models.registry import ModelRegistry
from coin_assets.models.training import train
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.models.test_registry import FOLDER, model
from coin_assets_tests.models.test_registry import facts as trained
from coin_assets_tests.models.trainings import BTC, HOUR, NOV, NOW, OCT, request, version_of
from coin_assets_tests.publish.test_publisher import forecast


@pytest.mark.parametrize("gone", [FOLDER, FOLDER.parents[1]], ids=["the series", "all models"])
def test_a_training_after_the_models_were_deleted_gets_a_number_that_no_forecast_names(
    tmp_path: Path, store: ParquetStore, registry: ModelRegistry, gone: Path
) -> None:
    train(store, registry, request(OCT), NOW)
    for origin, name in ((OCT, "9"), (NOV - HOUR, "12"), (NOV, "3")):
        store.add_forecasts(BTC, forecast(origin, name))
    shutil.rmtree(tmp_path / gone)
    assert version_of(train(store, registry, request(), NOW)).number == 13
    assert version_of(train(store, registry, request(NOV + HOUR), NOW)).number == 14


def test_a_restored_older_backup_does_not_give_numbers_again(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    store.add_forecasts(BTC, forecast(NOV, "12"))
    registry.add(BTC, model(), OCT, trained())  # what the backup holds
    assert version_of(train(store, registry, request(), NOW)).number == 13


def test_a_version_that_held_a_role_keeps_its_number_without_a_folder_or_a_forecast(
    registry: ModelRegistry,
) -> None:
    first = registry.add(BTC, model(), OCT, trained())
    second = registry.add(BTC, model(), NOV, trained())
    for role, version in ((CHAMPION, first), (CHALLENGER, second)):
        registry.appoint(BTC, role, version, NOV, reason="", by="", recorded_at=NOV)
    shutil.rmtree(second.folder)
    assert registry.add(BTC, model(), NOV, trained()).number == 3


def test_names_that_no_version_has_do_not_count(registry: ModelRegistry) -> None:
    strange = ("", "v7", "12.bak", "-5", "٣", "9" * 400, "007")
    assert registry.add(BTC, model(), NOV, trained(), used=strange).number == 8


def test_a_damaged_record_of_roles_fails_before_the_training(
    tmp_path: Path, store: ParquetStore, registry: ModelRegistry
) -> None:
    registry.add(BTC, model(), OCT, trained())
    (tmp_path / FOLDER / "roles.json").write_text("{")
    with pytest.raises(CorruptArtefact, match=r"roles\.json"):
        train(store, registry, request(), NOW)
    assert [version.number for version in registry.versions(BTC)] == [1]
