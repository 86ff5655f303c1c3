# ruff: noqa: RUF001 (characters that look like others are what this is about)
"""Symbols are ccxt unified symbols of any market type; what cannot be one is refused with a remedy.

A ticker holds whatever visible characters its exchange chose. Refused are separators in the wrong
place, blanks, invisible characters, quotes, and symbols of which no ASCII letter or digit is left
for a name.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.config.notation import symbols
from coin_assets.domain.series import safe_name
from coin_assets.domain.symbols import LONGEST, alike, symbol_problem
from coin_assets.errors import ConfigurationError

UNIFIED = [
    "BTC/USDT",
    "BTC/USDT:USDT",
    "BTC/USD:BTC",
    "BTC/USDT:USDT-241227",
    "BTC/USDT:USDT-241227-80000-C",
    "XRP/USD:XRP-241227-0.55-P",
    "BTC-PERP/USD",
    "1000SHIB/USDT",
    "kPEPE/USDC:USDC",
    "A.I/USDT",
    "1INCH/USD-T",
    "XYZ_A/USDT",
    "$PAC/USDT",
    "$/USDT",
    "!!!/USDT",
    "F(x)/USDT",
    "A+B&C=D#1@2%3~^*/U<S>D",
    "币安人生/USDT",
    "币安人生/USDT:USDT",
    "猫（WILD）/USDT",
    "É/USDT",
    "E\u0301/USDT",  # the same letter in two signs: another string to an exchange
    "पैसा/USDT",
    "🐸/USDT",
    "❤\ufe0f/USDT",
    "A" * (LONGEST - 5) + "/USDT",
]


@pytest.mark.parametrize("symbol", UNIFIED, ids=ascii)
def test_a_unified_symbol_is_accepted_and_kept_as_it_is_written(symbol: str) -> None:
    assert symbol_problem(symbol) is None
    assert symbols(f" {symbol} ,") == symbols([symbol]) == (symbol,)


REFUSED = [
    ("", "not BASE/QUOTE"),
    ("BTCUSDT", "'BTCUSDT' is not BASE/QUOTE; write it as in BTC/USDT or BTC/USDT:USDT"),
    ("/USDT", "not BASE/QUOTE"),
    ("BTC/", "not BASE/QUOTE"),
    ("BTC//USDT", "not BASE/QUOTE"),
    ("BTC/USDT/EUR", "symbols separated by commas"),
    ("BTC/USDT:", "not BASE/QUOTE"),
    ("BTC/:USDT", "not BASE/QUOTE"),
    ("BTC:USDT/USDT", "not BASE/QUOTE"),
    ("BTC/USDT:USDT:USDT", "not BASE/QUOTE"),
    ("../USDT", "a part of it has no ticker"),
    ("BTC/USDT:-", "a part of it has no ticker"),
    ("BTC/USDT ETH/USDT", "contains a blank"),
    ("BTC\u00a0/USDT", "U+00A0 (NO-BREAK SPACE)"),
    ("BTC/US\tDT", "invisible character U+0009"),
    ("BTC/USDT\n", "invisible character U+000A"),
    ("BTC\u202e/USDT", r"'BTC\u202e/USDT' contains the invisible character U+202E (RIGHT-TO-LEFT"),
    ("BTC\u200b/USDT", "U+200B"),
    ("\ufeffBTC/USDT", "U+FEFF"),
    ("BTC\udce9/USDT", "bytes that are not UTF-8"),
    ("BTC／USDT", "'／' (U+FF0F), which only looks like a separator"),
    ("BTC/USDT：USDT", "'：' (U+FF1A), which only looks like a separator"),
    ("BTC/USDT，ETH/USDT", "'，' (U+FF0C), which only looks like a separator"),
    ("BTC/USDT;ETH/USDT", "';', a sign of quotes or lists"),
    ("'BTC/USDT'", "a sign of quotes or lists"),
    ('["BTC/USDT"]', "'[', a sign of quotes or lists"),
    ("A\\B/USDT", "a sign of quotes or lists"),
    ("币安/人生", "nothing readable for its name in assets and files (_____)"),
    ("$/₿:€", "nothing readable"),
    ("A" * LONGEST + "/USDT", f"has {LONGEST + 5} characters, more than {LONGEST}"),
]


@pytest.mark.parametrize(("symbol", "words"), REFUSED, ids=ascii)
def test_anything_else_is_refused_with_its_reason(symbol: str, words: str) -> None:
    problem = symbol_problem(symbol) or ""
    assert words in problem
    assert "write it as in BTC/USDT" in problem or "remove it" in problem
    assert len(problem) < 300


@given(st.text(max_size=200))
def test_an_accepted_symbol_has_a_readable_name_and_fits_one_line(symbol: str) -> None:
    if symbol_problem(symbol) is None:
        assert safe_name(symbol).strip("_")
        assert len(symbol.split()) == len(symbol.splitlines()) == 1
        assert symbol.count("/") == 1


@pytest.mark.parametrize(
    ("left", "right", "name"),
    [
        ("币安人生/USDT", "测试测试/USDT", "_____USDT"),
        ("A-B/X", "A.B/X", "A_B_X"),
        ("BTC/USDT:USDT", "BTC/USDT-USDT", "BTC_USDT_USDT"),
        ("É/USDT", "Ü/USDT", "__USDT"),
    ],
)
def test_symbols_that_would_share_a_name_are_refused_naming_both(
    left: str, right: str, name: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        symbols([left, "BTC/USDT", right])
    assert str(caught.value) == (
        f"{left!r} and {right!r} would share the name {name} in assets and files; keep one of "
        "them, and follow the other in a second installation with its own COIN_HOME."
    )


@pytest.mark.parametrize(
    ("left", "right"), [("É/USDT", "E\u0301/USDT"), ("ＢＴＣ/USDT", "btc/usdt"), ("a/X", "A/X")]
)
def test_symbols_that_people_take_for_the_same_are_alike(left: str, right: str) -> None:
    assert alike(left) == alike(right)
    assert alike(left) != alike("ETH/USDT")
