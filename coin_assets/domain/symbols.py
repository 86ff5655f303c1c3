"""Validation of ccxt unified symbols of any market type.

The form is ``BASE/QUOTE``, for contracts followed by ``:SETTLE``, expiry, strike and option type.
ccxt copies tickers from the exchange, so a part may hold any visible character: ``$PAC/USDT``,
``XYZ_A/USDT``, ``币安人生/USDT``. A symbol is never normalised: Unicode forms that look alike are
different symbols to an exchange.
"""

import re
import unicodedata

from coin_assets.domain.series import safe_name

LONGEST = 100  # characters; keeps file names below the 255 bytes of file systems

_REMEDY = "write it as in BTC/USDT or BTC/USDT:USDT"
_PART = r"[^/:]+"
_FORM = re.compile(rf"({_PART})/({_PART})(?::({_PART}))?")
_SEPARATORS = "/:,"
_LISTS_AND_QUOTES = "\"'`;|[]{}\\"
# Control, format (such as text direction), surrogate and private characters, and all blanks.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zs", "Zl", "Zp"}


def symbol_problem(symbol: str) -> str | None:
    """Problem of ``symbol`` with a remedy; None if it is valid.

    Only the form is checked, not whether an exchange lists the symbol.
    """
    if len(symbol) > LONGEST:
        return f"{symbol[:20]!r}... has {len(symbol)} characters, more than {LONGEST}; {_REMEDY}."
    for character in symbol:
        if what := _unfit(character):
            return f"{symbol!r} contains {what}; {_REMEDY}, symbols separated by commas."
    parts = _FORM.fullmatch(symbol)
    if parts is None:
        return f"{symbol!r} is not BASE/QUOTE; {_REMEDY}, symbols separated by commas."
    if any(part is not None and not part.strip("._-") for part in parts.groups()):
        return f"{symbol!r} is not BASE/QUOTE, because a part of it has no ticker; {_REMEDY}."
    name = safe_name(symbol)
    if not name.strip("_"):
        return (
            f"{symbol!r} leaves nothing readable for its name in assets and files ({name}), where "
            "every character outside A-Z, a-z and 0-9 becomes _; remove it."
        )
    return None


def alike(symbol: str) -> str:
    """``symbol`` without differences of case and Unicode form, for comparison."""
    return unicodedata.normalize("NFKC", symbol).casefold()


def _unfit(character: str) -> str | None:
    """Description of a character that a symbol cannot contain; None if it can."""
    if character in "/:":
        return None
    code = f"U+{ord(character):04X}"
    if character == " ":
        return "a blank"
    if unicodedata.category(character) == "Cs":
        return "bytes that are not UTF-8"
    if unicodedata.category(character) in _INVISIBLE:
        return f"the invisible character {code} ({unicodedata.name(character, 'unnamed')})"
    if character in _LISTS_AND_QUOTES:
        return f"{character!r}, a sign of quotes or lists"
    # CJK keyboards write full-width separators.
    if set(unicodedata.normalize("NFKC", character)) & set(_SEPARATORS):
        return f"{character!r} ({code}), which only looks like a separator"
    return None
