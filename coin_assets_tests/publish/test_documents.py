"""The published documents and their schemas.

- History and prediction documents keep their schemas and contain exactly what the frames contain.
- ``as_of`` is data time: the close of the newest candle, whatever the clock.
- Forecast steps are consecutive candles from ``as_of`` on, months included, with open and close.
- The schemas are closed, described and strict: each of many small deviations breaks them.
"""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.candles.outages import Outage
from coin_assets.domain.forecasting.frame import LIVE, QUANTILE_COLUMNS, STEPS, forecast_frame
from coin_assets.domain.json_format import Document, parse_time, time_text
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.archive import (
    FORECASTS,
    ArchivedFile,
    ArchivePlace,
    index_document,
)
from coin_assets.domain.publishing.documents import (
    file_name,
    history_document,
    overview_of,
    prediction_document,
    without_close_times,
)
from coin_assets.domain.publishing.manifest import STATUSES, manifest_document
from coin_assets.domain.publishing.manifest_entries import (
    PUBLIC,
    VISIBILITIES,
    Attempts,
    GapCounts,
    GapReason,
    Installation,
    ManifestEntry,
    PublishedFile,
)
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets_tests.schemas import (
    CONTRACT,
    KINDS,
    SCHEMAS,
    assert_valid,
    broken_rules,
    schema_of,
)

SERIES = Series("BTC/USDT", Timeframe.parse("1h"))
NOW = datetime(2026, 11, 22, 20, 0, 7, 123456, tzinfo=UTC)
ORIGIN = datetime(2026, 11, 22, 20, tzinfo=UTC)


def candles(series: Series, count: int = 3, end: datetime = ORIGIN) -> pd.DataFrame:
    """The last candles closed by ``end``."""
    opens = [series.timeframe.shift(end, -number) for number in range(count, 0, -1)]
    rows = [(10.1 + n, 12.2 + n, 9.3 + n, 11.4 + n, 0.1 * n) for n in range(count)]
    frame = pd.DataFrame(rows, columns=["open", "high", "low", "close", "volume"])
    frame.insert(0, "timestamp", pd.Series(opens, dtype="datetime64[us, UTC]"))
    return frame


def forecast(series: Series, origin: datetime = ORIGIN, price: float = 100 / 3) -> pd.DataFrame:
    opened = series.timeframe.floor(origin)
    origins = pd.DatetimeIndex(pd.Series([opened], dtype="datetime64[us, UTC]"))
    width = np.linspace(-0.3, 0.3, 7)[None, :] * np.linspace(0.1, 1, STEPS)[:, None]
    return forecast_frame(origins, price * np.exp(width)[None], "12", [LIVE])


def history() -> Document:
    return history_document(SERIES, candles(SERIES), NOW)


def overview(frame: pd.DataFrame) -> Document:
    return overview_of(SERIES, history_document(SERIES, frame, NOW), prediction())


def prediction() -> Document:
    return prediction_document(SERIES, forecast(SERIES), NOW)


def manifest() -> Document:
    """A manifest with a fresh, a stale, a missing, a corrupt and a hidden series, and an outage."""
    eth = Series("ETH/USDT", SERIES.timeframe)
    fresh = ManifestEntry(
        SERIES,
        PublishedFile("history_BTC_USDT_1h.json", "a" * 64, 300, ORIGIN, has_object=True),
        PublishedFile("prediction_BTC_USDT_1h.json", "b" * 64, 3000, ORIGIN, has_object=True),
        evaluation=PublishedFile("evaluations/BTC_USDT_1h.json", "d" * 64, 9000, ORIGIN),
        overview=overview(candles(SERIES, 30)),
        enough_candles=True,
        coverage_start=datetime(2017, 8, 17, 4, tzinfo=UTC),
        coverage_end=ORIGIN,
        missing_candles=128,
        gaps=GapCounts(120, 5, 3),
        gap_reasons=(GapReason("refused", ORIGIN, 1, "[not_finite] open=null"),),
        champion="12",
        caution="the market looks frozen",
        visibility=PUBLIC,
        attempts=Attempts(NOW, NOW - timedelta(days=3)),
    )
    old = PublishedFile("history_ETH_USDT_1h.json", "c" * 64, 300, ORIGIN - timedelta(hours=2))
    stale = replace(
        ManifestEntry(eth, old, old, enough_candles=True, visibility=PUBLIC),
        attempts=Attempts().failed(NOW, "down"),
    )
    month = Timeframe.parse("1M")
    missing = ManifestEntry(SERIES.at(month), enough_candles=True, visibility=PUBLIC)
    corrupt = ManifestEntry(eth.at(month), corrupt="cannot be read", visibility=PUBLIC)
    hidden = ManifestEntry(Series("XRP/USDT", SERIES.timeframe), gaps=GapCounts(pending=700))
    outage = Outage(ORIGIN, ORIGIN + timedelta(hours=2), 2, ("BTC/USDT", "ETH/USDT"))
    limits = FreshnessLimits(timedelta(minutes=65), timedelta(minutes=130))
    return manifest_document(
        [fresh, stale, missing, corrupt, hidden],
        {"1h": limits, "1M": limits},
        NOW,
        {SERIES.timeframe: [outage]},
        installation=Installation("sandbox", "https://dagster.example/"),
    )


