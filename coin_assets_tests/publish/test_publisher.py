"""The published folder: files of a series and its manifest entry change together, for readers.

- Every file keeps its schema; the manifest lists hash, size and data time of each.
- Publishing one series leaves the entries of the others; series no longer configured vanish.
- A series is hidden until its history is complete, and public from then on.
- Scores are shown with their series, and rewritten when they change.
- Failures are shown beside older output, each counted once.
- A manifest that is lost or damaged is made anew from the files.
- Files are whole, readable by other users, and survive publishers at the same time.
"""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.candles.outages import Outage
from coin_assets.domain.evaluation.report import quality_of
from coin_assets.domain.forecasting.frame import LIVE, STEPS, forecast_frame
from coin_assets.domain.json_format import Document
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.manifest_entries import HIDDEN, ManifestEntry
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.files.atomic import folder_locked, locked
from coin_assets.publish.publication import ManifestInputs, PublishFailure, publication_of
from coin_assets.publish.publisher import Publisher
from coin_assets_tests.pipeline.known_market import KnownMarket, enough
from coin_assets_tests.schemas import assert_valid

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["coin_assets.publish.publisher", "hypothesis", "pytest"])

HOUR, DAY = Timeframe.parse("1h"), Timeframe.parse("1d")
BTC, ETH, BTC_DAILY = Series("BTC/USDT", HOUR), Series("ETH/USDT", HOUR), Series("BTC/USDT", DAY)
SERIES_LIST = (BTC, BTC_DAILY, ETH)
ALL = (*SERIES_LIST, Series("XRP/USDT", HOUR))
LIMITS = {
    "1h": FreshnessLimits(timedelta(minutes=65), timedelta(minutes=130)),
    "1d": FreshnessLimits(timedelta(minutes=1500), timedelta(minutes=3000)),
}
AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
NOW = AS_OF + timedelta(seconds=7)
NO_FORECAST = pd.DataFrame()


def candles(series: Series, as_of: datetime = AS_OF, count: int = 5) -> pd.DataFrame:
    """The last candles closed by ``as_of``."""
    opens = [series.timeframe.shift(as_of, -number) for number in range(count, 0, -1)]
    frame = pd.DataFrame({"timestamp": pd.Series(opens, dtype="datetime64[us, UTC]")})
    return frame.assign(open=10.0, high=12.0, low=9.0, close=11.0, volume=5.0)


def forecast(as_of: datetime = AS_OF, version: str = "3") -> pd.DataFrame:
    quantiles = 11.0 + np.linspace(-1, 1, 7)[None, None, :] * np.ones((1, STEPS, 1))
    origins = pd.DatetimeIndex(pd.Series([as_of], dtype="datetime64[us, UTC]"))
    return forecast_frame(origins, quantiles, version, [LIVE])


def facts(series: Series, as_of: datetime = AS_OF) -> ManifestEntry:
    return ManifestEntry(
        series,
        enough_candles=True,
        coverage_start=AS_OF - timedelta(days=900),
        coverage_end=as_of,
        missing_candles=4,
        champion="3",
    )


def publish(
    publisher: Publisher,
    series: Series,
    *,
    as_of: datetime = AS_OF,
    failures: dict[Series, PublishFailure] | None = None,
    now: datetime = NOW,
    complete: Collection[Series] = ALL,
) -> ManifestEntry:
    """Publish a series with candles and forecast up to ``as_of``."""
    return offer(
        publisher,
        facts(series, as_of),
        candles(series, as_of),
        forecast(as_of),
        failures=failures,
        now=now,
        complete=complete,
    )


def offer(
    publisher: Publisher,
    known: ManifestEntry,
    history: pd.DataFrame,
    prediction: pd.DataFrame,
    *,
    failures: dict[Series, PublishFailure] | None = None,
    now: datetime = NOW,
    complete: Collection[Series] = ALL,
) -> ManifestEntry:
    """Publish what is given, while the histories of ``complete`` are."""
    publisher.publish(
        publication_of(known, history, prediction, now),
        ManifestInputs(now, lambda series: series in complete, failures or {}),
    )
    return publisher.inspect()[known.series]


def publisher_of(
    folder: Path,
    series_list: Sequence[Series] = SERIES_LIST,
    limits: dict[str, FreshnessLimits] = LIMITS,
    home: str = "home",
) -> Publisher:
    """A publisher to ``folder``, whose home is beside it."""
    return Publisher(folder, locks_of(folder, home), series_list, limits)


