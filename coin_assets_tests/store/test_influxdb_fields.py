"""Rows of field tables: the same, to the bit, as the server's ``pivot`` of the same points."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.errors import CorruptArtefact
from coin_assets.store.influxdb import flux
from coin_assets.store.influxdb.answers import QueryFailed, frame_of
from coin_assets.store.influxdb.fields import rows_of
from coin_assets.store.influxdb.measurements import FORECAST, LEDGER, OHLCV, REVISION, Measurement
from coin_assets_tests.influx.annotated_csv import Dialect, broken_off, encoded
from coin_assets_tests.influx.database import Database, Rights
from coin_assets_tests.influx.refusal import Refusal

BUCKET, SECOND = "market", 10**9
START = datetime(1970, 1, 1, tzinfo=UTC)
TAGS = {"symbol": "BTC/USDT", "timeframe": "1h"}
DIALECT = Dialect(annotations=("datatype", "group", "default"))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=5)
TIMES = st.integers(0, 9)
Point = dict[str, str | float]


def stored(lines: list[str]) -> Database:
    database = Database("coins", lambda: 10**18)
    database.create(BUCKET)
    if lines:
        database.write(BUCKET, "\n".join(lines), "s")
    return database


def line(measurement: Measurement, time: int, tags: dict[str, str], point: Point) -> str:
    fields = []
    for name, value in point.items():
        if isinstance(value, str):
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            fields.append(f'{name}="{escaped}"')
        else:
            fields.append(f"{name}={value!r}")
    named = ",".join(f"{name}={value}" for name, value in sorted((TAGS | tags).items()))
    return f"{measurement.name},{named} {','.join(fields)} {time}"


def answer(database: Database, script: str) -> bytes:
    return encoded(database.query(script, Rights()), DIALECT).encode()


def script_of(measurement: Measurement, seconds: int) -> str:
    return flux.values(BUCKET, measurement, TAGS, START, START + timedelta(seconds=seconds))


def pivoted_script(measurement: Measurement, seconds: int) -> str:
    """The same points, joined by the server."""
    columns = [name for name in measurement.dtypes if name != measurement.time]
    kept = ", ".join(f'"{name}"' for name in ["_time", *columns])
    pivot = 'pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
    stages = f"{pivot} |> keep(columns: [{kept}])"
    return re.sub(r"drop\(.*\)$", lambda _: stages, script_of(measurement, seconds))


def outcome(read: Callable[[], pd.DataFrame]) -> pd.DataFrame | type[Exception]:
    try:
        rows = read()
    except (CorruptArtefact, Refusal) as error:
        return type(error)
    return rows.sort_values(list(rows.columns), ignore_index=True)


def assert_same_both_ways(database: Database, measurement: Measurement, seconds: int = 10) -> None:
    columns, time = measurement.dtypes, measurement.time
    ours = outcome(lambda: rows_of(answer(database, script_of(measurement, seconds)), measurement))
    pivoted = outcome(
        lambda: frame_of(answer(database, pivoted_script(measurement, seconds)), columns, time)
    )
    if isinstance(pivoted, type):
        assert ours is CorruptArtefact
        return
    assert isinstance(ours, pd.DataFrame)
    pd.testing.assert_frame_equal(ours, pivoted, check_exact=True)
    floats = list(measurement.floats)
    assert ours[floats].to_numpy().tobytes() == pivoted[floats].to_numpy().tobytes()


def points_of(measurement: Measurement, may_lack: bool) -> st.SearchStrategy[Point]:
    kinds: dict[str, st.SearchStrategy[str | float]] = {
        name: TEXTS if name in measurement.texts else FLOATS for name in measurement.fields
    }
    if not may_lack:
        return st.fixed_dictionaries(kinds)
    return st.fixed_dictionaries({}, optional=kinds).filter(bool)


def tags_of(measurement: Measurement) -> st.SearchStrategy[dict[str, str]]:
    own = {
        **dict.fromkeys(measurement.words, st.sampled_from(["champion", "naive"])),
        **dict.fromkeys(measurement.numbers, st.sampled_from(["01", "02", "24"])),
    }
    return st.fixed_dictionaries(own)


@st.composite
def lines_of(draw: st.DrawFn, measurement: Measurement, may_lack: bool) -> list[str]:
    points = draw(
        st.lists(
            st.tuples(TIMES, tags_of(measurement), points_of(measurement, may_lack)), max_size=20
        )
    )
    return [line(measurement, *each) for each in points]


@pytest.mark.parametrize(
    "measurement", [OHLCV, FORECAST, REVISION, LEDGER], ids=lambda each: each.name
)
@pytest.mark.parametrize("may_lack", [False, True], ids=["whole points", "some lack fields"])
def test_rows_are_those_of_the_pivot(measurement: Measurement, may_lack: bool) -> None:
    @given(lines_of(measurement, may_lack), st.integers(1, 10))
    def check(lines: list[str], seconds: int) -> None:
        assert_same_both_ways(stored(lines), measurement, seconds)

    check()


POINT: Point = {name: float(number) for number, name in enumerate(OHLCV.fields, 1)}


def candle(time: int, tags: dict[str, str] | None = None, **values: float) -> str:
    return line(OHLCV, time, tags or {}, {**POINT, **values})


@given(st.sets(TIMES), st.sets(TIMES))
def test_an_extra_tag_makes_another_row_of_the_same_time(own: set[int], others: set[int]) -> None:
    lines = [candle(time) for time in own]
    lines += [candle(time, {"host": "a"}, close=9.0) for time in others]
    assert_same_both_ways(stored(lines), OHLCV)


@given(st.randoms(use_true_random=False))
def test_the_order_of_tables_and_rows_does_not_matter(random: Random) -> None:
    database = stored([candle(time, close=time / 3) for time in range(7)])
    text = answer(database, script_of(OHLCV, 10)).decode()
    *head, _ = text.partition(",result,table,")
    header, _, body = text[len(head[0]) :].partition("\r\n")
    rows = body.split()
    expected = rows_of(text.encode(), OHLCV).sort_values("timestamp", ignore_index=True)
    random.shuffle(rows)
    cut = random.randint(0, len(rows))  # in one block, or in two with the same columns
    blocks = [
        head[0] + header + "\r\n" + "\r\n".join(part) + "\r\n" for part in (rows[:cut], rows[cut:])
    ]
    found = rows_of("\r\n".join(blocks).encode(), OHLCV)
    pd.testing.assert_frame_equal(
        found.sort_values("timestamp", ignore_index=True), expected, check_exact=True
    )


def test_an_empty_answer_has_no_rows_and_all_columns() -> None:
    for body in (b"", b"\r\n", answer(stored([]), script_of(FORECAST, 10))):
        found = rows_of(body, FORECAST)
        assert found.empty
        assert found.dtypes.astype(str).to_dict() == FORECAST.dtypes


@pytest.mark.parametrize("name", OHLCV.fields)
def test_a_point_that_lacks_a_field_is_refused(name: str) -> None:
    partial = {field: value for field, value in POINT.items() if field != name}
    for lines in (
        [line(OHLCV, 3, {}, partial)],
        [candle(time) for time in (1, 2)] + [line(OHLCV, 3, {}, partial)],
        # As many values of each field, but of other points.
        [line(OHLCV, 3, {}, partial), line(OHLCV, 4, {}, {name: 1.0})],
    ):
        with pytest.raises(CorruptArtefact, match="Delete the points"):
            rows_of(answer(stored(lines), script_of(OHLCV, 10)), OHLCV)


def test_a_field_of_another_type_is_refused() -> None:
    texts = line(OHLCV, 3, {}, {**POINT, "close": "high"})
    numbers = line(LEDGER, 3, {}, {"document": 1.0})
    for measurement, text in ((OHLCV, texts), (LEDGER, numbers)):
        with pytest.raises(CorruptArtefact, match="Delete the points"):
            rows_of(answer(stored([text]), script_of(measurement, 10)), measurement)


def test_an_error_within_the_answer_is_raised() -> None:
    results = stored([candle(1), candle(2)]).query(script_of(OHLCV, 10), Rights())
    with pytest.raises(QueryFailed, match="out of memory"):
        rows_of(broken_off(results, "out of memory", DIALECT).encode(), OHLCV)


def test_tags_that_are_not_fixed_are_columns() -> None:
    named = {"symbol": "str", "timeframe": "str"}
    database = stored(
        [line(LEDGER, 3, {"symbol": symbol}, {"document": symbol}) for symbol in "AB"]
    )
    script = flux.values(BUCKET, LEDGER, {}, START, START + timedelta(seconds=10))
    found = rows_of(answer(database, script), LEDGER, named).sort_values("symbol")
    assert found["symbol"].tolist() == found["document"].tolist() == ["A", "B"]
    assert found["timeframe"].tolist() == ["1h", "1h"]
