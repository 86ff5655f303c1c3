"""The reason why a file is missing names the first step that lacks on the way to both files."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.manifest import manifest_document
from coin_assets.domain.publishing.manifest_entries import PUBLIC, ManifestEntry, PublishedFile
from coin_assets.domain.publishing.missing import StoredParts, first_close, missing_reason
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.schemas import assert_valid

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MONTH, HOUR = Timeframe.parse("1M"), Timeframe.parse("1h")
DERIVED, FETCHED = Series("BTC/USDT", MONTH), Series("BTC/USDT", HOUR)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
NOTHING = StoredParts(FETCHED, NOW, *[False] * 4)
HISTORY = PublishedFile("history_BTC_USDT_1M.json", "0" * 64, 100, NOW)


@pytest.mark.parametrize(
    ("name", "expected", "begin", "closes"),
    [
        # History starts with a candle, or within one, which is not kept.
        ("1M", "2026-11-01T00:00", None, "2026-12-01T00:00"),
        ("1M", "2026-11-10T00:00", None, "2027-01-01T00:00"),
        ("1w", "2026-11-01T00:00", None, "2026-11-09T00:00"),
        ("1h", "2026-11-01T00:00", None, "2026-11-01T01:00"),
        # The market begins within a candle, which is made of what there is.
        ("1M", "2020-01-01T00:00", "2026-11-10T07:00", "2026-12-01T00:00"),
        ("1d", "2020-01-01T00:00", "2026-11-10T07:00", "2026-11-11T00:00"),
        ("1M", "2026-11-01T00:00", "2017-08-17T04:00", "2026-12-01T00:00"),
    ],
)
def test_the_first_candle_follows_from_the_history_and_the_market(
    name: str, expected: str, begin: str | None, closes: str
) -> None:
    at = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (expected, closes)]
    begins = None if begin is None else datetime.fromisoformat(begin).replace(tzinfo=UTC)
    assert first_close(Timeframe.parse(name), at[0], begins) == at[1]


def stored(**has: bool) -> StoredParts:
    changed: dict[str, Any] = {f"has_{name}": each for name, each in has.items()}
    return replace(NOTHING, **changed)


WHOLE = {"candles": True, "source_candles": True, "forecast": True, "model": True}
REASONS = [
    (DERIVED, stored(), "the 1h candles that it is derived from were not fetched yet"),
    (DERIVED, stored(source_candles=True), "its candles were not derived from 1h yet"),
    (FETCHED, stored(), "its candles were not fetched yet"),
    (DERIVED, stored(**WHOLE), "its candles are stored; its history file was not written yet"),
]


@pytest.mark.parametrize(("series", "parts", "reason"), REASONS)
def test_the_first_lacking_step_is_the_reason(
    series: Series, parts: StoredParts, reason: str
) -> None:
    assert missing_reason(ManifestEntry(series), parts, NOW) == reason


@pytest.mark.parametrize(
    ("has", "reason"),
    [
        ({"candles": True}, "no forecast yet: no model was trained yet"),
        (
            {"candles": True, "model": True},
            "no forecast yet: its model was trained, and forecasts with the next run",
        ),
        (WHOLE, "its forecast is stored; its prediction file was not written yet"),
    ],
)
def test_a_series_with_history_lacks_its_prediction(has: dict[str, bool], reason: str) -> None:
    assert missing_reason(ManifestEntry(DERIVED, HISTORY), stored(**has), NOW) == reason


def test_a_candle_that_is_still_open_is_the_reason_before_all_others() -> None:
    early = replace(NOTHING, first_close=DECEMBER)
    reason = "the first candle of this timeframe closes at 2026-12-01 00:00 UTC"
    assert missing_reason(ManifestEntry(DERIVED), early, NOW) == reason
    later = missing_reason(ManifestEntry(DERIVED), early, DECEMBER)
    assert later == "the 1h candles that it is derived from were not fetched yet"


def test_the_manifest_has_the_reason_for_readers_and_operators() -> None:
    shown = ManifestEntry(DERIVED, enough_candles=True, visibility=PUBLIC)
    hidden = ManifestEntry(FETCHED, enough_candles=True)
    few = ManifestEntry(Series("ETH/USDT", HOUR), visibility=PUBLIC)
    asked: list[Series] = []

    def why(entry: ManifestEntry) -> str:
        asked.append(entry.series)
        return f"of {entry.series.timeframe}"

    limits = FreshnessLimits(NOW - NOW.replace(hour=11), NOW - NOW.replace(hour=10))
    document = manifest_document(
        [shown, hidden, few], {"1h": limits, "1M": limits}, NOW, why_missing=why
    )
    assert_valid("manifest", document)
    assert [entry["reason"] for entry in document["public"]["entries"]] == ["of 1M", None]
    assert [entry["reason"] for entry in document["ops"]["entries"]] == ["of 1M", "of 1h", None]
    assert asked == [DERIVED, FETCHED]