def locks_of(folder: Path, home: str = "home") -> Path:
    return folder.with_name(f"{folder.name}-{home}") / "locks"


def names(folder: Path) -> set[str]:
    """Names in a published folder, without objects and page, which have tests of their own."""
    return {path.name for path in folder.iterdir()} - {"objects", "index.html", "assets"}


def read(folder: Path, name: str) -> Document:
    document: Document = json.loads((folder / name).read_bytes())
    return document


def entries(publisher: Publisher, part: str) -> dict[Series, Document]:
    """Entries of a valid manifest by series, in its order."""
    manifest = publisher.manifest()
    assert_valid("manifest", manifest)
    return {
        Series(entry["symbol"], Timeframe.parse(entry["timeframe"])): entry
        for entry in manifest[part]["entries"]
    }


def statuses(publisher: Publisher) -> dict[Series, str]:
    """Status of each series; of hidden ones, that they are."""
    public = entries(publisher, "public")
    return {
        series: public[series]["status"] if series in public else entry["visibility"]
        for series, entry in entries(publisher, "ops").items()
    }


def assert_files_are_those_of_the_manifest(folder: Path, publisher: Publisher) -> None:
    listed = {"manifest.json"}
    for entry in entries(publisher, "public").values():
        for kind in ("history", "prediction"):
            if (file := entry[kind]) is None:
                continue
            content = (folder / file["file"]).read_bytes()
            document = json.loads(content)
            assert_valid(kind, document)
            digest = hashlib.sha256(content).hexdigest()
            assert file == {
                "file": f"{kind}_{entry['symbol'].replace('/', '_')}_{entry['timeframe']}.json",
                **({"object": f"objects/{digest}.json"} if "object" in file else {}),
                "sha256": digest,
                "bytes": len(content),
                "as_of": document["as_of"],
            }
            listed.add(file["file"])
    assert names(folder) == listed


# --------------------------------------------------------------------------------------- publishing


def test_nothing_published_is_no_manifest(publisher: Publisher) -> None:
    with pytest.raises(FileNotFoundError):
        publisher.manifest()


def test_the_first_series_makes_its_files_and_a_manifest_of_all_series(
    tmp_path: Path, publisher: Publisher
) -> None:
    published = publish(publisher, BTC)
    assert names(tmp_path) == {
        "history_BTC_USDT_1h.json",
        "prediction_BTC_USDT_1h.json",
        "manifest.json",
    }
    assert_files_are_those_of_the_manifest(tmp_path, publisher)
    assert statuses(publisher) == {BTC: "fresh", BTC_DAILY: HIDDEN, ETH: HIDDEN}
    assert publisher.manifest()["public"]["symbols"] == ["BTC/USDT"]
    assert published.as_of == AS_OF
    assert published.attempts.last_success_at == NOW
    assert published.history is not None
    assert published.history.name == "history_BTC_USDT_1h.json"


def test_an_entry_contains_the_facts_of_its_series(publisher: Publisher) -> None:
    publish(publisher, BTC)
    entry = entries(publisher, "public")[BTC]
    assert entry["as_of"] == "2026-11-22T00:00:00Z"
    assert entry["stale_at"] == "2026-11-22T01:05:00Z"
    assert entry["hard_stale_at"] == "2026-11-22T02:10:00Z"
    ops = entries(publisher, "ops")[BTC]
    assert ops["last_success_at"] == "2026-11-22T00:00:07Z"
    assert (ops["last_failure_at"], ops["consecutive_failures"]) == (None, 0)
    assert ops["coverage_start"] == "2024-06-05T00:00:00Z"
    assert ops["coverage_end"] == "2026-11-22T00:00:00Z"
    assert (ops["missing_candles"], ops["champion"]) == (4, "3")


