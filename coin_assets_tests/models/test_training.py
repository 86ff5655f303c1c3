"""Training of series on exactly the candles closed by the cutoff.

- An existing version is kept, also after its candles changed.
- Candles after the cutoff or before the lookback do not change a byte of the artefact.
- Months never fetched and a missing newest candle raise different errors; too few candles give no
  version and no error.
- A failure of one series does not affect the others.
- The newest version becomes challenger while the champion has none.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version as library_version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.candles.frame import content_hash, empty_candles
from coin_assets.domain.evaluation.holdout import validation, validation_facts
from coin_assets.domain.forecasting.frame import CHALLENGER, CHAMPION
from coin_assets.domain.forecasting.trainable import MOST_CALIBRATED, why_no_model
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import (
    CandlesNotYetAvailable,
    CorruptArtefact,
    MonthsNotFetched,
    PermanentError,
    TemporaryError,
)
from coin_assets.models.forecasters import new_forecaster
from coin_assets.models.registry import SCHEMA_VERSION, ModelRegistry, ModelVersion
from coin_assets.models.training import (
    CODE_VERSION,
    TrainingRequest,
    TrainingResult,
    train,
    train_all,
    training_candles,
    why_none,
)
from coin_assets.store.parquet import ParquetStore

BTC = Series("BTC/USDT", Timeframe.parse("1h"))
AUG, SEP, OCT, NOV, DEC = (datetime(2026, month, 1, tzinfo=UTC) for month in (8, 9, 10, 11, 12))
NOW = datetime(2026, 11, 3, 4, 5, 6, 789, tzinfo=UTC)
HOUR = timedelta(hours=1)


def candles(series: Series, start: datetime, end: datetime, seed: int = 0) -> pd.DataFrame:
    """Gapless candles that open in the range."""
    opens = series.timeframe.opens(start, end)
    close = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(len(opens))))
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    return pd.DataFrame({"timestamp": opens, **prices, "volume": 1.0})


def request(
    cutoff: datetime = NOV,
    series: Series = BTC,
    start: datetime = SEP,
    lookback: timedelta | None = None,
) -> TrainingRequest:
    text = None if lookback is None else f"{lookback.days}d"
    return TrainingRequest(series, cutoff, start, lookback, text)


@pytest.fixture
def store(tmp_path: Path) -> ParquetStore:
    """BTC 1h from September to the middle of November."""
    store = ParquetStore(tmp_path)
    store.write_candles(BTC, candles(BTC, SEP, NOV + 14 * 24 * HOUR), SEP, DEC)
    return store


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path)


def version_of(result: TrainingResult) -> ModelVersion:
    assert result.version is not None
    return result.version


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


def test_a_new_version_tells_everything_about_its_training(
    store: ParquetStore, registry: ModelRegistry
) -> None:
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


def test_scores_of_a_kept_version_are_told_again(
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


# ------------------------------------------------------------------------------ why there is none


def test_months_never_fetched_are_named(store: ParquetStore, registry: ModelRegistry) -> None:
    store.delete_candles(BTC, OCT, NOV)
    with pytest.raises(MonthsNotFetched) as refusal:
        train(store, registry, request(start=datetime(2026, 6, 1, tzinfo=UTC)), NOW)
    assert isinstance(refusal.value, PermanentError)
    assert str(refusal.value).startswith(
        "BTC/USDT 1h candles of 2026-06 to 2026-08, 2026-10 were never fetched,"
    )
    assert "BTC_USDT/ohlcv_1h" in str(refusal.value)
    assert registry.versions(BTC) == []


def test_months_outside_the_lookback_need_not_have_been_fetched(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    store.delete_candles(BTC, SEP, OCT)
    assert train(store, registry, request(lookback=timedelta(days=31)), NOW).created
    with pytest.raises(MonthsNotFetched, match=r"2026-09 were"):
        train(store, registry, request(lookback=timedelta(days=32)), NOW)


def test_a_fetched_month_without_candles_is_no_reason_to_refuse(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    store.merge_candles(BTC, empty_candles(), AUG, SEP)  # not listed yet
    assert train(store, registry, request(start=AUG), NOW).rows == 61 * 24


def test_a_missing_newest_candle_asks_to_try_again(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    due = NOV + 14 * 24 * HOUR
    assert train(store, registry, request(due), NOW).created
    with pytest.raises(CandlesNotYetAvailable) as refusal:
        train(store, registry, request(due + HOUR), NOW)
    assert isinstance(refusal.value, TemporaryError)
    assert "candle 2026-11-15 00:00 is due but not stored" in str(refusal.value)
    assert "end with 2026-11-14 23:00" in str(refusal.value)
    assert len(registry.versions(BTC)) == 1


def test_a_newest_candle_that_the_market_skipped_is_no_reason_to_wait(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    store.delete_candles(BTC, NOV - HOUR, NOV)
    assert train(store, registry, request(NOV), NOW).rows == 61 * 24 - 1


def test_no_candle_at_all_asks_to_try_again(tmp_path: Path, registry: ModelRegistry) -> None:
    store = ParquetStore(tmp_path)
    store.merge_candles(BTC, empty_candles(), SEP, NOV)
    with pytest.raises(CandlesNotYetAvailable, match="have not begun"):
        train(store, registry, request(), NOW)


@pytest.mark.parametrize("cutoff", [SEP + 239 * HOUR, SEP + HOUR, SEP, SEP - HOUR])
def test_too_few_candles_give_no_version_and_no_error(
    store: ParquetStore, registry: ModelRegistry, cutoff: datetime
) -> None:
    result = train(store, registry, request(cutoff), NOW)
    assert result.version is None
    assert result.error is None
    assert not result.created
    assert result.rows == max(0, (cutoff - SEP) // HOUR)
    assert result.insufficient is not None
    assert "needs 240" in result.insufficient
    assert registry.versions(BTC) == []


def test_enough_candles_later_give_a_version_after_all(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    assert train(store, registry, request(SEP + 239 * HOUR), NOW).version is None
    assert version_of(train(store, registry, request(SEP + 240 * HOUR), NOW)).number == 1


@pytest.mark.parametrize(
    ("timeframe", "minimum"), [("1h", 240), ("1d", 120), ("1w", 52), ("1M", 24)]
)
def test_a_model_needs_enough_candles_closed_by_the_cutoff(
    tmp_path: Path, timeframe: str, minimum: int
) -> None:
    series, store = Series("BTC/USDT", Timeframe.parse(timeframe)), ParquetStore(tmp_path)
    start = datetime(2020, 1, 6 if timeframe == "1w" else 1, tzinfo=UTC)
    cutoff = series.timeframe.shift(start, minimum)
    end = series.timeframe.shift(cutoff, 5)
    store.write_candles(series, candles(series, start, end), start, end)
    assert why_none(store, series, start, cutoff) is None
    assert (
        why_none(store, series, start, series.timeframe.next(cutoff) - timedelta.resolution) is None
    )
    few = f"{minimum - 1} {timeframe} candles are too few; a forecast needs {minimum}."
    assert why_none(store, series, start, cutoff - timedelta.resolution) == few
    assert why_none(store, series, series.timeframe.next(start), cutoff) == few


@pytest.mark.parametrize("ticks", [0.0, 0.03])
def test_a_price_that_hardly_moves_gives_no_model_and_every_part_has_the_same_reason(
    store: ParquetStore, registry: ModelRegistry, ticks: float
) -> None:
    """A pegged coin: all closes equal, or one tick now and then."""
    end = SEP + 500 * HOUR
    pegged = candles(BTC, SEP, end)
    moved = np.random.default_rng(7).random(len(pegged)) < ticks
    close = 1 + 0.0001 * moved
    pegged = pegged.assign(open=1.0, high=close + 0.001, low=0.999, close=close)
    store.write_candles(BTC, pegged, SEP, end)
    result = train(store, registry, request(end), NOW)
    assert result.version is None
    assert result.insufficient is not None
    assert "hardly ever moved" in result.insufficient
    assert why_none(store, BTC, SEP, end) == result.insufficient


class Reading(ParquetStore):
    """Counts the candles that are read."""

    read = 0

    def read_candles(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        found = super().read_candles(series, start, end)
        self.read += len(found)
        return found


def test_why_there_is_no_model_is_read_once_while_the_candles_stay_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, end = Reading(tmp_path), SEP + 500 * HOUR
    flat = candles(BTC, SEP, end).assign(open=1.0, high=1.0, low=1.0, close=1.0)
    store.write_candles(BTC, flat, SEP, end)
    monkeypatch.setattr(time, "time_ns", lambda: 2**62)  # files changed long ago
    reason = why_none(store, BTC, SEP, end)
    assert reason is not None
    read = store.read
    assert read >= 500
    assert [why_none(store, BTC, SEP, end) for _ in range(100)] == [reason] * 100
    assert store.read == read
    store.write_candles(BTC, candles(BTC, SEP, end), SEP, end)  # the same opens, and it moves
    assert why_none(store, BTC, SEP, end) is None


def test_of_a_sparse_series_as_many_candles_are_read_as_decide(tmp_path: Path) -> None:
    store, end = ParquetStore(tmp_path), SEP + 20_000 * HOUR
    whole = candles(BTC, SEP, end)
    close = np.where(np.arange(len(whole)) < 12_000, whole["close"], 1.0)
    frame = whole.assign(open=close, high=close, low=close, close=close)
    kept = frame[np.random.default_rng(7).random(len(frame)) < 0.3]
    store.write_candles(BTC, kept, SEP, end)
    assert len(kept) < MOST_CALIBRATED
    assert why_none(store, BTC, SEP, end) is why_no_model(kept, BTC.timeframe) is None


@pytest.mark.parametrize("timeframe", ["1d", "3d", "1w", "1M"])
def test_only_months_that_candles_open_in_need_to_be_fetched(
    tmp_path: Path, registry: ModelRegistry, timeframe: str
) -> None:
    """The last week of October closes in November, but it is stored in October."""
    series, store = Series("BTC/USDT", Timeframe.parse(timeframe)), ParquetStore(tmp_path)
    start = datetime(2023, 1, 1, tzinfo=UTC)
    store.write_candles(series, candles(series, start, NOV), start, NOV)
    last = store.newest_candles([series])[series]
    cutoff = series.timeframe.close_of(last)
    result = train(store, registry, request(cutoff, series, start), NOW)
    assert result.rows == len(candles(series, start, NOV))
    assert version_of(result).metadata()["data_end"] == cutoff.isoformat()


# ----------------------------------------------------------------------------------- the challenger


def crowned(store: ParquetStore, registry: ModelRegistry) -> ModelVersion:
    """A champion: the version of October."""
    champion = version_of(train(store, registry, request(OCT), NOW))
    registry.appoint(BTC, CHAMPION, champion, OCT, reason="", by="", recorded_at=NOW)
    return champion


def test_the_newest_training_challenges_a_champion_without_challenger(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    train(store, registry, request(OCT), NOW)
    assert registry.roles(BTC).is_empty
    crowned(store, registry)
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


def test_a_training_killed_before_the_appointment_is_made_good_by_the_next(
    store: ParquetStore, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowned(store, registry)

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


def test_too_few_candles_challenge_nobody(store: ParquetStore, registry: ModelRegistry) -> None:
    crowned(store, registry)
    wanted = request(NOV, lookback=timedelta(days=9))
    assert train(store, registry, wanted, NOW).insufficient is not None
    assert registry.roles(BTC).holder(CHALLENGER) is None


# ---------------------------------------------------------------------------------------- many keys


def test_one_failing_key_leaves_the_others(store: ParquetStore, registry: ModelRegistry) -> None:
    ether, young, never = (Series(f"{coin}/USDT", BTC.timeframe) for coin in ("ETH", "NEW", "OLD"))
    store.write_candles(ether, candles(ether, SEP, NOV), SEP, NOV)
    store.write_candles(young, candles(young, NOV - 9 * HOUR, NOV), SEP, NOV)
    requests = [request(series=series) for series in (never, BTC, young, ether)]
    heard: list[TrainingResult] = []
    results = train_all(store, registry, requests, NOW, heard.append)
    assert heard == results
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


def test_a_corrupt_file_of_one_key_leaves_the_others(
    tmp_path: Path, store: ParquetStore, registry: ModelRegistry
) -> None:
    ether = Series("ETH/USDT", BTC.timeframe)
    store.write_candles(ether, candles(ether, SEP, NOV), SEP, NOV)
    path = tmp_path / "candles/symbol=BTC_USDT/timeframe=1h/month=2026-10/candles.parquet"
    path.write_bytes(b"")
    results = train_all(store, registry, [request(), request(series=ether)], NOW, lambda _: None)
    assert str(path) in str(results[0].error)
    assert results[1].created


def test_a_damaged_version_or_record_of_one_key_leaves_the_others(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    ether, ripple = (Series(f"{coin}/USDT", BTC.timeframe) for coin in ("ETH", "XRP"))
    for series in (ether, ripple):
        store.write_candles(series, candles(series, SEP, NOV), SEP, NOV)
    damaged = version_of(train(store, registry, request(), NOW))
    (damaged.folder / "metadata.json").write_bytes(b"")
    champion = version_of(train(store, registry, request(series=ether), NOW))
    registry.appoint(ether, CHAMPION, champion, NOV, reason="", by="", recorded_at=NOW)
    record = champion.folder.parent / "roles.json"
    record.write_bytes(b"")
    requests = [request(series=series) for series in (BTC, ether, ripple)]
    results = train_all(store, registry, requests, NOW, lambda _: None)
    assert [type(result.error) for result in results[:2]] == [CorruptArtefact] * 2
    assert str(damaged.folder) in str(results[0].error)
    assert str(record) in str(results[1].error)
    assert results[2].created


class Watched(ParquetStore):
    """Counts reads of candles, and how many keys are read at once; some keys break.

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
    store, frame = ParquetStore(tmp_path), candles(BTC, SEP, NOV)
    series_list = [Series(symbol, BTC.timeframe) for symbol in symbols]
    for series in series_list:
        store.write_candles(series, frame, SEP, NOV)
    return [request(series=series) for series in series_list]


