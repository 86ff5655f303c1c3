"""What the stand-in makes of line protocol, held against the serialiser of the real client."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point

from coin_assets_tests.influx.field_values import Unsigned, Value
from coin_assets_tests.influx.line_protocol import parse
from coin_assets_tests.influx.points import series_key
from coin_assets_tests.influx.refusal import Refusal

# A backslash before a delimiter cannot be said in line protocol, so names come without.
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\\", exclude_categories=["C"]), min_size=1
).filter(lambda name: not name.startswith("#") and name.strip(" \t\0") != "")
VALUES = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.text(st.characters(codec="utf-8", exclude_characters="\r"))
)


def one(line: str, precision: str = "s") -> tuple[str, dict[str, str], dict[str, Value], int]:
    (point,) = parse(line, precision, now=7)
    return point.series[0], dict(point.series[1]), point.fields, point.time


def refusal(text: str) -> str:
    with pytest.raises(Refusal) as refused:
        parse(text, "s", now=0)
    assert refused.value.status == 400
    return refused.value.message


@given(
    NAMES,
    st.dictionaries(NAMES, NAMES, max_size=3),
    st.dictionaries(NAMES, VALUES, min_size=1, max_size=4),
    st.integers(0, 9 * 10**9),
)
@example("ohlcv", {"symbol": "BTC/USDT"}, {"close": 5e-324}, 0)
@example("a b,c", {"k =,": 'v"=, '}, {'f"=, ': 'say "x" \\ \n#no, comment'}, 1)
def test_what_the_client_writes_comes_back(
    measurement: str, tags: dict[str, str], fields: dict[str, Value], seconds: int
) -> None:
    point = Point(measurement).time(seconds, "s")
    for series, text in tags.items():
        point.tag(series, text)
    for name, value in fields.items():
        point.field(name, value)
    found = one(point.to_line_protocol())
    assert found == (measurement, tags, fields, seconds * 10**9)
    assert [type(each) for each in found[2].values()] == [type(fields[name]) for name in found[2]]


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-0.0)
def test_floats_keep_every_bit(value: float) -> None:
    (found,) = one(f"m f={value!r} 1")[2].values()
    assert isinstance(found, float)
    assert (found, math.copysign(1, found)) == (value, math.copysign(1, value))


@given(NAMES, st.dictionaries(NAMES, NAMES, max_size=3))
def test_a_series_key_reads_as_its_series(measurement: str, tags: dict[str, str]) -> None:
    series = (measurement, tuple(sorted(tags.items())))
    assert parse(f"{series_key(series)} f=1 1", "s", 0)[0].series == series


def test_types_of_fields() -> None:
    line = r'm f=1,e=-1.5e-3,d=.5,p=2.,i=-3i,u=18446744073709551615u,t=T,no=false,s="a,b c=\"d\""'
    fields = one(line)[2]
    assert fields == {
        "f": 1.0,
        "e": -0.0015,
        "d": 0.5,
        "p": 2.0,
        "i": -3,
        "u": 2**64 - 1,
        "t": True,
        "no": False,
        "s": 'a,b c="d"',
    }
    assert [type(fields[name]) for name in "fiuts"] == [float, int, Unsigned, bool, str]


def test_a_backslash_escapes_only_what_needs_it() -> None:
    assert one(r'm,t=a\b f="\n\\" 1') == ("m", {"t": r"a\b"}, {"f": "\\n\\"}, 10**9)


@pytest.mark.parametrize(
    ("precision", "nanoseconds"), [("ns", 1), ("us", 10**3), ("ms", 10**6), ("s", 10**9)]
)
def test_precisions(precision: str, nanoseconds: int) -> None:
    assert one("m f=1 -5", precision)[3] == -5 * nanoseconds
    assert parse("m f=1", precision, now=1_234_567_891_234_567_891)[0].time == (
        1_234_567_891_234_567_891 // nanoseconds * nanoseconds
    )


def test_lines_without_points() -> None:
    text = '\n# a comment "\n   \n  m f=1 1  \n\t#m f=2 2\nm f="a\nb" 2\n'
    assert [each.fields["f"] for each in parse(text, "s", 0)] == [1.0, "a\nb"]


def test_tags_are_sorted_and_fields_may_be_spaced() -> None:
    assert parse("m,b=2,a=1   f=1   5", "ns", 0)[0].series == ("m", (("a", "1"), ("b", "2")))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("m", "missing fields"),
        (",t=a f=1", "missing measurement"),
        ("m,=a f=1", "missing tag key"),
        ("m,t f=1", "missing tag value"),
        ("m,t= f=1", "missing tag value"),
        ("m,t=a", "missing fields"),
        ("m,t=a=b f=1", "invalid tag format"),
        ("m,t=a,t=b f=1", "duplicate tags"),
        ("m f", "invalid field format"),
        ("m f=1,g", "invalid field format"),
        ("m =1", "missing field key"),
        ("m f=", "missing field value"),
        ("m f=,g=1", "missing field value"),
        ("m f=1.1.1", "invalid number"),
        ("m f=1_000", "invalid number"),
        ("m f=NaN", "invalid number"),
        ("m f=nan", "invalid number"),
        ("m f=-inf", "invalid number"),
        ("m f=inf", "invalid boolean"),
        ("m f=1e400", "invalid float"),
        ("m f=-1u", "invalid number"),
        ("m f=1.5i", "invalid number"),
        ("m f=yes", "invalid boolean"),
        ("m f=1 x", "bad timestamp"),
        ("m f=1 1.5", "bad timestamp"),
        ("m f=1 1 1", "point is invalid"),
        ("m f=1 9223372037", "time outside range"),
        ("m f=9223372036854775808i", "unable to parse integer 9223372036854775808"),
    ],
)
def test_malformed_lines_are_named(line: str, reason: str) -> None:
    assert refusal(f"good f=1 1\n{line}\ngood f=2 2").startswith(
        f"unable to parse '{line}': {reason}"
    )


def test_every_malformed_line_is_named() -> None:
    assert refusal("a f= 1\nb f=1 1\nc 1").split("\n") == [
        "unable to parse 'a f= 1': missing field value",
        "unable to parse 'c 1': invalid field format",
    ]


def test_a_string_without_an_end_takes_the_lines_that_follow() -> None:
    assert refusal('m f="a\nm f=1 1').startswith("unable to parse 'm f=\"a\nm f=1 1': unbalanced")
