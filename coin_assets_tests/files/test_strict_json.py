"""Strict JSON: one meaning for each content, or one typed error."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.errors import CorruptArtefact
from coin_assets.files.checksummed_json import json_bytes, require_same
from coin_assets.files.strict_json import content_of, document_of

REFUSED = {
    "duplicate names": (b'{"a": 1, "a": 1}', "the name 'a' occurs twice"),
    "duplicate names inside": (b'{"x": [{"a": 1, "a": 2}]}', "occurs twice"),
    "NaN": (b'{"a": NaN}', "NaN is no JSON"),
    "minus infinity": (b'{"a": -Infinity}', "-Infinity is no JSON"),
    "a float beyond all floats": (b'{"a": 1e999}', "out of range"),
    "an integer beyond 64 bits": (b'{"a": 1' + b"0" * 300 + b"}", "out of range"),
    "more digits than Python reads": (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
    "nesting beyond the stack": (b'{"a":' * 100_000, "nested too deeply"),
    "deep nesting": (b'{"a":' * 40 + b"1" + b"}" * 40, "levels deep"),
    "half a surrogate pair": (rb'{"a": "\ud800"}', "surrogates not allowed"),
    "half a surrogate pair as name": (rb'{"\ud800": 1}', "surrogates not allowed"),
    "no UTF-8": (b'{"a": "\xff"}', "invalid start byte"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "utf-8"),
    "a byte order mark": (b'\xef\xbb\xbf{"a": 1}', "BOM"),
    "a list": (b"[]", "no JSON object"),
    "text after it": (b"{} {}", "Extra data"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_readers_could_take_in_two_ways_is_refused(name: str) -> None:
    content, reason = REFUSED[name]
    with pytest.raises(ValueError, match=reason):
        document_of(content)


def test_large_but_finite_numbers_are_read() -> None:
    content = b'{"a": 1e300, "b": 9223372036854775807, "c": -1.5}'
    assert document_of(content) == {"a": 1e300, "b": 2**63 - 1, "c": -1.5}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text("abc"), VALUES, max_size=5))
def test_what_is_written_is_read(document: dict[str, Any]) -> None:
    assert document_of(json_bytes(document)) == document


@settings(max_examples=40)
@given(st.binary() | st.text().map(str.encode) | st.text('{}[]":,0123456789eE-a').map(str.encode))
def test_any_bytes_give_an_object_of_plain_values_or_a_value_error(content: bytes) -> None:
    try:
        document = document_of(content)
    except ValueError:
        return
    assert document_of(json.dumps(document, allow_nan=False).encode()) == document


@settings(max_examples=40)
@given(VALUES, VALUES)
def test_members_are_compared_with_their_type(found: Any, expected: Any) -> None:
    is_same = found == expected and type(found) is type(expected)
    try:
        require_same(Path("x.json"), {"a": found}, {"a": expected}, "Restore it.")
    except CorruptArtefact as refusal:
        assert not is_same
        assert "x.json belongs elsewhere: its a is " in str(refusal)  # noqa: PT017
    else:
        assert is_same


def test_a_message_stays_short_whatever_the_file_holds() -> None:
    with pytest.raises(CorruptArtefact) as refusal:
        require_same(Path("x.json"), {"a": ["y" * 10**6] * 10}, {"a": 1}, "Restore it.")
    assert len(str(refusal.value)) < 400


def test_a_file_larger_than_any_artefact_is_not_read(tmp_path: Path) -> None:
    sparse = tmp_path / "roles.json"
    with sparse.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(CorruptArtefact, match="far too many"):
        content_of(sparse, "Restore it.")


def test_true_is_not_one() -> None:
    with pytest.raises(CorruptArtefact, match="its version is True, not 1"):
        require_same(Path("x.json"), {"version": True}, {"version": 1}, "")
    assert not math.isnan(document_of(b'{"a": 0.0}')["a"])
