"""Texts from outside, such as errors of an exchange: cut, with escapes for what shows nothing."""

_MOST_MESSAGE, _MOST_LINES = 20_000, 500
# "Printable" letters, marks and signs of Unicode that show nothing: those of them that have the
# property Default_Ignorable_Code_Point (DerivedCoreProperties.txt), and the blank Braille pattern.
_UNSEEN = frozenset(
    map(
        chr,
        (
            *(0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)


def visible(text: str) -> str:
    r"""The text with escapes, such as ``\u202e``, for all that cannot be seen.

    These are control and direction characters, line breaks, zero-width characters and surrogates.
    """
    if text.isprintable() and _UNSEEN.isdisjoint(text):
        return text
    return "".join(
        each
        if each.isprintable() and each not in _UNSEEN
        else each.encode("unicode_escape").decode()
        for each in text
    )


def shortened(text: str, most: int) -> str:
    """At most ``most`` characters of foreign text, in one line; what cannot be seen is escaped."""
    return _cut(visible(text[: most + 1]), most)


def readable(text: str, most: int = _MOST_MESSAGE, lines: int = _MOST_LINES) -> str:
    """At most ``most`` characters and ``lines`` lines of foreign text; the rest is as in `visible`.

    Its own result is returned as it is.
    """
    if len(text) <= most and text.isprintable() and _UNSEEN.isdisjoint(text):
        return text
    rows = text[: most + 1].splitlines()
    if len(rows) > lines:
        rows = [*rows[: lines - 1], "…"]
    return _cut("\n".join(visible(row.expandtabs(4)) for row in rows).rstrip("\n"), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
