"""Training of series on exactly the candles closed by the cutoff.

- An existing version is kept, also after its candles changed.
- Candles after the cutoff or before the lookback do not change a byte of the artefact.
- Months never fetched and a missing newest candle raise different errors; too few candles give no
  version and no error.
- A failure of one series does not affect the others.
- The newest version becomes challenger while the champion has none.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version as library_version
from pathlib import Path

import pytest

from coin_assets.domain.candles.frame import content_hash
from coin_assets.domain.evaluation.holdout import validation, validation_facts
from coin_assets.models.forecasters import new_forecaster
from coin_assets.models.registry import SCHEMA_VERSION, ModelRegistry, ModelVersion
from coin_assets.models.training import (
    CODE_VERSION,
    TrainingResult,
    train,
    training_candles,
)
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.models.trainings import (
    BTC,
    DEC,
    HOUR,
    NOV,
    NOW,
    OCT,
    SEP,
    candles,
    request,
    version_of,
)


def artefact(result: TrainingResult) -> bytes:
    return (version_of(result).folder / "model.json").read_bytes()


# ------------------------------------------------------------------------------ which candles count


def test_only_candles_closed_by_the_cutoff_are_used(store: ParquetStore) -> None:
    used = training_candles(store, request(NOV + 30 * timedelta(minutes=1)))
    assert used["timestamp"].iloc[0] == SEP
    assert used["timestamp"].iloc[-1] == NOV - HOUR
    assert len(used) == (NOV - SEP) / HOUR
    assert training_candles(store, request(NOV + HOUR))["timestamp"].iloc[-1] == NOV


def test_lookback_cuts_the_past_but_never_reaches_before_history(store: ParquetStore) -> None:
    used = training_candles(store, request(lookback=timedelta(days=20)))
    assert used["timestamp"].iloc[0] == NOV - timedelta(days=20)
    assert len(used) == 20 * 24
    assert len(training_candles(store, request(lookback=timedelta(days=900)))) == 61 * 24


@pytest.mark.parametrize("lookback", [None, timedelta(days=30)])
def test_the_future_changes_no_byte(
    tmp_path: Path, store: ParquetStore, registry: ModelRegistry, lookback: timedelta | None
) -> None:
    honest = train(store, registry, request(OCT + 5 * HOUR, lookback=lookback), NOW)
    short = ParquetStore(tmp_path / "short")
    short.write_candles(BTC, candles(BTC, SEP, OCT + 5 * HOUR), SEP, NOV)
    wild = ParquetStore(tmp_path / "wild")
    wild.write_candles(BTC, candles(BTC, SEP, NOV), SEP, DEC)
    wild.write_candles(BTC, candles(BTC, OCT + 5 * HOUR, NOV, seed=9), OCT + 5 * HOUR, DEC)
    for name, other in (("short", short), ("wild", wild)):
        again = train(other, ModelRegistry(tmp_path / name), honest.request, NOW)
        assert artefact(again) == artefact(honest)
        assert version_of(again).metadata() == version_of(honest).metadata()


def test_what_lies_before_the_lookback_changes_no_byte(
    tmp_path: Path, store: ParquetStore, registry: ModelRegistry
) -> None:
    wanted = request(lookback=timedelta(days=20))
    honest = train(store, registry, wanted, NOW)
    store.write_candles(BTC, candles(BTC, SEP, OCT, seed=9), SEP, OCT)
    again = train(store, ModelRegistry(tmp_path / "again"), wanted, NOW)
    assert artefact(again) == artefact(honest)


def test_a_gap_is_trained_over(store: ParquetStore, registry: ModelRegistry) -> None:
    store.delete_candles(BTC, OCT + 24 * HOUR, OCT + 60 * HOUR)
    result = train(store, registry, request(), NOW)
    assert result.rows == 61 * 24 - 36
    assert result.created


# ----------------------------------------------------------------------------------------- versions


def test_a_new_version_describes_its_training(store: ParquetStore, registry: ModelRegistry) -> None:
    wanted = replace(request(lookback=timedelta(days=30)), run_id="7f3a")
    result = train(store, registry, wanted, NOW)
    used = store.read_candles(BTC, NOV - timedelta(days=30), NOV)
    metadata = version_of(result).metadata()
    digest = metadata.pop("artefact_sha256")
    held_out = validation(new_forecaster(BTC), used, BTC.timeframe)
    assert held_out is not None
    assert len(digest) == 64
    assert metadata == {
        "schema_version": SCHEMA_VERSION,
        "model_version": "1",
        "symbol": "BTC/USDT",
        "timeframe": "1h",
        "forecaster": new_forecaster(BTC).name,
        "features": list(new_forecaster(BTC).features),
        "cutoff": "2026-11-01T00:00:00+00:00",
        "lookback": "30d",
        "trained_at": "2026-11-03T04:05:06+00:00",
        "run_id": "7f3a",
        "data_start": "2026-10-02T00:00:00+00:00",
        "data_end": "2026-11-01T00:00:00+00:00",
        "rows": 720,
        "data_hash": content_hash(used),
        "code_version": CODE_VERSION,
        "package_version": library_version("coin_assets"),
        "loss": result.loss,
        **validation_facts(held_out),
        "libraries": {name: library_version(name) for name in ("numpy", "pandas", "scikit-learn")},
    }
    assert result == TrainingResult(
        wanted, result.version, created=True, rows=720, loss=result.loss, skill=held_out.skill
    )


def test_scores_of_a_kept_version_are_reported_again(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    first, again = (train(store, registry, request(), NOW) for _ in range(2))
    assert first.loss is not None
    assert first.skill is not None
    assert (again.loss, again.skill, again.created) == (first.loss, first.skill, False)


def test_an_existing_version_is_kept_even_if_the_candles_changed(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    first = train(store, registry, request(), NOW)
    kept = artefact(first)
    store.write_candles(BTC, candles(BTC, SEP, NOV, seed=9), SEP, NOV)
    again = train(store, registry, request(), NOW + timedelta(days=1))
    assert (again.version, again.created) == (first.version, False)
    assert again.rows == first.rows == 61 * 24
    assert artefact(again) == kept
    assert len(registry.versions(BTC)) == 1


def test_an_existing_version_needs_no_candles(store: ParquetStore, registry: ModelRegistry) -> None:
    first = train(store, registry, request(), NOW)
    store.delete_candles(BTC, SEP, DEC)
    assert train(store, registry, request(), NOW).version == first.version


def test_another_cutoff_or_lookback_is_another_version(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    requests = [
        request(NOV),
        request(OCT),
        request(NOV, lookback=timedelta(days=30)),
        request(NOV, lookback=timedelta(days=20)),
    ]
    results = [train(store, registry, wanted, NOW) for wanted in requests]
    assert [version_of(result).number for result in results] == [1, 2, 3, 4]
    assert [version_of(result).cutoff for result in results] == [NOV, OCT, NOV, NOV]
    assert all(result.created for result in results)


def test_the_same_candles_make_the_same_artefact_whenever_it_is_trained(
    tmp_path: Path, store: ParquetStore, registry: ModelRegistry
) -> None:
    first = train(store, registry, request(), NOW)
    elsewhere = ModelRegistry(tmp_path / "b")
    train(store, elsewhere, request(OCT), NOW)
    wanted = replace(request(), run_id="another")
    later = train(store, elsewhere, wanted, NOW + timedelta(days=9))
    assert (version_of(first).number, version_of(later).number) == (1, 2)
    assert artefact(later) == artefact(first)


def test_two_trainings_of_one_cutoff_at_once_make_one_version(
    tmp_path: Path, store: ParquetStore, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the planner and by hand: the second one finds nothing when it begins."""
    first = version_of(train(store, registry, request(), NOW))
    second = ModelRegistry(tmp_path)
    found: Iterator[ModelVersion | None] = iter([None])
    monkeypatch.setattr(second, "find", lambda *_: next(found, first))
    assert version_of(train(store, second, request(), NOW)) == first
    assert registry.versions(BTC) == [first]