def test_publishing_a_series_leaves_the_entries_of_the_others(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    before = entries(publisher, "public")[BTC], entries(publisher, "ops")[BTC]
    publish(publisher, ETH, now=NOW + timedelta(minutes=1))
    publish(publisher, BTC_DAILY, now=NOW + timedelta(minutes=2))
    assert (entries(publisher, "public")[BTC], entries(publisher, "ops")[BTC]) == before
    assert statuses(publisher) == dict.fromkeys(SERIES_LIST, "fresh")
    assert (
        list(entries(publisher, "public")) == list(entries(publisher, "ops")) == list(SERIES_LIST)
    )
    assert_files_are_those_of_the_manifest(tmp_path, publisher)


def test_time_ages_the_entries_that_are_not_published_again(publisher: Publisher) -> None:
    publish(publisher, BTC)
    publish(publisher, BTC_DAILY)
    for hours, expected in ((1, "fresh"), (2, "stale"), (3, "hard_stale")):
        later = AS_OF + timedelta(hours=hours)
        publish(publisher, ETH, as_of=later, now=later)
        assert statuses(publisher) == {BTC: expected, BTC_DAILY: "fresh", ETH: "fresh"}


def test_newer_data_replaces_files_and_entry(tmp_path: Path, publisher: Publisher) -> None:
    publish(publisher, BTC)
    later = AS_OF + timedelta(hours=1)
    publish(publisher, BTC, as_of=later, now=later)
    assert read(tmp_path, "prediction_BTC_USDT_1h.json")["as_of"] == "2026-11-22T01:00:00Z"
    assert entries(publisher, "public")[BTC]["as_of"] == "2026-11-22T01:00:00Z"
    assert_files_are_those_of_the_manifest(tmp_path, publisher)


def test_the_age_of_a_series_is_that_of_its_older_file(publisher: Publisher) -> None:
    later = AS_OF + timedelta(hours=2)
    offer(publisher, facts(BTC), candles(BTC, later), forecast(AS_OF), now=later)
    entry = entries(publisher, "public")[BTC]
    assert (entry["as_of"], entry["status"]) == ("2026-11-22T00:00:00Z", "stale")
    assert entry["history"]["as_of"] == "2026-11-22T02:00:00Z"


def test_the_same_again_writes_the_same_bytes(tmp_path: Path, publisher: Publisher) -> None:
    contents = []
    for _ in range(2):
        publish(publisher, BTC)
        contents.append({name: (tmp_path / name).read_bytes() for name in names(tmp_path)})
    assert contents[0] == contents[1]


# ------------------------------------------------------------------------------ less than two files


def test_a_young_symbol_has_a_history_but_no_forecast(tmp_path: Path, publisher: Publisher) -> None:
    young = replace(facts(BTC), enough_candles=False, champion=None)
    offer(publisher, young, candles(BTC), NO_FORECAST)
    entry = entries(publisher, "public")[BTC]
    assert entry["status"] == "insufficient_data"
    assert entry["serve_allowed"] is False
    assert entry["prediction"] is None
    assert entry["history"]["file"] == "history_BTC_USDT_1h.json"
    assert_files_are_those_of_the_manifest(tmp_path, publisher)


def test_a_forecast_that_should_be_there_is_missing(publisher: Publisher) -> None:
    offer(publisher, facts(BTC), candles(BTC), NO_FORECAST)
    assert statuses(publisher)[BTC] == "missing"


@pytest.mark.parametrize(
    ("history", "prediction", "left"),
    [
        (candles(BTC), NO_FORECAST, {"history_BTC_USDT_1h.json"}),
        (empty_candles(), forecast(), {"prediction_BTC_USDT_1h.json"}),
        (empty_candles(), NO_FORECAST, set()),
    ],
    ids=["no forecast", "no candles", "neither"],
)
def test_a_file_that_has_no_content_any_more_is_removed(
    tmp_path: Path,
    publisher: Publisher,
    history: pd.DataFrame,
    prediction: pd.DataFrame,
    left: set[str],
) -> None:
    publish(publisher, BTC)
    offer(publisher, facts(BTC), history, prediction)
    assert names(tmp_path) == {"manifest.json", *left}
    assert_files_are_those_of_the_manifest(tmp_path, publisher)
    assert statuses(publisher)[BTC] == "missing"


# --------------------------------------------------------------------------------------- visibility


def test_a_series_is_hidden_until_its_history_is_complete(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    publish(publisher, ETH, complete=())
    assert list(entries(publisher, "public")) == [BTC]
    assert publisher.manifest()["public"]["symbols"] == ["BTC/USDT"]
    assert publisher.manifest()["ops"]["summary"]["hidden_backfilling"] == 2
    assert "history_ETH_USDT_1h.json" in names(tmp_path)
    publish(publisher, ETH, complete=[ETH])
    assert statuses(publisher) == {BTC: "fresh", BTC_DAILY: HIDDEN, ETH: "fresh"}
    assert_files_are_those_of_the_manifest(tmp_path, publisher)


def test_once_public_a_series_stays_public(publisher: Publisher) -> None:
    publish(publisher, BTC)
    publish(publisher, BTC, complete=())
    publish(publisher, ETH, complete=())
    assert statuses(publisher) == {BTC: "fresh", BTC_DAILY: HIDDEN, ETH: HIDDEN}


def test_publishing_another_series_leaves_a_hidden_one_as_it_is(publisher: Publisher) -> None:
    publish(publisher, ETH, complete=(), failures={})
    publish(publisher, BTC, failures={ETH: FAILED})
    before = entries(publisher, "ops")[ETH]
    assert (before["champion"], before["degraded"], before["visibility"]) == ("3", True, HIDDEN)
    publish(publisher, BTC)
    assert entries(publisher, "ops")[ETH] == before


def test_completeness_of_a_public_series_is_not_read(publisher: Publisher) -> None:
    requested = []

    def is_complete(series: Series) -> bool:
        requested.append(series)
        return True

    for _ in range(3):
        publication = publication_of(facts(BTC), candles(BTC), forecast(), NOW)
        publisher.publish(publication, ManifestInputs(NOW, is_complete))
    assert requested == [BTC]


def test_a_lost_manifest_shows_no_hidden_series(tmp_path: Path, publisher: Publisher) -> None:
    publish(publisher, BTC)
    publish(publisher, ETH, complete=())
    for name in (BTC, ETH):  # whichever series is published next
        (tmp_path / "manifest.json").unlink()
        publish(publisher, name, complete=[BTC])
        assert statuses(publisher) == {BTC: "fresh", BTC_DAILY: HIDDEN, ETH: HIDDEN}


@pytest.mark.parametrize("what", ["a folder", "a loop of links"])
def test_what_is_in_the_place_of_the_manifest_stops_nothing_and_is_kept(
    tmp_path: Path, publisher: Publisher, what: str
) -> None:
    publish(publisher, BTC)
    path = tmp_path / "manifest.json"
    expected = json.loads(path.read_bytes())["public"]["symbols"]
    path.unlink()
    if what == "a folder":
        path.mkdir()
        (path / "note").write_text("of somebody")
    else:
        path.symlink_to(path.name)
    assert publisher.refresh(ManifestInputs(NOW, lambda _: True)) is not None
    assert json.loads(path.read_bytes())["public"]["symbols"] == expected
    kept = [each.read_text() for each in tmp_path.glob("manifest.json.in_the_way-*/note")]
    assert kept == (["of somebody"] if what == "a folder" else [])


def test_the_manifest_shows_the_outages_it_is_given(publisher: Publisher) -> None:
    outage = Outage(AS_OF, AS_OF + timedelta(hours=3), 3, ("BTC/USDT", "ETH/USDT"))
    publisher.publish(
        publication_of(facts(BTC), candles(BTC), forecast(), NOW),
        ManifestInputs(NOW, lambda _series: True, outages={HOUR: [outage]}),
    )
    shown = publisher.manifest()["ops"]["outages"]
    assert_valid("manifest", publisher.manifest())
    assert [(each["candles"], each["symbols"]) for each in shown] == [(3, ["BTC/USDT", "ETH/USDT"])]


# ------------------------------------------------------------------------------------------- scores


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """What the manifest shows of an evaluation of `BTC`."""
    market = KnownMarket(tmp_path_factory.mktemp("known"))
    found = quality_of(market.evaluate(enough()).document)
    assert found is not None
    return found


def refresh(publisher: Publisher, qualities: dict[Series, Document | None]) -> Document | None:
    return publisher.refresh(ManifestInputs(NOW, lambda _series: False), qualities=qualities)


def qualities(publisher: Publisher) -> dict[Series, Document | None]:
    return {series: entry["quality"] for series, entry in entries(publisher, "public").items()}


def test_scores_are_published_with_their_series_and_stay(
    publisher: Publisher, scores: Document
) -> None:
    offer(publisher, replace(facts(BTC), quality=scores), candles(BTC), forecast())
    publish(publisher, ETH)
    assert qualities(publisher) == {BTC: scores, ETH: None}
    assert entries(publisher, "public")[BTC]["quality"] == scores


def test_new_scores_rewrite_the_manifest_once_and_nothing_else(
    tmp_path: Path, publisher: Publisher, scores: Document
) -> None:
    publish(publisher, BTC)
    publish(publisher, ETH)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path) - {"manifest.json"}}
    known = entries(publisher, "public")
    assert refresh(publisher, {BTC: None, ETH: None}) is None
    assert refresh(publisher, {BTC: scores, ETH: None}) == publisher.manifest()
    assert entries(publisher, "public") == {**known, BTC: {**known[BTC], "quality": scores}}
    assert refresh(publisher, {BTC: scores, ETH: None}) is None
    assert refresh(publisher, {BTC: None, ETH: None}) is not None  # lost, or not to be read
    assert entries(publisher, "public") == known
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_scores_of_a_hidden_series_are_shown_when_it_is_public(
    publisher: Publisher, scores: Document
) -> None:
    publish(publisher, BTC)
    publish(publisher, ETH, complete=())
    shown: dict[Series, Any] = dict.fromkeys(SERIES_LIST, scores)
    assert refresh(publisher, shown) is not None
    assert qualities(publisher) == {BTC: scores}
    assert scores["pinball"] not in entries(publisher, "ops")[ETH].values()
    publish(publisher, ETH)
    refresh(publisher, shown)
    assert qualities(publisher) == {BTC: scores, ETH: scores}


