"""Publications of one run: written together, none later than a second, none lost by a failure."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.manifest_entries import ManifestEntry
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.publish.batch import PublishingBatch
from coin_assets.publish.publication import ManifestInputs, Publication
from coin_assets.publish.publisher import Publisher

HOURLY = Timeframe("1h")
SERIES = [Series(f"{coin}/USDT", HOURLY) for coin in ("BTC", "ETH", "SOL")]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIMITS = {"1h": FreshnessLimits(timedelta(hours=2), timedelta(hours=4))}


class Counted(Publisher):
    """Counts the manifests that are written."""

    manifests = 0

    def publish_all(self, publications, inputs):  # type: ignore[no-untyped-def]  # as the base
        self.manifests += 1
        return super().publish_all(publications, inputs)


class Time:
    """A clock that stands still until it is moved."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def publisher(tmp_path: Path) -> Counted:
    return Counted(tmp_path, tmp_path / "locks", SERIES, LIMITS)


def inputs() -> ManifestInputs:
    return ManifestInputs(NOW, lambda _series: True)


def publication(series: Series, text: str = "{}") -> Publication:
    files = {f"history_{series.symbol_name}_1h.json": text.encode()}
    return Publication(ManifestEntry(series, enough_candles=True), files, 1, NOW)


def files(folder: Path) -> set[str]:
    return {path.name.split("_")[1] for path in folder.glob("history_*")}


def eventually(is_so: Callable[[], bool]) -> bool:
    """Whether a condition comes true within ten seconds."""
    until = time.monotonic() + 10
    while not is_so() and time.monotonic() < until:
        time.sleep(0.01)
    return is_so()


def test_first_is_written_at_once_and_those_within_a_second_together(
    tmp_path: Path, publisher: Counted
) -> None:
    clock = Time()
    batch = PublishingBatch(publisher, every_seconds=60, stopwatch=clock)
    first, second, third = map(publication, SERIES)
    assert batch.add(first, inputs, SERIES) is None
    assert (files(tmp_path), publisher.manifests) == ({"BTC"}, 1)
    assert batch.add(second, inputs, SERIES) is None
    assert (files(tmp_path), publisher.manifests) == ({"BTC"}, 1)
    manifest = batch.add(third, inputs, SERIES)
    assert (files(tmp_path), publisher.manifests) == ({"BTC", "ETH", "SOL"}, 2)
    assert manifest == json.loads((tmp_path / "manifest.json").read_bytes())
    assert batch.close() is None


def test_after_a_second_the_next_one_is_written_with_those_that_wait(
    tmp_path: Path, publisher: Counted
) -> None:
    clock = Time()
    batch = PublishingBatch(publisher, every_seconds=60, stopwatch=clock)
    for series in SERIES[:2]:
        batch.add(publication(series), inputs, SERIES)
    clock.seconds += 60
    batch.add(publication(SERIES[0], '{"again": 1}'), inputs, SERIES)
    assert (files(tmp_path), publisher.manifests) == ({"BTC", "ETH"}, 2)
    assert b"again" in (tmp_path / "history_BTC_USDT_1h.json").read_bytes()
    batch.close()


def test_timer_writes_what_waits_while_the_run_does_something_else(
    tmp_path: Path, publisher: Counted
) -> None:
    batch = PublishingBatch(publisher, every_seconds=0.2)
    for series in SERIES[:2]:
        batch.add(publication(series), inputs, SERIES)
    assert eventually(lambda: files(tmp_path) == {"BTC", "ETH"})
    assert publisher.manifests == 2
    assert batch.close() is not None  # no event reported it yet


def test_end_of_a_run_writes_what_waits(tmp_path: Path, publisher: Counted) -> None:
    batch = PublishingBatch(publisher, every_seconds=60)
    for series in SERIES[:2]:  # the third one failed
        batch.add(publication(series), inputs, SERIES)
    assert batch.close() is not None
    assert files(tmp_path) == {"BTC", "ETH"}
    assert batch.close() is None


def test_failed_write_is_tried_again_with_the_next_and_loses_none(
    tmp_path: Path, publisher: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = PublishingBatch(publisher, every_seconds=60)
    batch.add(publication(SERIES[0]), inputs, SERIES)
    batch.add(publication(SERIES[1]), inputs, SERIES)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Counted, "publish_all", full)
        with pytest.raises(OSError, match="No space"):
            batch.close()
    assert files(tmp_path) == {"BTC"}
    batch.close()
    assert files(tmp_path) == {"BTC", "ETH"}


def test_failure_of_the_timer_makes_the_next_one_write_at_once(
    tmp_path: Path,
    publisher: Counted,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    batch = PublishingBatch(publisher, every_seconds=0.1)
    batch.add(publication(SERIES[0]), inputs, SERIES)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Counted, "publish_all", full)
        batch.add(publication(SERIES[1]), inputs, SERIES)
        assert eventually(lambda: "No space left" in caplog.text)
    batch.add(publication(SERIES[1]), inputs, SERIES)
    assert files(tmp_path) == {"BTC", "ETH"}
    batch.close()