def archive_list() -> Document:
    place = ArchivePlace(FORECASTS, SERIES, datetime(2026, 11, 1, tzinfo=UTC))
    return index_document([ArchivedFile(place, "a" * 64, 3000, 168, ORIGIN, "b" * 64)], NOW)


MAKERS: dict[str, Callable[[], Document]] = {
    "archive": archive_list,
    "history": history,
    "prediction": prediction,
    "manifest": manifest,
}


# ------------------------------------------------------------------------------------------ history


def test_a_history_contains_what_the_candles_contain() -> None:
    document = history()
    assert_valid("history", document)
    assert {name: value for name, value in document.items() if name != "data"} == {
        "symbol": "BTC/USDT",
        "timeframe": "1h",
        "type": "history_1h",
        "as_of": "2026-11-22T20:00:00Z",
        "updated_at": "2026-11-22T20:00:07Z",
    }
    assert document["data"][0] == {
        "timestamp": "2026-11-22T17:00:00Z",
        "open": 10.1,
        "high": 12.2,
        "low": 9.3,
        "close": 11.4,
        "volume": 0.0,
    }
    assert [row["timestamp"][11:13] for row in document["data"]] == ["17", "18", "19"]


@given(prices=st.lists(st.floats(min_value=5e-324, max_value=1e308), min_size=1, max_size=5))
def test_prices_come_back_from_json_to_the_bit(prices: list[float]) -> None:
    frame = candles(SERIES, len(prices)).assign(close=prices)
    text = json.dumps(history_document(SERIES, frame, NOW), allow_nan=False)
    read = np.array([row["close"] for row in json.loads(text)["data"]])
    assert read.tobytes() == np.array(prices).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_history_is_as_old_as_its_newest_close(name: str) -> None:
    series = SERIES.at(Timeframe.parse(name))
    frame = candles(series)
    document = history_document(series, frame, datetime(2030, 1, 1, tzinfo=UTC))
    assert_valid("history", document)
    assert document["type"] == f"history_{name}"
    assert parse_time(document["as_of"]) == series.timeframe.floor(ORIGIN)
    opens = [parse_time(row["timestamp"]) for row in document["data"]]
    assert opens == frame["timestamp"].dt.to_pydatetime().tolist()


def test_a_gap_stays_a_gap() -> None:
    frame = candles(SERIES, 5).drop(index=[1, 2])
    opens = [row["timestamp"] for row in history_document(SERIES, frame, NOW)["data"]]
    assert opens == [f"2026-11-22T{hour}:00:00Z" for hour in (15, 18, 19)]


# --------------------------------------------------------------------------------------- prediction


