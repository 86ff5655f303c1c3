"""Whatever an exchange's error says reaches a chat as text: bounded, visible and readable."""

import json
import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coin_assets.alerts.channels import (
    DISCORD_CHARACTERS,
    SLACK_CHARACTERS,
    discord_body,
    json_body,
    slack_body,
)
from coin_assets.alerts.escaping import for_markdown
from coin_assets.alerts.messages import Message, MessageKind, compose
from coin_assets.domain.failures import FailureRecord
from coin_assets.errors import MarketUnavailable
from coin_assets.foreign_text import readable, visible
from coin_assets_tests.alerts.cycles import BTC, NOW, message, stale

# Direction characters, zero-width ones, controls, and those that isprintable() lets pass.
UNSEEN = [
    *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
    *map(chr, range(0x200B, 0x2010)),
    *"\x00\x07\x08\x1b\x7f\x85\x9b\xad\u061c\u2028\u2029\u2060\ufeff\u180e\ud800\U000e0041",
    *"\u034f\u115f\u1160\u17b4\u3164\uffa0\u2800\ufe0f\U000e0100",
]
MARKUP = [
    "@everyone",
    "<@123>",
    "<!channel>",
    "<https://evil.example|bank>",
    "[bank](https://evil.example)",
    "```",
    "**b**",
    "\n# head",
    "\n",
    "||x||",
    "_i_",
    "&lt;",
    "\\",
    "\\@here",
    "\r\n1. a",
]
TEXT = st.lists(st.one_of(st.text(), st.sampled_from(UNSEEN + MARKUP))).map("".join)


def is_seen(text: str, but: str = "\n") -> bool:
    return all(
        each in but or unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
        for each in text
    )


def messages(text: str) -> list[Message]:
    """As composed of a condition with the text, and as an older version may have stored it."""
    found = replace(stale(), cause=text, detail=text, remedy=text)
    raw = replace(message(), title=text, text=text, subjects=(text,), runbook=text)
    return [compose(MessageKind.ALERT, [found], 1, NOW), raw]


@given(TEXT)
@example("x" * 100_000)
@example("line\n" * 5000)
@example("*" * 5000)
@example("&" * 5000)
@example("".join(UNSEEN))
@example("\U0001f4a5" * 5000)
@settings(max_examples=100, deadline=None)
def test_no_text_calls_formats_hides_or_floods(text: str) -> None:
    for sent in messages(text):
        discord, slack, plain = discord_body(sent), slack_body(sent), json_body(sent)
        content = discord["content"]
        assert len(content.encode("utf-16-le")) <= 2 * DISCORD_CHARACTERS
        assert discord["allowed_mentions"] == {"parse": []}
        assert not re.search(r"@(?!\u200b)", content)
        assert not re.search(r"(?<!\\)(\\\\)*[*`~|<]", content)
        assert not re.search(r"(?<!\\)(\\\\)*\]\(|https?://", content)
        assert not re.search(r"^(#|>|-|\d\.)", content, re.MULTILINE)
        assert is_seen(content, "\n\u200b")
        assert len(slack["text"]) <= 5 * SLACK_CHARACTERS  # &amp; for each sign
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", slack["text"])
        assert is_seen(slack["text"])
        assert len(json.dumps(plain)) < 60_000
        assert len(plain["text"].splitlines()) <= 40
        for field in (plain["title"], plain["runbook"], *plain["subjects"]):
            assert is_seen(field, "")
        assert is_seen(plain["text"])


@pytest.mark.parametrize("unseen", UNSEEN, ids=lambda each: f"{ord(each):x}")
def test_each_unseen_character_is_escaped(unseen: str) -> None:
    shown = visible(f"a{unseen}b")
    assert shown == f"a{unseen.encode('unicode_escape').decode()}b"
    assert shown.isascii()


@given(TEXT, st.integers(5, 60), st.integers(2, 5))
def test_readable_text_is_bounded_and_stays(text: str, most: int, lines: int) -> None:
    shown = readable(text, most, lines)
    assert len(shown) <= most
    assert len(shown.splitlines()) <= lines
    assert is_seen(shown)
    assert readable(shown, most, lines) == shown


@given(TEXT)
@example("line\n" * 5000)
def test_what_an_exchange_says_is_visible_in_records_and_metadata(text: str) -> None:
    """Dagster shows the document as metadata, the manifest its message as ``last_error``."""
    record = FailureRecord.of(MarketUnavailable(text), None, "candles", NOW)
    assert is_seen(record.message)
    assert len(record.message) <= 4000
    assert len(record.message.splitlines()) <= 40
    assert FailureRecord.of_document(record.document()) == record
    unexpected = FailureRecord.of(ValueError(text), None, "candles", NOW)
    assert is_seen(unexpected.message)


@pytest.mark.parametrize(
    "text",
    [
        "binance GET https://api.binance.com/api/v3/klines?symbol=BTCUSDT&limit=5 418 I'm a teapot",
        "币安人生/USDT: 交易所没有回答",
        "Zażółć gęślą jaźń; déjà vu; Ελληνικά; हिन्दी; ไทย; 50 % of 1_000 rows, 3 < 4 & 5 > 4",
        "two lines\nwith (parentheses), a-dash, snake_case and 12:30",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert readable(text) == text
    assert str(MarketUnavailable(text)) == text
    (sent, _) = messages(text)
    assert " ".join(text.split()) in sent.text
    assert " ".join(text.split()) in json_body(sent)["text"]


def test_markdown_is_escaped_only_where_it_has_an_effect() -> None:
    plain = "[CRITICAL] hard_stale: BTC/USDT:USDT 1h since 2026-11-22 22:05 (5 min), a-b #1 > 2."
    assert for_markdown(plain) == plain
    assert for_markdown("*b* _i_ `c` ||s|| ~~d~~") == r"\*b\* \_i\_ \`c\` \|\|s\|\| \~\~d\~\~"
    assert for_markdown("[bank](https://e.example)") == r"[bank]\(https\://e.example)"
    assert for_markdown("# h\n> q\n- l\n1. n\n:joy:") == "\\# h\n\\> q\n\\- l\n1\\. n\n\\:joy:"
    assert for_markdown("<@1> @here") == "\\<@\u200b1> @\u200bhere"


def test_a_list_of_many_subjects_is_bounded() -> None:
    sent = message(*(f"C{number}/USDT 1h" for number in range(3000)))
    assert len(json_body(sent)["subjects"]) == 1000
    assert "3000 series" in sent.title
    assert BTC not in sent.subjects
