"""A reader of a folder gets what was published, and nothing that must not be served.

- Values are those of the files to the bit; times are UTC.
- Status is by the reader's clock; stale data comes with a warning; the rest is refused by type.
- Files of an earlier release are read.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.client import (
    AheadOfClock,
    NotPublished,
    NotServed,
    StaleData,
    TooOld,
    UnknownVersion,
)
from coin_assets.domain.json_format import Document
from coin_assets_tests.client.folder import (
    AS_OF,
    LIMITS,
    NAME,
    changed,
    entry_of,
    opened,
    replace_file,
)
from coin_assets_tests.publish import test_publisher
from coin_assets_tests.realdata import REPOSITORY

SOFT, HARD = LIMITS["4h"].soft, LIMITS["4h"].hard
SECOND = timedelta(seconds=1)
RELEASE = REPOSITORY / "coin_assets_tests/release_home/published"
MADE_AT = datetime(2026, 10, 6, 12, 30, tzinfo=UTC)  # see test_release_home.py


# ------------------------------------------------------------------------------------------- frames


def test_a_forecast_is_that_of_the_file(folder: Path) -> None:
    frame = opened(folder).forecast(*NAME)
    document = json.loads((folder / "prediction_BTC_USDT_4h.json").read_bytes())
    assert len(frame) == 24
    for row, step in zip(frame.to_dict("records"), document["forecast"], strict=True):
        assert {level: row[level] for level in step["quantiles"]} == step["quantiles"]
        for name in ("price", "lower_bound", "upper_bound"):
            assert row[name] == step[name]
        for name in ("timestamp", "close_time"):
            assert row[name] == datetime.fromisoformat(step[name])
    assert set(frame["symbol"] + " " + frame["timeframe"]) == {"BTC/USDT 4h"}
    assert set(frame["as_of"]) == {AS_OF}
    assert set(frame["model_version"]) == {"3"}
    for name in ("as_of", "timestamp", "close_time"):
        assert str(frame[name].dtype) == "datetime64[us, UTC]"


def test_a_history_is_that_of_the_file(folder: Path) -> None:
    frame = opened(folder).history(*NAME)
    document = json.loads((folder / "history_BTC_USDT_4h.json").read_bytes())
    times = [datetime.fromisoformat(each["timestamp"]) for each in document["data"]]
    assert list(frame["timestamp"]) == times
    for name in ("open", "high", "low", "close", "volume"):
        assert list(frame[name]) == [each[name] for each in document["data"]]
    assert str(frame["timestamp"].dtype) == "datetime64[us, UTC]"


def test_an_evaluation_has_a_frame_for_each_part(folder: Path) -> None:
    parts = opened(folder).evaluation(*NAME)
    assert list(parts["scores"]["role"]) == ["champion", "naive"]
    assert parts["by_volatility"].set_index("tercile")["coverage_80"].to_dict() == {
        "calm": 0.75,
        "middle": 0.8,
        "wild": 0.84,
    }
    assert list(parts["by_step"]["step"]) == [1, 2]
    assert list(parts["by_step"]["naive_pinball"]) == [0.005, 0.005]
    assert list(parts["over_time"]["end"]) == [AS_OF]
    assert list(parts["recent"]["actual"]) == [101.0]
    assert list(parts["recent"]["0.05"]) == [100.05]
    assert len(parts["reliability"]) == 7
    assert {frame["symbol"].iloc[0] for frame in parts.values()} == {"BTC/USDT"}


def test_an_evaluation_shows_the_parts_that_it_has(folder: Path) -> None:
    def shorten(manifest: Document) -> None:
        reference = entry_of(manifest)["evaluation"]
        document = json.loads((folder / reference["file"]).read_bytes())
        names = ("version", "symbol", "timeframe", "as_of", "champion")
        kept = {name: document[name] for name in names} | {"by_step": None}
        replace_file(folder, reference, json.dumps(kept).encode())

    changed(folder, shorten)
    assert set(opened(folder).evaluation(*NAME)) == {"scores", "by_volatility"}


def test_another_version_of_an_evaluation_is_refused(folder: Path) -> None:
    def raise_version(manifest: Document) -> None:
        reference = entry_of(manifest)["evaluation"]
        document = json.loads((folder / reference["file"]).read_bytes())
        replace_file(folder, reference, json.dumps(document | {"version": 2}).encode())

    changed(folder, raise_version)
    with pytest.raises(UnknownVersion, match="has version 2; this reader knows version 1"):
        opened(folder).evaluation(*NAME)


def test_what_the_publisher_writes_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    test_publisher.publish(test_publisher.publisher_of(folder), test_publisher.BTC)
    reader = opened(folder, test_publisher.NOW)
    assert list(reader.series()["status"]) == ["fresh"]
    assert list(reader.history("BTC/USDT", "1h")["close"]) == [11.0] * 5
    assert reader.forecast("BTC/USDT", "1h")["as_of"].iloc[0] == test_publisher.AS_OF


def test_files_of_the_last_release_are_read() -> None:
    reader = opened(RELEASE, MADE_AT)
    frame = reader.forecast(*NAME)
    assert (frame["close_time"] - frame["timestamp"] == timedelta(hours=4)).all()
    assert list(frame["timestamp"][1:]) == list(frame["close_time"][:-1])
    assert len(reader.history("BTC/USDT", "1d")) == 30
    with pytest.raises(NotPublished, match="no evaluation"):
        reader.evaluation(*NAME)
    with pytest.raises(NotPublished, match="no archive"):
        reader.archive("forecasts")


# --------------------------------------------------------------------------------------------- age


@pytest.mark.parametrize(
    ("age", "status", "is_served"),
    [
        (timedelta(0), "fresh", True),
        (SOFT, "fresh", True),
        (SOFT + SECOND, "stale", True),
        (HARD, "stale", True),
        (HARD + SECOND, "hard_stale", False),
    ],
)
def test_status_is_by_the_clock_of_the_reader(
    folder: Path, age: timedelta, status: str, is_served: bool
) -> None:
    found = opened(folder, AS_OF + age).series().iloc[0]
    assert tuple(found[["symbol", "timeframe"]]) == NAME
    assert (found["status"], found["serve_allowed"]) == (status, is_served)
    assert pd.isna(found["warning"]) == (status == "fresh")
    assert (found["stale_at"], found["hard_stale_at"]) == (AS_OF + SOFT, AS_OF + HARD)


def test_a_series_without_forecast_is_listed_and_not_served(folder: Path) -> None:
    reader = opened(folder)
    found = reader.series().set_index("symbol").loc["NEW/USDT"]
    assert (found["status"], found["serve_allowed"]) == ("insufficient_data", False)
    with pytest.raises(NotServed, match="too few candles") as refused:
        reader.history("NEW/USDT", "4h")
    assert type(refused.value) is NotServed


def test_stale_data_comes_with_a_warning(folder: Path) -> None:
    reader = opened(folder, AS_OF + SOFT + SECOND)
    with pytest.warns(StaleData, match="BTC/USDT 4h: data ends 2026-11-20T12:00:00Z") as caught:
        assert len(reader.forecast(*NAME)) == 24
    assert [each.filename for each in caught] == [__file__]


@pytest.mark.parametrize("kind", ["forecast", "history", "evaluation"])
def test_data_that_is_too_old_is_refused(folder: Path, kind: str) -> None:
    reader = opened(folder, AS_OF + HARD + SECOND)
    with pytest.raises(TooOld, match="must not be served: data ends 2026-11-20T12:00:00Z"):
        getattr(reader, kind)(*NAME)


def test_the_word_of_the_manifest_counts_when_the_clock_is_behind(folder: Path) -> None:
    late = {"status": "hard_stale", "serve_allowed": False, "warning": "it is old"}
    changed(folder, lambda manifest: entry_of(manifest).update(late))
    with pytest.raises(TooOld, match="it is old"):
        opened(folder).forecast(*NAME)
    changed(folder, lambda manifest: entry_of(manifest).update(status="stale", serve_allowed=True))
    with pytest.warns(StaleData, match="it is old"):
        opened(folder).forecast(*NAME)


@pytest.mark.parametrize("ahead", [None, "history", "prediction"])
def test_data_of_the_future_is_refused(folder: Path, ahead: str | None) -> None:
    """By the entry, or by one of its files; a minute is the difference of two clocks."""
    reader = opened(folder, AS_OF - timedelta(minutes=1))
    if ahead is None:
        assert len(reader.forecast(*NAME)) == 24
        reader = opened(folder, AS_OF - timedelta(minutes=1, seconds=1))
    else:
        later = {"as_of": "2026-11-20T12:03:00Z"}
        changed(folder, lambda manifest: entry_of(manifest)[ahead].update(later))
        reader = opened(folder)
    with pytest.raises(AheadOfClock, match="in the future by this machine's clock"):
        reader.history(*NAME)
    assert reader.series()["status"].iloc[0] == "corrupt"


def test_a_status_word_that_is_unknown_is_not_served(folder: Path) -> None:
    changed(folder, lambda manifest: entry_of(manifest).update(status="brand_new"))
    with pytest.raises(NotServed, match="status brand_new"):
        opened(folder).forecast(*NAME)