def test_a_prediction_contains_what_the_forecast_contains() -> None:
    document = prediction()
    assert_valid("prediction", document)
    assert {name: value for name, value in document.items() if name != "forecast"} == {
        "symbol": "BTC/USDT",
        "timeframe": "1h",
        "as_of": "2026-11-22T20:00:00Z",
        "updated_at": "2026-11-22T20:00:07Z",
        "model_version": "12",
        "interval": 0.8,
    }
    rows = forecast(SERIES)
    for number, step in enumerate(document["forecast"]):
        row = rows.iloc[number]
        assert list(step["quantiles"].values()) == row[QUANTILE_COLUMNS].tolist()
        assert step["price"] == step["quantiles"]["0.5"] == row["price"]
        assert step["lower_bound"] == step["quantiles"]["0.1"] == row["q10"]
        assert step["upper_bound"] == step["quantiles"]["0.9"] == row["q90"]
        assert sorted(step["quantiles"].values()) == list(step["quantiles"].values())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "origin", [ORIGIN, datetime(2024, 1, 31, 23, tzinfo=UTC), datetime(2023, 12, 31, tzinfo=UTC)]
)
def test_forecast_steps_are_consecutive_opens_from_as_of_on(name: str, origin: datetime) -> None:
    series = SERIES.at(Timeframe.parse(name))
    document = prediction_document(series, forecast(series, origin), NOW)
    assert_valid("prediction", document)
    opens = [parse_time(step["timestamp"]) for step in document["forecast"]]
    assert len(opens) == STEPS
    assert opens[0] == parse_time(document["as_of"]) == series.timeframe.floor(origin)
    for opened, following in pairwise(opens):
        assert series.timeframe.close_of(opened) == following
        assert series.timeframe.is_open_time(opened)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_has_the_close_of_its_candle(name: str) -> None:
    series = SERIES.at(Timeframe.parse(name))
    steps = prediction_document(series, forecast(series), NOW)["forecast"]
    for step in steps:
        opened, closed = parse_time(step["timestamp"]), parse_time(step["close_time"])
        assert closed == series.timeframe.close_of(opened)
    assert [step["close_time"] for step in steps[:-1]] == [step["timestamp"] for step in steps[1:]]
    assert list(steps[0])[:3] == ["timestamp", "close_time", "price"]


def test_a_prediction_of_an_earlier_release_is_valid() -> None:
    document = prediction()
    earlier = without_close_times(document)
    assert_valid("prediction", earlier)
    assert "close_time" not in json.dumps(earlier)
    for step, before in zip(document["forecast"], earlier["forecast"], strict=True):
        assert {name: step[name] for name in before} == before
        assert set(step) - set(before) == {"close_time"}


def test_forecast_months_have_calendar_lengths() -> None:
    series = SERIES.at(Timeframe.parse("1M"))
    document = prediction_document(series, forecast(series, datetime(2023, 12, 5, tzinfo=UTC)), NOW)
    stamps = [step["timestamp"][:10] for step in document["forecast"]]
    expected = [f"{year}-{month:02d}-01" for year in (2023, 2024, 2025) for month in range(1, 13)]
    assert stamps == expected[11:35]


# ----------------------------------------------------------------------------------------- overview


def test_an_overview_has_the_newest_closes_and_the_end_of_the_forecast() -> None:
    frame = candles(SERIES, 60).assign(close=np.arange(1.0, 61.0))
    last = prediction()["forecast"][-1]
    assert overview(frame) == {
        "price": 60.0,
        "previous_price": 36.0,
        "target_time": last["close_time"],
        "lower_bound": last["lower_bound"],
        "upper_bound": last["upper_bound"],
        "closes": np.arange(13.0, 61.0).tolist(),
    }


def test_an_overview_has_no_earlier_price_where_the_candle_is_missing() -> None:
    for frame in (candles(SERIES, 24), candles(SERIES, 60).drop(index=[60 - 1 - STEPS])):
        found = overview(frame)
        assert found["previous_price"] is None
        assert len(found["closes"]) == min(len(frame), 48)


def test_an_overview_is_shown_only_beside_both_files() -> None:
    (entry, *_) = manifest()["public"]["entries"]
    assert entry["overview"] is not None
    whole = ManifestEntry(
        SERIES,
        PublishedFile("history_BTC_USDT_1h.json", "a" * 64, 300, ORIGIN),
        overview=entry["overview"],
        enough_candles=True,
        visibility=PUBLIC,
    )
    limits = FreshnessLimits(timedelta(minutes=65), timedelta(minutes=130))
    (shown,) = manifest_document([whole], {"1h": limits}, NOW)["public"]["entries"]
    assert (shown["status"], shown["overview"]) == ("missing", None)


@pytest.mark.parametrize("rows", [0, 1, STEPS - 1, STEPS + 1])
def test_a_forecast_with_another_number_of_steps_is_no_document(rows: int) -> None:
    whole = pd.concat([forecast(SERIES), forecast(SERIES)], ignore_index=True)
    with pytest.raises(ValueError, match=f"24 steps, not {rows}"):
        prediction_document(SERIES, whole.head(rows), NOW)


# -------------------------------------------------------------------------------- names and times