def test_the_store_is_read_once_a_key_and_as_many_keys_at_a_time_as_there_are_cores(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    cores = os.cpu_count() or 1
    requests = twins(tmp_path, *(f"C{number}/USDT" for number in range(cores + 2)))
    watched = Watched(tmp_path, cores)
    train_all(watched, registry, requests, NOW, lambda _: None)
    assert dict(watched.reads) == dict.fromkeys((each.series for each in requests), 1)
    assert watched.most == cores


def test_a_defect_in_one_key_rises_when_the_others_are_trained_and_told(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    requests = twins(tmp_path, "A/USDT", "B/USDT", "C/USDT", "D/USDT")
    watched = Watched(tmp_path, 1, broken=frozenset({"A/USDT", "C/USDT"}))
    heard: list[TrainingResult] = []
    with pytest.raises(ZeroDivisionError) as defect:
        train_all(watched, registry, requests, NOW, heard.append)
    assert [result.request.series.symbol for result in heard] == ["B/USDT", "D/USDT"]
    assert all(result.created for result in heard)
    assert [note[:22] for note in defect.value.__notes__] == [
        "Training A/USDT 1h fai",
        "Training C/USDT 1h fai",
    ]


def test_an_interrupted_run_trains_no_more_keys_than_have_begun(
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