# ----------------------------------------------------------------------------------------- failures

FAILED = PublishFailure(NOW + timedelta(seconds=0.25), "exchange down")


def attempts_of(publisher: Publisher, series: Series) -> tuple[bool, int, str | None]:
    entry = entries(publisher, "ops")[series]
    return entry["degraded"], entry["consecutive_failures"], entry["last_error"]


def test_a_failure_beside_older_output_degrades_and_changes_nothing_else(
    publisher: Publisher,
) -> None:
    publish(publisher, BTC)
    before = entries(publisher, "public")[BTC]
    publish(publisher, ETH, failures={BTC: FAILED})
    assert attempts_of(publisher, BTC) == (True, 1, "exchange down")
    assert entries(publisher, "ops")[BTC]["last_failure_at"] == "2026-11-22T00:00:07Z"
    assert entries(publisher, "public")[BTC] == before
    assert publisher.manifest()["ops"]["summary"]["degraded"] == 1
    assert attempts_of(publisher, ETH) == (False, 0, None)


def test_a_failure_reported_with_every_other_series_counts_once(publisher: Publisher) -> None:
    publish(publisher, BTC)
    for series in (ETH, BTC_DAILY, ETH):
        publish(publisher, series, failures={BTC: FAILED})
    assert attempts_of(publisher, BTC) == (True, 1, "exchange down")


