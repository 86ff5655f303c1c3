"""Symbols have one file-system name, made of ASCII letters, digits and ``_``; series are values."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.series import Series, safe_name
from coin_assets.domain.timeframes import Timeframe

HOUR = Timeframe.parse("1h")
PLAIN = string.ascii_letters + string.digits


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("BTC/USDT", "BTC_USDT"),
        ("BTC/USDT:USDT", "BTC_USDT_USDT"),
        ("1000SHIB/USDT", "1000SHIB_USDT"),
        ("btc/usdt", "btc_usdt"),
        ("BTC_USDT", "BTC_USDT"),
        ("A.B-C D\\E", "A_B_C_D_E"),
        ("../etc/passwd", "___etc_passwd"),
        ("币安/USDT", "___USDT"),
        ("É²/USDT\n", "___USDT_"),
        ("", ""),
    ],
)
def test_safe_name_replaces_every_character_outside_ascii_letters_and_digits(
    symbol: str, expected: str
) -> None:
    assert safe_name(symbol) == expected


@given(st.text())
def test_safe_name_keeps_plain_characters_in_place_and_is_idempotent(symbol: str) -> None:
    name = safe_name(symbol)

    assert name == "".join(letter if letter in PLAIN else "_" for letter in symbol)
    assert safe_name(name) == name


def test_symbols_that_differ_in_punctuation_only_share_a_name() -> None:
    assert safe_name("BTC/USDT") == safe_name("BTC-USDT")
    assert Series("BTC/USDT", HOUR) != Series("BTC-USDT", HOUR)


def test_series_shows_symbol_and_timeframe_and_has_a_safe_name() -> None:
    series = Series("BTC/USDT", HOUR)

    assert str(series) == "BTC/USDT 1h"
    assert series.symbol_name == "BTC_USDT"


def test_equal_series_are_one_dictionary_entry_and_case_of_the_timeframe_counts() -> None:
    minute, month = Timeframe.parse("1m"), Timeframe.parse("1M")

    assert len({Series("BTC/USDT", HOUR), Series("BTC/USDT", Timeframe.parse("1h"))}) == 1
    assert (
        len({Series("BTC/USDT", minute), Series("BTC/USDT", month), Series("ETH/USDT", minute)})
        == 3
    )


def test_at_changes_the_timeframe_alone() -> None:
    series = Series("BTC/USDT", HOUR)

    assert series.at(Timeframe.parse("1d")) == Series("BTC/USDT", Timeframe.parse("1d"))
    assert series == Series("BTC/USDT", HOUR)
