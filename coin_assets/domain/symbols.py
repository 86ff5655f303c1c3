"""The form of symbols: ccxt unified symbols of any market type.

``BASE/QUOTE``, for contracts followed by ``:SETTLE``, expiry, strike and option type. ccxt takes
tickers over from the exchange, so a part may hold any visible character: ``$PAC/USDT``,
``XYZ_A/USDT``, ``币安人生/USDT``. A symbol is kept exactly as it is written: Unicode forms that
look alike are different symbols to an exchange.
"""

import re
import unicodedata

from coin_assets.domain.series import safe_name

LONGEST = 100  # characters; file names with it stay below the 255 bytes that disks take

_REMEDY = "write it as in BTC/USDT or BTC/USDT:USDT"
_PART = r"[^/:]+"
_FORM = re.compile(rf"({_PART})/({_PART})(?::({_PART}))?")
_SEPARATORS = "/:,"
_LISTS_AND_QUOTES = "\"'`;|[]{}\\"
# Control, format (such as text direction), surrogate and private characters, and all blanks.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zs", "Zl", "Zp"}


def symbol_problem(symbol: str) -> str | None:
    """Why ``symbol`` cannot be a unified symbol, with the remedy; None if it can."""
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
    """What symbols have in common that people take for the same: case and Unicode form aside."""
    return unicodedata.normalize("NFKC", symbol).casefold()


def _unfit(character: str) -> str | None:
    """What ``character`` is, if no part of a symbol can hold it."""
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
    # Keyboards of the languages that these tickers come from write full-width separators.
    if set(unicodedata.normalize("NFKC", character)) & set(_SEPARATORS):
        return f"{character!r} ({code}), which only looks like a separator"
    return None
