"""Foreign text in messages: bounded, visible, and without effect in chat services."""

import re

from coin_assets.foreign_text import readable

CHARACTERS, LINES = 4000, 40
# https://docs.slack.dev/messaging/formatting-message-text, "Escaping text"
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_NOBODY = str.maketrans({"@": "@\u200b", "<": "<\u200b"})
# Discord's own Markdown: emphasis, code, spoilers, quotes, lists, headings, links, :emoji:, and
# <...> for mentions and times. Underscores within words have no effect and stay.
_MARKDOWN = re.compile(
    r"""[\\`*~|<]
    | (?<![A-Za-z0-9])_ | _(?![A-Za-z0-9])
    | (?<=\])\(
    | :(?=[\w+-]+: | //)
    | (?<=^)[>#+-] | (?<=^\d)\. | (?<=^\d\d)\.
    """,
    re.MULTILINE | re.VERBOSE,
)


def bounded(text: str) -> str:
    """At most 40 lines and 4000 characters, all of which can be seen."""
    lines = (line.strip() for line in readable(text, CHARACTERS, LINES).splitlines())
    return "\n".join(lines)


def for_slack(text: str) -> str:
    """Text for a message without formatting."""
    return text.translate(_SLACK)


def for_markdown(text: str) -> str:
    """Text that a reader of Markdown shows as it is, and that mentions nobody."""
    return _MARKDOWN.sub(r"\\\g<0>", text).replace("@", "@\u200b")


def mentioning_nobody(text: str) -> str:
    """Plain text without the forms of mentions that services look for."""
    return text.translate(_NOBODY)


def cut(text: str, most: int) -> str:
    """At most ``most`` UTF-16 units, in which services may count."""
    units = text.encode("utf-16-le", errors="replace")
    if len(units) <= 2 * most:
        return text
    return units[: 2 * (most - 1)].decode("utf-16-le", errors="ignore") + "…"