def test_failures_count_up_and_a_success_ends_them(publisher: Publisher) -> None:
    publish(publisher, BTC)
    for minute in range(1, 4):
        failure = PublishFailure(NOW + timedelta(minutes=minute), f"down {minute}")
        publish(publisher, ETH, failures={BTC: failure})
        assert attempts_of(publisher, BTC) == (True, minute, f"down {minute}")
    publish(publisher, BTC, now=NOW + timedelta(minutes=9))
    assert attempts_of(publisher, BTC) == (False, 0, None)
    entry = entries(publisher, "ops")[BTC]
    assert entry["last_success_at"] == "2026-11-22T00:09:07Z"
    assert entry["last_failure_at"] == "2026-11-22T00:03:07Z"


def test_a_series_that_failed_before_it_was_ever_published_is_hidden_with_its_error(
    publisher: Publisher,
) -> None:
    publish(publisher, ETH, failures={BTC: FAILED})
    assert statuses(publisher)[BTC] == HIDDEN
    assert attempts_of(publisher, BTC) == (False, 1, "exchange down")


# ------------------------------------------------------------------------------ series come and go


def test_a_symbol_no_longer_configured_vanishes_and_comes_back_as_unpublished(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    publish(publisher, ETH)
    only_btc = publisher_of(tmp_path, (BTC, BTC_DAILY))
    publish(only_btc, BTC)
    assert list(entries(only_btc, "ops")) == [BTC, BTC_DAILY]
    assert only_btc.manifest()["public"]["symbols"] == ["BTC/USDT"]
    publish(publisher, BTC)
    assert statuses(publisher) == {BTC: "fresh", BTC_DAILY: HIDDEN, ETH: HIDDEN}


def test_a_new_symbol_joins_without_disturbing_the_others(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    before = entries(publisher, "ops")[BTC]
    new = Series("XRP/USDT", HOUR)
    grown = publisher_of(tmp_path, (new, *SERIES_LIST))
    publish(grown, new, now=NOW + timedelta(minutes=5))
    assert list(entries(grown, "ops")) == [new, *SERIES_LIST]
    assert list(entries(grown, "public")) == [new, BTC]
    assert entries(grown, "ops")[BTC] == before


def test_new_limits_apply_to_every_entry_at_once(tmp_path: Path, publisher: Publisher) -> None:
    publish(publisher, BTC)
    strict = FreshnessLimits(timedelta(minutes=1), timedelta(minutes=2))
    later = AS_OF + timedelta(minutes=3)
    stricter = publisher_of(tmp_path, limits=LIMITS | {"1h": strict})
    publish(stricter, ETH, as_of=AS_OF, now=later)
    entry = entries(stricter, "public")[BTC]
    assert (entry["status"], entry["hard_stale_at"]) == ("hard_stale", "2026-11-22T00:02:00Z")


# ------------------------------------------------------------------------------------------- damage


def edited(change: Callable[[Document], Any]) -> Callable[[bytes], bytes]:
    def damage(content: bytes) -> bytes:
        document = json.loads(content)
        change(document)
        return json.dumps(document).encode()

    return damage


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: content[:0],
    "truncated": lambda content: content[: len(content) // 2],
    "zeroes": lambda content: bytes(len(content)),
    "no text": lambda content: content[:20] + b"\xff\xfe" + content[20:],
    "null": lambda content: b"null"[: len(content)],
    "a list": lambda content: b"[]"[: len(content)],
    "version 1": edited(lambda manifest: manifest.update(version=1)),
    "no ops": edited(lambda manifest: manifest.pop("ops")),
    "an entry missing": edited(lambda manifest: manifest["public"]["entries"].pop()),
    "a field missing": edited(lambda manifest: manifest["ops"]["entries"][0].pop("champion")),
    "a time in words": edited(
        lambda manifest: manifest["ops"]["entries"][0].update(coverage_end="yesterday")
    ),
    "an unknown timeframe": edited(
        lambda manifest: [
            manifest[part]["entries"][0].update(timeframe="7h") for part in ("public", "ops")
        ]
    ),
}


@pytest.mark.parametrize("damage", [*DAMAGES, "missing"])
def test_a_damaged_manifest_is_made_anew_from_the_files(
    tmp_path: Path, publisher: Publisher, damage: str
) -> None:
    publish(publisher, BTC)
    before = entries(publisher, "public")[BTC]
    path = tmp_path / "manifest.json"
    content = path.read_bytes()
    path.unlink()
    if damage in DAMAGES:
        path.write_bytes(DAMAGES[damage](content))
    publish(publisher, ETH)
    assert entries(publisher, "public")[BTC] == before
    assert entries(publisher, "ops")[BTC]["champion"] == "3"
    assert statuses(publisher) == {BTC: "fresh", BTC_DAILY: HIDDEN, ETH: "fresh"}
    assert_files_are_those_of_the_manifest(tmp_path, publisher)


FILE_DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: content[:0],
    "truncated": lambda content: content[:-2],
    "a number": lambda content: b"7"[: len(content)],
    "a list": lambda content: b"[1]"[: len(content)],
    "no as_of": edited(lambda document: document.pop("as_of")),
    "as_of no time": edited(lambda document: document.update(as_of="now")),
}


@pytest.mark.parametrize("kind", ["history", "prediction"])
@pytest.mark.parametrize("damage", FILE_DAMAGES)
def test_a_damaged_file_found_while_the_manifest_is_made_anew_is_corrupt_until_published_again(
    tmp_path: Path, publisher: Publisher, kind: str, damage: str
) -> None:
    publish(publisher, BTC)
    (tmp_path / "manifest.json").unlink()
    path = tmp_path / f"{kind}_BTC_USDT_1h.json"
    path.write_bytes(FILE_DAMAGES[damage](path.read_bytes()))
    for _ in range(2):  # the second time from the manifest
        publish(publisher, ETH)
        entry = entries(publisher, "public")[BTC]
        assert (entry["status"], entry["serve_allowed"]) == ("corrupt", False)
        assert path.name in entry["warning"]
    publish(publisher, BTC)
    assert statuses(publisher)[BTC] == "fresh"
    assert_files_are_those_of_the_manifest(tmp_path, publisher)


def test_leftovers_of_a_killed_publisher_are_removed_and_never_served(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    (tmp_path / ".manifest.json.17.partial").write_text("{")
    (tmp_path / ".history_BTC_USDT_1h.json.17.partial").write_text("{")
    publish(publisher, ETH)
    assert_files_are_those_of_the_manifest(tmp_path, publisher)


# -------------------------------------------------------------------- permissions, at the same time


@pytest.fixture(params=[(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)], ids=str)
def expected_mode(request: pytest.FixtureRequest) -> Iterator[int]:
    """The mode that files must have under the umask that is in force."""
    umask, mode = request.param
    before = os.umask(umask)
    yield mode
    os.umask(before)


def test_files_have_the_permissions_of_the_umask(
    tmp_path: Path, publisher: Publisher, expected_mode: int
) -> None:
    publish(publisher, BTC)
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in names(tmp_path)}
    assert len(modes) == 3
    assert set(modes.values()) == {expected_mode}


def publish_ten_times(folder: Path, series: Series, home: str, together: Barrier) -> None:
    publisher = publisher_of(folder, home=home)
    together.wait()
    for hour in range(10):
        as_of = AS_OF + timedelta(hours=hour)
        publish(publisher, series, as_of=as_of, now=as_of)


@pytest.mark.parametrize("homes", [("home", "home"), ("home", "other")], ids=str)
def test_two_processes_that_publish_different_series_lose_neither(
    tmp_path: Path, publisher: Publisher, homes: tuple[str, str]
) -> None:
    together = PROCESSES.Barrier(2)
    children = [
        PROCESSES.Process(
            target=publish_ten_times, args=(tmp_path, series, home, together), daemon=True
        )
        for series, home in zip((BTC, ETH), homes, strict=True)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert statuses(publisher) == {BTC: "fresh", BTC_DAILY: HIDDEN, ETH: "fresh"}
    for series in (BTC, ETH):
        assert entries(publisher, "public")[series]["as_of"] == "2026-11-22T09:00:00Z"
    assert_files_are_those_of_the_manifest(tmp_path, publisher)


# ---------------------------------------------------------------------------------------- the lock


def test_the_served_folder_holds_published_files_alone(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    publisher.refresh(ManifestInputs(NOW, lambda _series: True))
    assert names(tmp_path) == {
        "manifest.json",
        "history_BTC_USDT_1h.json",
        "prediction_BTC_USDT_1h.json",
    }
    assert {path.name for path in locks_of(tmp_path).iterdir()} <= {".lock"}


def test_the_lock_that_an_earlier_release_left_is_removed(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    for write in (
        lambda: publish(publisher, ETH),
        lambda: publisher.refresh(ManifestInputs(NOW + timedelta(days=9), lambda _series: True)),
    ):
        (tmp_path / ".lock").touch()
        write()
        assert ".lock" not in names(tmp_path)


def test_a_writer_waits_for_another_home_that_writes_the_folder(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    with ThreadPoolExecutor(1) as pool:
        with folder_locked(tmp_path):
            waiting = pool.submit(publisher.inspect)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        assert waiting.result(10)[BTC].is_public


def test_the_home_lock_holds_where_folders_cannot_be_locked(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(publisher, BTC)

    def refused(descriptor: int, operation: int) -> None:
        raise OSError(errno.EBADF, f"as NFS answers ({operation})", str(descriptor))

    monkeypatch.setattr("coin_assets.files.atomic.fcntl.flock", refused)
    with folder_locked(tmp_path), folder_locked(tmp_path):
        pass
    monkeypatch.undo()
    with ThreadPoolExecutor(1) as pool:
        with locked(locks_of(tmp_path)):
            waiting = pool.submit(publisher.inspect)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        assert waiting.result(10)[BTC].is_public