@pytest.mark.parametrize(
    ("kind", "symbol", "timeframe", "expected"),
    [
        ("history", "BTC/USDT", "1h", "history_BTC_USDT_1h.json"),
        ("prediction", "BTC/USDT:USDT", "1M", "prediction_BTC_USDT_USDT_1M.json"),
        ("history", "1000PEPE/USDT", "1m", "history_1000PEPE_USDT_1m.json"),
    ],
)
def test_file_names_are_made_of_kind_symbol_and_timeframe(
    kind: str, symbol: str, timeframe: str, expected: str
) -> None:
    assert file_name(kind, Series(symbol, Timeframe.parse(timeframe))) == expected


def test_times_are_utc_and_cut_to_the_second() -> None:
    assert time_text(NOW) == "2026-11-22T20:00:07Z"
    assert time_text(pd.Timestamp("2026-11-23 05:00:07", tz="Asia/Tokyo")) == time_text(NOW)
    assert parse_time("2026-11-22T20:00:07Z") == NOW.replace(microsecond=0)


@pytest.mark.parametrize(
    "text", ["", "2026-11-22", "2026-11-22T20:00:07", "2026-11-22T20:00:07+00:00", "20261122"]
)
def test_other_forms_of_time_are_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="does not match"):
        parse_time(text)


# ------------------------------------------------------------------------------------------ schemas

Place = tuple[str | int, ...]
# Fields that every file has which is written now; files of earlier releases lack them.
ADDED = {
    "prediction": {"close_time"},
    "history": set[str](),
    "manifest": {
        *("reason", "caution", "market"),
        *("object", "evaluation", "overview", "dagster_url", "archive", "shard"),
    },
    "archive": set[str](),
}


