"""Any bytes in a stored document give a result or one typed error, in bounded time.

`test_fuzz_memory` bounds the memory.
"""

import json
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.errors import ConfigurationError, CorruptArtefact
from coin_assets.store.damage_markers import current, mark
from coin_assets.store.home import open_home
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.store.contract import DEC, HOURLY, NOV, everything, forecasts_at, hours
from coin_assets_tests.store.test_ledger_documents import LEDGER

LAW = settings(
    max_examples=25,
    deadline=timedelta(seconds=5),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Change = Callable[[bytes], bytes]


def flipped(changes: list[tuple[float, int]]) -> Change:
    """Bytes at some places, each a share of the length from the end, replaced."""

    def change(content: bytes) -> bytes:
        damaged = bytearray(content)
        for share, byte in changes:
            damaged[-1 - int(share * (len(damaged) - 1))] = byte
        return bytes(damaged)

    return change


def cut(start: float, length: float) -> Change:
    """A part is gone, the rest moves up."""

    def change(content: bytes) -> bytes:
        first = int(start * len(content))
        return content[:first] + content[first + int(length * len(content)) :]

    return change


def swapped(first: float, second: float, length: int) -> Change:
    """Two parts have changed places."""

    def change(content: bytes) -> bytes:
        damaged = bytearray(content)
        one, two = (int(each * max(len(damaged) - length, 0)) for each in (first, second))
        damaged[one : one + length], damaged[two : two + length] = (
            content[two : two + length],
            content[one : one + length],
        )
        return bytes(damaged)

    return change


SHARES = st.floats(0, 1)
# The end of a Parquet file is its footer, which no checksum protects.
PLACES = SHARES | st.floats(0, 0.3)
CHANGES = st.one_of(
    st.binary(max_size=2000).map(lambda content: lambda _: content),
    st.lists(st.tuples(PLACES, st.integers(0, 255)), min_size=1, max_size=4).map(flipped),
    st.builds(cut, SHARES, SHARES),
    st.builds(swapped, SHARES, SHARES, st.integers(1, 64)),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("home"))


def filled(home: Path) -> Path:
    store = ParquetStore(home)
    store.write_candles(HOURLY, hours(NOV, 100), NOV, DEC)
    store.add_forecasts(HOURLY, forecasts_at([NOV]))
    store.update_ledger(HOURLY, lambda _: LEDGER)
    return home


@pytest.fixture(scope="module")
def originals(home: Path) -> dict[str, bytes]:
    return contents(home)


def contents(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.rglob("*.*") if path.name[0] != "."}


def placed(home: Path, name: str, content: bytes) -> None:
    (path,) = (path for path in home.rglob(name) if path.name == name)
    path.unlink()  # another file each time, so that nothing is answered from memory
    path.write_bytes(content)


def answers(store: ParquetStore) -> Iterator[Callable[[], Any]]:
    yield lambda: store.extent(HOURLY)
    yield lambda: store.count_candles(HOURLY, NOV, DEC)
    yield lambda: store.newest_forecasts([HOURLY])
    yield lambda: everything(store, HOURLY)
    yield lambda: store.read_forecasts(HOURLY, NOV, DEC)
    yield lambda: store.read_ledger(HOURLY)
    yield lambda: store.read_through(HOURLY)


def assert_answers_or_names(home: Path, name: str, sound: bytes) -> None:
    store, refusals = ParquetStore(home), list[str]()
    for answer in answers(store):
        try:
            answer()
        except CorruptArtefact as error:
            refusals.append(str(error))
    assert all(name in text and len(text) < 1000 for text in refusals)
    placed(home, name, sound)
    store.read_through(HOURLY)
    assert refusals or not list(home.rglob(".damaged_*"))


NAMES = ["candles.parquet", "forecasts.parquet", "ledger.json"]
FILES = pytest.mark.parametrize("name", NAMES)


@pytest.mark.slow
@FILES
@given(change=CHANGES)
@settings(LAW, max_examples=500)
def test_many_changes_of_bytes_give_an_answer_or_name_the_file(
    home: Path, originals: dict[str, bytes], name: str, change: Change
) -> None:
    placed(home, name, change(originals[name]))
    assert_answers_or_names(home, name, originals[name])


@FILES
@given(change=CHANGES)
@LAW
def test_changed_bytes_give_an_answer_or_name_the_file(
    home: Path, originals: dict[str, bytes], name: str, change: Change
) -> None:
    placed(home, name, change(originals[name]))
    assert_answers_or_names(home, name, originals[name])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(["listed", "edge", "absences", "symbol", "start", "tries", "error", "end"])
TIMES = st.datetimes(timezones=st.timezones() | st.none()).map(lambda time: time.isoformat())


@given(
    changes=st.lists(st.tuples(st.integers(-1, 1), FIELDS, JSON | TIMES), min_size=1, max_size=3)
)
@LAW
def test_any_values_in_a_ledger_give_a_ledger_or_name_the_file(
    home: Path, originals: dict[str, bytes], changes: list[tuple[int, str, Any]]
) -> None:
    document = json.loads(originals["ledger.json"])
    absences = document["absences"]
    for number, field, value in changes:
        (document if number < 0 else absences[number])[field] = value
    placed(home, "ledger.json", json.dumps(document).encode())
    store = ParquetStore(home)
    with suppress(CorruptArtefact):
        ledger = store.read_ledger(HOURLY)
        # Then every use of it works as well.
        assert isinstance(ledger.due(NOV, DEC, DEC), list)
        assert isinstance(ledger.rechecks(NOV, DEC, DEC), list)
        assert isinstance(ledger.missing(HOURLY.timeframe), list)
        answered = ledger.answered(NOV, DEC, [], DEC)
        assert store.update_ledger(HOURLY, lambda _: answered) == answered
    placed(home, "ledger.json", originals["ledger.json"])


@given(content=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@LAW
def test_any_bytes_are_a_marker_or_none(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / ".damaged_month=2026-11_candles.json"
    place.write_bytes(content)
    assert current(place) is None
    assert not place.exists()


@given(
    change=CHANGES, field=st.sampled_from(["file", "identity", "message", "found_at"]), value=JSON
)
@LAW
def test_a_changed_marker_speaks_of_its_file_or_not_at_all(
    tmp_path: Path, change: Change, field: str, value: Any
) -> None:
    path = tmp_path / "month=2026-11/candles.parquet"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"rows")
    mark(path, None, "damaged")
    (place,) = tmp_path.glob(".damaged_*")
    document = json.loads(place.read_bytes())
    for content in (
        change(place.read_bytes()),
        json.dumps(document | {field: value}).encode(),
    ):
        place.write_bytes(content)
        marker = current(place)
        assert marker is None or marker.path == str(path)
        assert marker is None or str(marker.error()).encode()


@given(content=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@LAW
def test_any_bytes_are_a_market_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "market.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match="COIN_HOME"):
        open_home(tmp_path, "sandbox", needs_case=False)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"market":' * 100_000])
def test_deep_nesting_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "market.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match="does not name its market"):
        open_home(tmp_path, "sandbox", needs_case=False)
    place = tmp_path / ".damaged_month=2026-11_candles.json"
    place.write_bytes(content)
    assert current(place) is None


# ----------------------------------------------------------------------------------- false numbers


def varint(number: int) -> bytes:
    """A number in Thrift's compact protocol, that of Parquet footers: zigzag, then LEB128."""
    number, parts = number << 1, bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def claiming(content: bytes, rows: int, claimed: int, which: int) -> bytes | None:
    """The file with a number ``rows`` of its footer replaced; None if there are fewer of them."""
    size = struct.unpack("<I", content[-8:-4])[0]
    body, footer = content[: -8 - size], content[-8 - size : -8]
    places = [at for at in range(len(footer)) if footer.startswith(varint(rows), at)]
    chosen = places if which < 0 else places[which : which + 1]
    if not chosen:
        return None
    for at in reversed(chosen):
        footer = footer[:at] + varint(claimed) + footer[at + len(varint(rows)) :]
    return body + footer + struct.pack("<I", len(footer)) + content[-4:]


CLAIMS = [2**40, 2**62, 2**31, 101]


@pytest.mark.parametrize("claimed", CLAIMS)
def test_a_footer_that_claims_many_rows_is_refused_at_once(
    home: Path, originals: dict[str, bytes], claimed: int
) -> None:
    name = "candles.parquet"
    forged = [claiming(originals[name], 100, claimed, which) for which in range(-1, 12)]
    believed = 0
    for content in filter(None, forged):
        placed(home, name, content)
        believed += content[-4:] == b"PAR1" and rows_claimed(home) == claimed
        assert_answers_or_names(home, name, originals[name])
    assert believed > 0


def rows_claimed(home: Path) -> int | None:
    (path,) = home.rglob("candles.parquet")
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError):
        return None


def test_a_ledger_of_an_empty_home_is_empty(tmp_path: Path) -> None:
    assert ParquetStore(tmp_path).read_ledger(HOURLY) == Ledger()
