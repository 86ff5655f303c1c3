"""Trainings of many series, and the challenger that they appoint."""

import os
import threading
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.methods import CHALLENGER
from coin_assets.domain.series import Series
from coin_assets.errors import (
    CorruptArtefact,
    MonthsNotFetched,
)
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.models.training import (
    TrainingRequest,
    TrainingResult,
    train,
    train_all,
)
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.models.trainings import (
    BTC,
    HOUR,
    NOV,
    NOW,
    OCT,
    crowned,
    request,
    stored,
    version_of,
)

# ----------------------------------------------------------------------------------- the challenger


@pytest.fixture
def champion(store: ParquetStore, registry: ModelRegistry) -> ModelVersion:
    """The version of October."""
    return crowned(registry, version_of(train(store, registry, request(OCT), NOW)))


def test_the_newest_training_challenges_a_champion_without_challenger(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    train(store, registry, request(OCT), NOW)
    assert registry.roles(BTC).is_empty
    crowned(registry, registry.versions(BTC)[0])
    train(store, registry, request(OCT - 24 * HOUR), NOW)
    assert registry.roles(BTC).holder(CHALLENGER) is None
    second = version_of(train(store, registry, request(NOV), NOW))
    third = version_of(train(store, registry, request(NOV + 24 * HOUR), NOW))
    change = registry.roles(BTC).last_change(CHALLENGER)
    assert change is not None
    assert (change.version, change.since) == (second.name, second.cutoff)
    assert (change.by, change.recorded_at) == ("training", NOW)
    assert change.reason == "newest training while there is no challenger"
    registry.appoint(BTC, CHALLENGER, None, NOW, reason="", by="", recorded_at=NOW)
    train(store, registry, request(OCT), NOW)
    assert registry.roles(BTC).holder(CHALLENGER) == third.name


@pytest.mark.usefixtures("champion")
def test_a_training_killed_before_the_appointment_is_made_good_by_the_next(
    store: ParquetStore, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ModelRegistry, "appoint_next_challenger", killed)
        with pytest.raises(KeyboardInterrupt):
            train(store, registry, request(NOV), NOW)
    assert len(registry.versions(BTC)) == 2
    assert registry.roles(BTC).holder(CHALLENGER) is None
    for _ in range(2):
        assert not train(store, registry, request(NOV), NOW).created
        assert registry.roles(BTC).holder(CHALLENGER) == "2"
    assert len(registry.roles(BTC).changes) == 2


@pytest.mark.usefixtures("champion")
def test_too_few_candles_challenge_nobody(store: ParquetStore, registry: ModelRegistry) -> None:
    wanted = request(NOV, lookback=timedelta(days=9))
    assert train(store, registry, wanted, NOW).insufficient is not None
    assert registry.roles(BTC).holder(CHALLENGER) is None


# -------------------------------------------------------------------------------------- many series


def test_one_failing_series_leaves_the_others(store: ParquetStore, registry: ModelRegistry) -> None:
    ether, young = stored(store, "ETH/USDT"), stored(store, "NEW/USDT", NOV - 9 * HOUR)
    never = Series("OLD/USDT", BTC.timeframe)
    requests = [request(series=series) for series in (never, BTC, young, ether)]
    reported: list[TrainingResult] = []
    results = train_all(store, registry, requests, NOW, reported.append)
    assert reported == results
    assert [result.request for result in results] == requests
    failed, trained, insufficient, other = results
    assert isinstance(failed.error, MonthsNotFetched)
    assert (failed.version, failed.insufficient) == (None, None)
    assert version_of(trained).series == BTC
    assert version_of(other).series == ether
    assert insufficient.version is None
    assert insufficient.error is None
    assert insufficient.rows == 9
    assert [len(registry.versions(series)) for series in (never, BTC, young, ether)] == [0, 1, 0, 1]


def test_a_corrupt_file_of_one_series_leaves_the_others(
    tmp_path: Path, store: ParquetStore, registry: ModelRegistry
) -> None:
    ether = stored(store, "ETH/USDT")
    path = tmp_path / "candles/symbol=BTC_USDT/timeframe=1h/month=2026-10/candles.parquet"
    path.write_bytes(b"")
    results = train_all(store, registry, [request(), request(series=ether)], NOW, lambda _: None)
    assert str(path) in str(results[0].error)
    assert results[1].created


def test_a_damaged_version_or_record_of_one_series_leaves_the_others(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    ether, ripple = stored(store, "ETH/USDT"), stored(store, "XRP/USDT")
    damaged = version_of(train(store, registry, request(), NOW))
    (damaged.folder / "metadata.json").write_bytes(b"")
    champion = crowned(registry, version_of(train(store, registry, request(series=ether), NOW)))
    record = champion.folder.parent / "roles.json"
    record.write_bytes(b"")
    requests = [request(series=series) for series in (BTC, ether, ripple)]
    results = train_all(store, registry, requests, NOW, lambda _: None)
    assert [type(result.error) for result in results[:2]] == [CorruptArtefact] * 2
    assert str(damaged.folder) in str(results[0].error)
    assert str(record) in str(results[1].error)
    assert results[2].created


class Watched(ParquetStore):
    """Counts reads of candles, and how many series are read at once; some break.

    A read waits for others to come, so that all that may run at once do.
    """

    def __init__(self, root: Path, width: int, broken: frozenset[str] = frozenset()) -> None:
        super().__init__(root)
        self.reads: Counter[Series] = Counter()
        self.at_once = self.most = 0
        self._broken, self._width, self._lock = broken, width, threading.Lock()
        self._full = threading.Event()

    def read_candles(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        with self._lock:
            self.reads[series] += 1
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            if self.at_once >= self._width:
                self._full.set()
        self._full.wait(0.2)
        try:
            if series.symbol in self._broken:
                raise ZeroDivisionError(series.symbol)
            return super().read_candles(series, start, end)
        finally:
            with self._lock:
                self.at_once -= 1


def twins(tmp_path: Path, *symbols: str) -> list[TrainingRequest]:
    """A request for each symbol; all have the same candles."""
    store = ParquetStore(tmp_path)
    return [request(series=stored(store, symbol)) for symbol in symbols]


def test_the_store_is_read_once_a_series_and_as_many_at_a_time_as_there_are_cores(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    cores = os.cpu_count() or 1
    requests = twins(tmp_path, *(f"C{number}/USDT" for number in range(cores + 2)))
    watched = Watched(tmp_path, cores)
    train_all(watched, registry, requests, NOW, lambda _: None)
    assert dict(watched.reads) == dict.fromkeys((each.series for each in requests), 1)
    assert watched.most == cores


def test_a_defect_in_one_series_rises_when_the_others_are_trained_and_reported(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    requests = twins(tmp_path, "A/USDT", "B/USDT", "C/USDT", "D/USDT")
    watched = Watched(tmp_path, 1, broken=frozenset({"A/USDT", "C/USDT"}))
    reported: list[TrainingResult] = []
    with pytest.raises(ZeroDivisionError) as defect:
        train_all(watched, registry, requests, NOW, reported.append)
    assert [result.request.series.symbol for result in reported] == ["B/USDT", "D/USDT"]
    assert all(result.created for result in reported)
    assert [note[:22] for note in defect.value.__notes__] == [
        "Training A/USDT 1h fai",
        "Training C/USDT 1h fai",
    ]


def test_an_interrupted_run_trains_no_more_series_than_have_begun(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    count = 2 * (os.cpu_count() or 1) + 2
    requests = twins(tmp_path, *(f"C{number}/USDT" for number in range(count)))

    def interrupted(_: TrainingResult) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_all(Watched(tmp_path, 99), registry, requests, NOW, interrupted)
    trained = [each.series for each in requests if registry.versions(each.series)]
    assert 1 <= len(trained) < len(requests)


def test_training_all_again_keeps_every_version(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    requests = [request(cutoff) for cutoff in (OCT, NOV, NOV + 24 * HOUR)]
    first = train_all(store, registry, requests, NOW, lambda _: None)
    again = train_all(store, registry, requests, NOW, lambda _: None)
    assert [result.version for result in again] == [result.version for result in first]
    assert [result.created for result in first + again] == [True] * 3 + [False] * 3
    assert sorted(version_of(result).number for result in first) == [1, 2, 3]