def objects_in(value: Any, place: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every object of a JSON value with its place; of each array the first element only."""
    if isinstance(value, dict):
        yield place, value
        for name, part in value.items():
            yield from objects_in(part, (*place, name))
    elif isinstance(value, list) and value:
        yield from objects_in(value[0], (*place, 0))


def at(document: Any, place: Place) -> Any:
    for step in place:
        document = document[step]
    return document


def changed(document: Document, place: Place, value: object) -> Document:
    """A copy of ``document`` with another value at ``place``."""
    copied = copy.deepcopy(document)
    at(copied, place[:-1])[place[-1]] = value
    return copied


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_names_itself_is_closed_and_describes_every_field(kind: str) -> None:
    schema = schema_of(kind)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"{kind}.schema.json"
    assert schema["title"]
    objects = [
        (place, node)
        for place, node in objects_in(schema)
        if node.get("type") == "object" and "properties" in node
    ]
    assert len(objects) >= 2
    for place, node in objects:
        assert node["additionalProperties"] is False, place
        added = set() if "gap_reasons" in place else ADDED[kind]
        assert sorted(node["required"]) == sorted({*node["properties"]} - added), place
        for name, field in node["properties"].items():
            assert field.get("description"), f"{place}: {name} is not described"


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_lists_the_timeframes_and_status_words_of_the_platform(kind: str) -> None:
    schema = schema_of(kind)
    assert schema["$defs"]["timeframe"]["enum"] == list(NAMES)
    if kind == "manifest":
        status = schema["$defs"]["public_entry"]["properties"]["status"]
        assert status["enum"] == list(STATUSES)
        assert schema["$defs"]["ops_entry"]["properties"]["visibility"]["enum"] == [*VISIBILITIES]


def test_every_schema_has_its_place_in_the_readme() -> None:
    readme = (CONTRACT / "README.md").read_text()
    assert {path.name for path in CONTRACT.glob("*.json")} == {f"{k}.schema.json" for k in SCHEMAS}
    for kind in SCHEMAS:
        assert f"`{kind}.schema.json`" in readme


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_may_be_missing_and_none_may_be_added(kind: str) -> None:
    document = MAKERS[kind]()
    assert_valid(kind, document)
    places = [(*place, name) for place, node in objects_in(document) for name in node]
    assert len(places) >= 10
    for place in places:
        broken = copy.deepcopy(document)
        del at(broken, place[:-1])[place[-1]]
        is_added = place[-1] in ADDED[kind] and "gap_reasons" not in place
        assert bool(broken_rules(kind, broken)) != is_added, f"valid without {place}"
        assert broken_rules(kind, changed(document, (*place[:-1], "extra"), 1)), place


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [[], {}, "text", -1, True])
def test_no_field_takes_a_value_of_any_type(kind: str, value: object) -> None:
    document = MAKERS[kind]()
    free_text = {
        "symbol",
        "model_version",
        "warning",
        "last_error",
        "reason",
        "champion",
        "caution",
        "source",
    }
    for place in [(*place, name) for place, node in objects_in(document) for name in node]:
        current = at(document, place)
        if type(value) is type(current) and (place[-1] in free_text or value is current):
            continue
        if (place[-1], value) in OPEN_FIELDS:
            continue
        assert broken_rules(kind, changed(document, place, value)), f"{place} may be {value!r}"


# Fields of the first manifest entry that are null or false there and may hold these instead.
OPEN_FIELDS: list[tuple[str, object]] = [
    ("last_error", "text"),
    ("reason", "text"),
    ("degraded", True),
    ("symbols", []),
    ("entries", []),
    ("outages", []),
    ("files", []),
    ("gap_reasons", []),
]

FIRST, STALE, MISSING, CORRUPT = (("public", "entries", number) for number in range(4))
OPS = ("ops", "entries", 0)
OUTAGE = ("ops", "outages", 0)
STEP = ("forecast", 5)
CANDLE = ("data", 1)

BROKEN_HISTORIES: dict[str, tuple[Place, object]] = {
    "no candle": (("data",), []),
    "zero price": ((*CANDLE, "low"), 0),
    "price as text": ((*CANDLE, "low"), "9.3"),
    "price null": ((*CANDLE, "close"), None),
    "negative volume": ((*CANDLE, "volume"), -0.1),
    "time with offset": ((*CANDLE, "timestamp"), "2026-11-22T18:00:00+00:00"),
    "time without zone": ((*CANDLE, "timestamp"), "2026-11-22T18:00:00"),
    "time with fraction": ((*CANDLE, "timestamp"), "2026-11-22T18:00:00.5Z"),
    "time without seconds": ((*CANDLE, "timestamp"), "2026-11-22T18:00Z"),
    "time as number": ((*CANDLE, "timestamp"), 1795370400),
    "day that never was": (("as_of",), "2026-02-30T18:00:00Z"),
    "hour that never was": (("updated_at",), "2026-02-20T25:00:00Z"),
    "unknown timeframe": (("timeframe",), "7h"),
    "timeframe in another notation": (("timeframe",), "1H"),
    "no symbol": (("symbol",), ""),
    "another type": (("type",), "prediction_1h"),
    "type without timeframe": (("type",), "history"),
}
BROKEN_PREDICTIONS: dict[str, tuple[Place, object]] = {
    "another interval": (("interval",), 0.9),
    "no model version": (("model_version",), ""),
    "model version as number": (("model_version",), 12),
    "no steps": (("forecast",), []),
    "a step null": (STEP, None),
    "price zero": ((*STEP, "price"), 0.0),
    "price null": ((*STEP, "price"), None),
    "bound negative": ((*STEP, "lower_bound"), -1.0),
    "bound as text": ((*STEP, "upper_bound"), "9"),
    "quantile null": ((*STEP, "quantiles", "0.05"), None),
    "quantile unknown": ((*STEP, "quantiles", "0.99"), 1.0),
    "quantile in another form": ((*STEP, "quantiles", "0.50"), 1.0),
    "quantiles as list": ((*STEP, "quantiles"), [1, 2, 3, 4, 5, 6, 7]),
    "time without zone": ((*STEP, "timestamp"), "2026-11-22T18:00:00"),
    "close without zone": ((*STEP, "close_time"), "2026-11-22T19:00:00"),
    "as_of null": (("as_of",), None),
}
BROKEN_MANIFESTS: dict[str, tuple[Place, object]] = {
    "version 1": (("version",), 1),
    "version as text": (("version",), "2"),
    "unknown status": ((*FIRST, "status"), "ok"),
    "status null": ((*FIRST, "status"), None),
    "fresh but not served": ((*FIRST, "serve_allowed"), False),
    "fresh with a warning": ((*FIRST, "warning"), "careful"),
    "fresh without history": ((*FIRST, "history"), None),
    "fresh without prediction": ((*FIRST, "prediction"), None),
    "fresh without hard_stale_at": ((*FIRST, "hard_stale_at"), None),
    "stale without a warning": ((*STALE, "warning"), None),
    "hard stale but served": ((*STALE, "status"), "hard_stale"),
    "missing for no reason": ((*MISSING, "reason"), None),
    "missing for an empty reason": ((*MISSING, "reason"), ""),
    "fresh with a reason": ((*FIRST, "reason"), "no model"),
    "missing but served": ((*MISSING, "serve_allowed"), True),
    "corrupt but served": ((*CORRUPT, "serve_allowed"), True),
    "corrupt without a reason": ((*CORRUPT, "warning"), None),
    "corrupt for an empty reason": ((*CORRUPT, "warning"), ""),
    "scores": ((*FIRST, "quality"), {}),
    "hash too short": ((*FIRST, "history", "sha256"), "a" * 63),
    "hash in capitals": ((*FIRST, "history", "sha256"), "A" * 64),
    "hash no hexadecimal": ((*FIRST, "history", "sha256"), "g" * 64),
    "empty file": ((*FIRST, "history", "bytes"), 0),
    "size with a fraction": ((*FIRST, "history", "bytes"), 10.5),
    "object of another folder": ((*FIRST, "history", "object"), f"../{'a' * 64}.json"),
    "object without a hash": ((*FIRST, "history", "object"), "objects/history.json"),
    "overview without closes": ((*FIRST, "overview", "closes"), []),
    "overview of no price": ((*FIRST, "overview", "price"), 0),
    "address with a user": (("ops", "dagster_url"), "https://me:pw@host/"),
    "address of a file": (("ops", "dagster_url"), "file:///etc/passwd"),
    "file in another folder": ((*FIRST, "history", "file"), "../history_BTC_USDT_1h.json"),
    "file of another kind": ((*FIRST, "prediction", "file"), "model_BTC_USDT_1h.json"),
    "file with an unsafe name": ((*FIRST, "prediction", "file"), "history_BTC/USDT_1h.json"),
    "a symbol twice": (("public", "symbols"), ["BTC/USDT", "BTC/USDT"]),
    "soft limit zero": ((*OPS, "soft_minutes"), 0),
    "limit as text": ((*OPS, "hard_minutes"), "130"),
    "degraded null": ((*OPS, "degraded"), None),
    "failures negative": ((*OPS, "consecutive_failures"), -1),
    "failures with a fraction": ((*OPS, "consecutive_failures"), 0.5),
    "missing candles negative": ((*OPS, "missing_candles"), -1),
    "gaps negative": ((*OPS, "gaps", "failed"), -1),
    "gaps as number": ((*OPS, "gaps"), 7),
    "outage of nobody": ((*OUTAGE, "symbols"), []),
    "outage of one symbol": ((*OUTAGE, "symbols"), ["BTC/USDT"]),
    "outage of a symbol twice": ((*OUTAGE, "symbols"), ["BTC/USDT", "BTC/USDT"]),
    "outage of no candle": ((*OUTAGE, "candles"), 0),
    "outage without end": ((*OUTAGE, "end"), None),
    "visibility null": ((*OPS, "visibility"), None),
    "unknown visibility": ((*OPS, "visibility"), "secret"),
    "champion as number": ((*OPS, "champion"), 12),
    "time without zone": ((*OPS, "coverage_end"), "2026-11-22T20:00:00"),
    "count negative": (("ops", "summary", "fresh"), -1),
    "unknown count": (("ops", "summary", "ok"), 1),
}
BROKEN = {
    f"{kind}: {name}": (kind, place, value)
    for kind, table in (
        ("history", BROKEN_HISTORIES),
        ("prediction", BROKEN_PREDICTIONS),
        ("manifest", BROKEN_MANIFESTS),
    )
    for name, (place, value) in table.items()
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_document_breaks_its_schema(name: str) -> None:
    kind, place, value = BROKEN[name]
    assert broken_rules(kind, changed(MAKERS[kind](), place, value))


@pytest.mark.parametrize("count", [0, 1, STEPS - 1, STEPS + 1])
def test_a_prediction_has_exactly_24_steps(count: int) -> None:
    document = prediction()
    steps = (document["forecast"] * 2)[:count]
    assert broken_rules("prediction", document | {"forecast": steps})


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_of_one_kind_is_none_of_another(kind: str) -> None:
    assert [other for other in KINDS if not broken_rules(other, MAKERS[kind]())] == [kind]
    others: list[object] = [None, [], {}, "text"]
    assert all(broken_rules(kind, other) for other in others)
