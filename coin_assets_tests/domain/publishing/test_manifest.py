"""The manifest: what may be served at what age, and nothing forgotten from one to the next.

- Status shows how old the data is, or why there is none; at a limit itself the better word holds.
- `degraded` means that the last attempt failed while older output is published. A failure counts
  once.
- Series whose history is being collected are hidden from readers; gaps and outages are shown.
- A manifest keeps its schema whatever the facts, and the facts can be had back from it.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.outages import Outage
from coin_assets.domain.future_data import CLOCK_TOLERANCE
from coin_assets.domain.json_format import Document, parse_time, time_text
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.manifest import (
    MAX_OUTAGES,
    STATUSES,
    manifest_document,
    status_of,
)
from coin_assets.domain.publishing.manifest_entries import (
    HIDDEN,
    PUBLIC,
    VISIBILITIES,
    Attempts,
    GapCounts,
    GapReason,
    ManifestEntry,
    PublishedFile,
)
from coin_assets.domain.publishing.manifest_reading import entries_of_manifest
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets_tests.schemas import assert_valid

LAW = settings(max_examples=60, deadline=None)
SERIES = Series("BTC/USDT", Timeframe.parse("1h"))
AS_OF = datetime(2026, 11, 22, 20, tzinfo=UTC)
SOFT, HARD = timedelta(minutes=65), timedelta(minutes=130)
LIMITS = FreshnessLimits(SOFT, HARD)
ALL_LIMITS = dict.fromkeys(NAMES, LIMITS)
INSTANT = timedelta.resolution


def file(kind: str, as_of: datetime = AS_OF) -> PublishedFile:
    return PublishedFile(f"{kind}_BTC_USDT_1h.json", "0" * 64, 100, as_of)


HISTORY, PREDICTION = file("history"), file("prediction")
BARE = ManifestEntry(SERIES, visibility=PUBLIC)
WHOLE = replace(BARE, history=HISTORY, prediction=PREDICTION, enough_candles=True)


def manifest(*facts: ManifestEntry, now: datetime = AS_OF) -> Document:
    document = manifest_document(facts, ALL_LIMITS, now)
    assert_valid("manifest", document)
    return document


def public_entry(facts: ManifestEntry, now: datetime = AS_OF) -> Document:
    entry: Document = manifest(facts, now=now)["public"]["entries"][0]
    return entry


def ops_entry(facts: ManifestEntry, now: datetime = AS_OF) -> Document:
    entry: Document = manifest(facts, now=now)["ops"]["entries"][0]
    return entry


# ------------------------------------------------------------------------------------------- status

STATUS_BY_AGE = [
    (timedelta(0), "fresh"),
    (-CLOCK_TOLERANCE, "fresh"),  # clocks differ
    (-timedelta(hours=1), "corrupt"),  # no candle closes in the future
    (SOFT - INSTANT, "fresh"),
    (SOFT, "fresh"),
    (SOFT + INSTANT, "stale"),
    (HARD - INSTANT, "stale"),
    (HARD, "stale"),
    (HARD + INSTANT, "hard_stale"),
    (timedelta(days=4000), "hard_stale"),
]


@pytest.mark.parametrize(("age", "expected"), STATUS_BY_AGE)
def test_status_follows_the_age_of_the_data(age: timedelta, expected: str) -> None:
    now = AS_OF + age
    assert status_of(WHOLE, LIMITS, now) == expected
    entry = public_entry(WHOLE, now)
    assert entry["status"] == expected
    assert entry["serve_allowed"] == (expected in ("fresh", "stale"))
    assert (entry["warning"] is None) == (expected == "fresh")


@pytest.mark.parametrize("age", [age for age, _ in STATUS_BY_AGE])
@pytest.mark.parametrize(
    ("facts", "expected", "warning"),
    [
        (replace(WHOLE, history=None), "missing", "not every file"),
        (replace(WHOLE, prediction=None), "missing", "not every file"),
        (replace(WHOLE, history=None, prediction=None), "missing", "not every file"),
        (replace(WHOLE, enough_candles=False), "insufficient_data", "too few candles"),
        (BARE, "insufficient_data", "too few candles"),
        (replace(BARE, history=HISTORY), "insufficient_data", "too few candles"),
        (replace(WHOLE, corrupt="history is broken"), "corrupt", "history is broken"),
        (replace(BARE, corrupt="history is broken"), "corrupt", "history is broken"),
    ],
)
def test_without_whole_files_the_status_gives_the_reason_at_any_age(
    facts: ManifestEntry, expected: str, warning: str, age: timedelta
) -> None:
    entry = public_entry(facts, AS_OF + age)
    assert entry["status"] == expected
    assert entry["serve_allowed"] is False
    assert warning in entry["warning"]


def test_the_age_of_a_series_is_that_of_its_older_file() -> None:
    older = AS_OF - timedelta(hours=2)
    for facts in (
        replace(WHOLE, prediction=file("prediction", older)),
        replace(WHOLE, history=file("history", older)),
    ):
        entry = public_entry(facts)
        assert entry["as_of"] == "2026-11-22T18:00:00Z"
        assert entry["status"] == "stale"


def test_stale_at_and_hard_stale_at_are_where_the_status_changes() -> None:
    entry = public_entry(WHOLE)
    assert entry["as_of"] == "2026-11-22T20:00:00Z"
    assert entry["stale_at"] == "2026-11-22T21:05:00Z"
    assert entry["hard_stale_at"] == "2026-11-22T22:10:00Z"
    for name, at, after in (
        ("stale_at", "fresh", "stale"),
        ("hard_stale_at", "stale", "hard_stale"),
    ):
        limit = parse_time(entry[name])
        assert status_of(WHOLE, LIMITS, limit) == at
        assert status_of(WHOLE, LIMITS, limit + INSTANT) == after


def test_without_files_no_time_is_claimed() -> None:
    entry = public_entry(BARE)
    names = ("as_of", "stale_at", "hard_stale_at", "history", "prediction", "quality")
    assert [entry[name] for name in names] == [None] * len(names)


def test_the_warning_of_old_data_contains_its_end_its_age_and_the_limit() -> None:
    assert public_entry(WHOLE, AS_OF + timedelta(minutes=70, seconds=59))["warning"] == (
        "data ends 2026-11-22T20:00:00Z, more than 65 minutes ago"
    )
    assert public_entry(WHOLE, AS_OF + timedelta(minutes=131))["warning"] == (
        "data ends 2026-11-22T20:00:00Z, more than 130 minutes ago; do not serve it"
    )


def test_every_series_is_judged_by_the_limits_of_its_timeframe() -> None:
    daily = replace(WHOLE, series=SERIES.at(Timeframe.parse("1d")))
    day = FreshnessLimits(timedelta(minutes=1500), timedelta(minutes=3000.5))
    now = AS_OF + timedelta(hours=20)
    document = manifest_document([WHOLE, daily], {"1h": LIMITS, "1d": day}, now)
    assert [entry["status"] for entry in document["public"]["entries"]] == ["hard_stale", "fresh"]
    limits = [(e["soft_minutes"], e["hard_minutes"]) for e in document["ops"]["entries"]]
    assert limits == [(65, 130), (1500, 3000.5)]


# ----------------------------------------------------------------------------------------- attempts

T0, T1, T2 = (AS_OF + timedelta(minutes=minute) for minute in (0, 1, 2))


def test_a_success_resets_the_count_but_the_last_failure_is_kept() -> None:
    attempts = Attempts().failed(T0, "down").succeeded(T1)
    assert attempts == Attempts(last_success_at=T1, last_failure_at=T0)


def test_failures_count_up_until_a_success() -> None:
    attempts = Attempts().succeeded(T0).failed(T1, "down").failed(T2, "still down")
    assert attempts == Attempts(T0, T2, 2, "still down")
    later = attempts.succeeded(T2 + timedelta(minutes=1)).failed(T2 + timedelta(minutes=2), "again")
    assert later.consecutive_failures == 1


@pytest.mark.parametrize("fraction", [timedelta(0), INSTANT, timedelta(seconds=0.5)])
def test_the_same_failure_counts_once_even_after_the_manifest_has_cut_its_time(
    fraction: timedelta,
) -> None:
    failed = Attempts().failed(T0 + fraction, "down")
    assert failed.failed(T0 + fraction, "down") == failed
    known = replace(WHOLE, attempts=failed)
    attempts = entries_of_manifest(manifest(known)).by_name["BTC/USDT", "1h"].attempts
    assert attempts.failed(T0 + fraction, "down").consecutive_failures == 1


def test_an_older_failure_reported_later_does_not_count() -> None:
    attempts = Attempts().failed(T1, "down")
    assert attempts.failed(T0, "an older one") == attempts


@pytest.mark.parametrize(
    ("attempts", "history", "degraded"),
    [
        (Attempts(), HISTORY, False),
        (Attempts().succeeded(T0), HISTORY, False),
        (Attempts().failed(T0, "down"), HISTORY, True),
        (Attempts().failed(T0, "down"), None, False),  # nothing older is published
        (Attempts().failed(T0, "down").succeeded(T1), HISTORY, False),
        (Attempts().succeeded(T0).failed(T1, "down"), HISTORY, True),
    ],
)
def test_degraded_means_that_the_last_attempt_failed_while_older_output_stands(
    attempts: Attempts, history: PublishedFile | None, degraded: bool
) -> None:
    facts = replace(WHOLE, history=history, attempts=attempts)
    assert facts.is_degraded == degraded
    assert ops_entry(facts)["degraded"] == degraded


def test_degraded_and_status_do_not_touch_each_other() -> None:
    failing = replace(WHOLE, attempts=Attempts().failed(T0, "down"))
    for age, expected in STATUS_BY_AGE:
        now = AS_OF + age
        assert status_of(failing, LIMITS, now) == expected
        assert public_entry(failing, now) == public_entry(WHOLE, now)


# -------------------------------------------------------------------------------- the whole file


def test_the_summary_counts_every_status_and_the_degraded() -> None:
    eth, xrp, sol = (
        replace(WHOLE, series=Series(f"{c}/USDT", SERIES.timeframe)) for c in ("E", "X", "S")
    )
    facts = [
        replace(WHOLE, attempts=Attempts().failed(T0, "down")),
        replace(eth, prediction=None),
        replace(xrp, corrupt="x"),
        replace(sol, enough_candles=False, attempts=Attempts().failed(T0, "down")),
        replace(WHOLE, series=SERIES.at(Timeframe.parse("4h"))),
    ]
    document = manifest(*facts)
    assert document["ops"]["summary"] == {
        "fresh": 2,
        "stale": 0,
        "hard_stale": 0,
        "missing": 1,
        "corrupt": 1,
        "insufficient_data": 1,
        "hidden_backfilling": 0,
        "degraded": 2,
    }


def test_series_keep_their_order_and_symbols_are_named_once() -> None:
    series_list = [
        Series(symbol, Timeframe.parse(name))
        for symbol in ("XRP/USDT", "BTC/USDT")
        for name in ("1M", "1m")
    ]
    document = manifest(*(replace(BARE, series=series) for series in series_list))
    expected = [(series.symbol, series.timeframe.name) for series in series_list]
    for part in ("public", "ops"):
        entries = document[part]["entries"]
        assert [(entry["symbol"], entry["timeframe"]) for entry in entries] == expected
    assert document["public"]["symbols"] == ["XRP/USDT", "BTC/USDT"]


def test_a_manifest_of_no_series_is_valid() -> None:
    document = manifest()
    assert document["public"] == {"symbols": [], "entries": []}
    assert set(document["ops"]["summary"].values()) == {0}


TIMES = st.datetimes(
    min_value=datetime(2010, 1, 1),  # noqa: DTZ001 - hypothesis wants them naive
    max_value=datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda time: time.replace(microsecond=0))
TEXTS = st.text(min_size=1, max_size=20)
REASONS = st.builds(
    GapReason, st.sampled_from(["refused", "failed"]), TIMES, st.integers(1, 10**6), TEXTS
)


@st.composite
def some_facts(draw: st.DrawFn) -> list[ManifestEntry]:
    """Facts of up to four series, in any combination that can be written down."""
    symbols = st.sampled_from(["BTC/USDT", "ETH/USDT", "BTC/USDT:USDT"])
    names = draw(st.lists(st.tuples(symbols, st.sampled_from(NAMES)), max_size=4, unique=True))
    files = st.none() | st.builds(
        PublishedFile,
        name=st.just("history_BTC_USDT_1h.json"),
        sha256=st.just("ab" * 32),
        size=st.integers(1, 10**9),
        as_of=TIMES,
    )
    return [
        ManifestEntry(
            series=Series(symbol, Timeframe.parse(name)),
            history=draw(files),
            prediction=draw(files),
            corrupt=draw(st.none() | TEXTS),
            enough_candles=draw(st.booleans()),
            coverage_start=draw(st.none() | TIMES),
            coverage_end=draw(st.none() | TIMES),
            missing_candles=draw(st.integers(0, 10**6)),
            gaps=draw(st.none() | st.builds(GapCounts, *[st.integers(0, 10**6)] * 3)),
            gap_reasons=tuple(draw(st.lists(REASONS, max_size=5))),
            champion=draw(st.none() | TEXTS),
            caution=draw(st.none() | TEXTS),
            visibility=draw(st.sampled_from(VISIBILITIES)),
            attempts=Attempts(
                draw(st.none() | TIMES),
                draw(st.none() | TIMES),
                draw(st.integers(0, 10**4)),
                draw(st.none() | st.text(max_size=20)),
            ),
        )
        for symbol, name in names
    ]


@LAW
@given(facts=some_facts(), now=TIMES)
def test_facts_come_back_from_their_manifest(facts: list[ManifestEntry], now: datetime) -> None:
    document = manifest(*facts, now=now)
    read = entries_of_manifest(json.loads(json.dumps(document))).by_name
    # The manifest of a corrupt series does not contain that it has too few candles as well.
    expected = [replace(f, enough_candles=True) if f.corrupt is not None else f for f in facts]
    # Of hidden series it does not contain what concerns readers.
    expected = [
        f
        if f.is_public
        else replace(f, history=None, prediction=None, corrupt=None, enough_candles=True)
        for f in expected
    ]
    assert list(read.values()) == expected
    assert list(read) == [(fact.series.symbol, fact.series.timeframe.name) for fact in facts]
    again = manifest(*read.values(), now=now)
    assert again["public"] == document["public"]
    if all(fact.is_public for fact in facts):
        assert again == document


@LAW
@given(facts=some_facts(), now=TIMES)
def test_public_entries_serve_only_what_is_whole_and_young_enough(
    facts: list[ManifestEntry], now: datetime
) -> None:
    document = manifest(*facts, now=now)
    public = [fact for fact in facts if fact.is_public]
    for fact, entry in zip(public, document["public"]["entries"], strict=True):
        assert entry["status"] in STATUSES
        servable = (
            fact.corrupt is None
            and fact.enough_candles
            and fact.history is not None
            and fact.prediction is not None
            and -CLOCK_TOLERANCE <= now - fact.history.as_of <= HARD
            and -CLOCK_TOLERANCE <= now - fact.prediction.as_of <= HARD
        )
        assert entry["serve_allowed"] == servable


# -------------------------------------------------------------------- visibility, gaps, outages

DAILY = replace(WHOLE, series=SERIES.at(Timeframe.parse("1d")))
ETH = replace(WHOLE, series=Series("ETH/USDT", SERIES.timeframe))


def hidden(facts: ManifestEntry) -> ManifestEntry:
    return replace(facts, visibility=HIDDEN)


def test_a_hidden_series_is_shown_to_operators_only() -> None:
    document = manifest(hidden(ETH), WHOLE)
    assert [entry["symbol"] for entry in document["public"]["entries"]] == ["BTC/USDT"]
    assert document["public"]["symbols"] == ["BTC/USDT"]
    assert [(entry["symbol"], entry["visibility"]) for entry in document["ops"]["entries"]] == [
        ("ETH/USDT", "hidden_backfilling"),
        ("BTC/USDT", "public"),
    ]


def test_a_symbol_is_listed_as_soon_as_one_of_its_series_is_public() -> None:
    assert manifest(hidden(WHOLE), DAILY, hidden(ETH))["public"]["symbols"] == ["BTC/USDT"]
    assert manifest(hidden(WHOLE), hidden(DAILY))["public"] == {"symbols": [], "entries": []}


def test_a_series_is_hidden_unless_it_is_marked_as_public() -> None:
    assert ManifestEntry(SERIES).visibility == HIDDEN


def test_hidden_series_are_counted_apart_but_their_failures_with_the_others() -> None:
    failing = replace(WHOLE, attempts=Attempts().failed(T0, "down"))
    summary = manifest(hidden(failing), DAILY, hidden(replace(ETH, corrupt="x")))["ops"]["summary"]
    assert {word: count for word, count in summary.items() if count} == {
        "fresh": 1,
        "hidden_backfilling": 2,
        "degraded": 1,
    }


def test_gaps_are_counted_by_state_and_are_null_where_nothing_is_fetched() -> None:
    entry = ops_entry(replace(WHOLE, gaps=GapCounts(verified_absent=7, pending=2, failed=1)))
    others = {"unavailable": 0, "refused": 0}
    assert entry["gaps"] == {"verified_absent": 7, "pending": 2, "failed": 1, **others}
    assert ops_entry(WHOLE)["gaps"] is None


def outage(hours_ago: int, *symbols: str) -> Outage:
    start = AS_OF - timedelta(hours=hours_ago)
    return Outage(start, start + timedelta(hours=2), 2, symbols)


def test_outages_are_listed_newest_first_whatever_their_timeframe() -> None:
    minutes = Timeframe.parse("1m")
    found = {
        SERIES.timeframe: [outage(90, "BTC/USDT", "ETH/USDT"), outage(10, "BTC/USDT", "XRP/USDT")],
        minutes: [outage(50, "BTC/USDT", "SOL/USDT")],
    }
    document = manifest_document([WHOLE], ALL_LIMITS, AS_OF, found)
    assert_valid("manifest", document)
    shown = document["ops"]["outages"]
    assert [(each["timeframe"], each["start"]) for each in shown] == [
        ("1h", "2026-11-22T10:00:00Z"),
        ("1m", "2026-11-20T18:00:00Z"),
        ("1h", "2026-11-19T02:00:00Z"),
    ]
    assert shown[0] == {
        "timeframe": "1h",
        "start": "2026-11-22T10:00:00Z",
        "end": "2026-11-22T12:00:00Z",
        "candles": 2,
        "symbols": ["BTC/USDT", "XRP/USDT"],
    }


def test_only_the_newest_outages_are_listed() -> None:
    many = [outage(3 * number, "BTC/USDT", "ETH/USDT") for number in range(MAX_OUTAGES + 20, 0, -1)]
    document = manifest_document([WHOLE], ALL_LIMITS, AS_OF, {SERIES.timeframe: many})
    assert_valid("manifest", document)
    assert len(document["ops"]["outages"]) == 50
    assert document["ops"]["outages"][0]["start"] == time_text(AS_OF - timedelta(hours=3))


BROKEN_MANIFESTS: dict[str, Document] = {
    "nothing": {},
    "version 1": manifest(WHOLE) | {"version": 1},
    "no ops": {name: part for name, part in manifest(WHOLE).items() if name != "ops"},
    "no public part": {name: part for name, part in manifest(WHOLE).items() if name != "public"},
    "entries no list": manifest(WHOLE) | {"ops": {"entries": None}},
}


@pytest.mark.parametrize("name", BROKEN_MANIFESTS)
def test_what_is_no_manifest_of_this_version_is_refused(name: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        entries_of_manifest(BROKEN_MANIFESTS[name])


# name -> (part of the manifest, field, value)
BROKEN_ENTRIES: dict[str, tuple[str, str, object]] = {
    "file without hash": ("public", "history", {"file": "history_BTC_USDT_1h.json"}),
    "file no object": ("public", "prediction", "prediction_BTC_USDT_1h.json"),
    "time in words": ("ops", "coverage_end", "yesterday"),
    "time in another form": ("ops", "last_success_at", "2026-11-22 20:00"),
    "time a number": ("ops", "last_failure_at", 7),
    "gaps a number": ("ops", "gaps", 7),
    "gaps of an unknown state": ("ops", "gaps", {"lost": 7}),
    "an unknown visibility": ("ops", "visibility", "half"),
    "another symbol than in ops": ("public", "symbol", "ETH/USDT"),
    "a count in words": ("ops", "consecutive_failures", "3"),
    "a time that no candle has": ("ops", "coverage_end", "9999-12-31T23:59:59Z"),
    "an unknown timeframe": ("ops", "timeframe", "7h"),
    "a symbol that is no text": ("ops", "symbol", ["BTC"]),
}


@pytest.mark.parametrize("name", BROKEN_ENTRIES)
def test_of_a_manifest_with_a_broken_entry_the_others_stand(name: str) -> None:
    part, field, value = BROKEN_ENTRIES[name]
    document = manifest(WHOLE, DAILY)
    document[part]["entries"][0][field] = value
    listed = entries_of_manifest(document)
    assert listed.by_name == {("BTC/USDT", "1d"): DAILY}
    assert listed.damage is not None


@pytest.mark.parametrize("entry", ["BTC", 7, None, []])
def test_an_entry_that_is_none_is_left_out(entry: object) -> None:
    document = manifest(WHOLE, DAILY)
    for part in ("public", "ops"):
        document[part]["entries"][0] = entry
    assert list(entries_of_manifest(document).by_name.values()) == [DAILY]


@pytest.mark.parametrize("kind", ["history", "prediction"])
def test_data_that_ends_in_the_future_is_corrupt_until_then(kind: str) -> None:
    """As after a clock that jumped ahead and back; the clocks of two machines may differ a bit."""
    now = AS_OF - CLOCK_TOLERANCE
    assert status_of(WHOLE, LIMITS, now) == "fresh"
    later = replace(getattr(WHOLE, kind), as_of=AS_OF + timedelta(seconds=1))
    ahead = replace(WHOLE, **{kind: later})
    entry = public_entry(ahead, now)
    assert (entry["status"], entry["serve_allowed"]) == ("corrupt", False)
    assert "in the future" in entry["warning"]
    assert "launch redo_touched" in entry["warning"]
    # The clock says so, not the file: nothing has to be published again.
    assert entries_of_manifest(manifest(ahead, now=now)).by_name["BTC/USDT", "1h"].corrupt is None
    assert status_of(ahead, LIMITS, now + timedelta(seconds=1)) == "fresh"


def test_times_are_written_to_the_second() -> None:
    entry = ops_entry(replace(WHOLE, coverage_end=AS_OF + timedelta(seconds=1.9)))
    assert entry["coverage_end"] == "2026-11-22T20:00:01Z"
    assert time_text(parse_time("2026-11-22T20:00:01Z")) == "2026-11-22T20:00:01Z"


def test_the_reason_for_insufficient_data_is_the_warning_and_survives_the_manifest() -> None:
    reason = "The price hardly ever moved in 500 1h candles."
    known = replace(WHOLE, enough_candles=False, insufficient=reason)
    document = manifest(known)
    (entry,) = document["public"]["entries"]
    assert (entry["status"], entry["warning"]) == ("insufficient_data", reason)
    read = entries_of_manifest(document).by_name["BTC/USDT", "1h"]
    assert (read.enough_candles, read.insufficient) == (False, reason)
