"""An installation under a fault: what it did, what it said, and whether it healed."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.orchestration.faults.matrix import Cell
from coin_assets_tests.platform import BTC, ETH, Platform

START, NEXT = "2024-02-29T12:30", "2024-02-29T13:00:05"
# In a month without folders.
NEXT_MONTH = "2024-03-01T01:00:05"
_CYCLES = 3
# Of an installation without a fault: published files, and prices as of `served`.
Sound = tuple[dict[str, bytes], dict[tuple[str, str], dict[str, float]]]
_NAMES = [(symbol, timeframe) for symbol in (BTC, ETH) for timeframe in ("1h", "4h")]


@dataclass(frozen=True)
class Outcome:
    """What came of one fault.

    Attributes:
        statuses: word of each series as the health sensor gave it, after three cycles.
        served: ``as_of`` and close prices by open, of the history files that may be served.
        messages: alerts that arrived: kind and text.
        healed: everything is published as without the fault.
        told: titles of the messages.
    """

    statuses: dict[tuple[str, str], str]
    served: dict[tuple[str, str], dict[str, float]]
    messages: list[tuple[str, str]]
    healed: bool

    told: str

    def cell(self, done: str, to: str) -> Cell:
        """The line of the matrix."""
        remedies = [text.partition("To do: ")[2] for _, text in self.messages if "To do: " in text]
        remedy = f"open; to do: {remedies[0]}" if remedies else "open"
        healed = "by itself" if self.healed else remedy
        return Cell(done, to, words_of(self.statuses), self.told, healed)


def served(platform: Platform) -> dict[tuple[str, str], dict[str, float]]:
    """Closing prices by open time of each history file that readers may use now."""
    found = {}
    for symbol, timeframe in _NAMES:
        try:
            entry = platform.entry(timeframe, symbol)
        except (OSError, ValueError):
            continue  # no manifest, so nothing is served
        name = f"history_{symbol.replace('/', '_')}_{timeframe}.json"
        if not entry.get("serve_allowed"):
            continue
        try:
            document = json.loads((platform.published / name).read_bytes())
        except (OSError, ValueError):
            continue  # a reader that checks the hash refuses it
        if document["as_of"] != entry["as_of"]:
            continue
        found[symbol, timeframe] = {row["timestamp"]: row["close"] for row in document["data"]}
    return found


def statuses(platform: Platform) -> dict[tuple[str, str], str]:
    """Status of each series in the manifest; ``unknown`` without one."""
    found = {}
    for symbol, timeframe in _NAMES:
        try:
            entry = platform.entry(timeframe, symbol)
        except (OSError, ValueError):
            found[symbol, timeframe] = "unknown"
            continue
        word = entry.get("status", "hidden")
        found[symbol, timeframe] = f"{word} degraded" if entry.get("degraded") else word
    return found


def cycles(platform: Platform, count: int = _CYCLES, now: str = NEXT) -> None:
    """Turns of the sensors after a candle has closed, a minute apart."""
    platform.now = now
    for _ in range(count):
        platform.cycle()
        platform.tick("publish_due")
        platform.tick("health_alerts")
        platform.ahead += 61.0
    platform.tick("publish_due")


def published(platform: Platform) -> dict[str, bytes]:
    """Bytes of the published files of series."""
    found: dict[str, bytes] = {}
    for pattern in ("history_*.json", "prediction_*.json"):
        for path in sorted(platform.published.glob(pattern)):
            found[path.name] = path.read_bytes() if path.is_file() else b""
    return found


def outcome(platform: Platform, receiver: Receiver, sound: dict[str, bytes]) -> Outcome:
    """What the installation shows after its cycles.

    Args:
        sound: `published` of the same installation without the fault.
    """
    words = statuses(platform)
    healed = published(platform) == sound and set(words.values()) == {"fresh"}
    told = told_by(receiver.accepted)
    return Outcome(words, served(platform), _messages(receiver), healed, told)


def words_of(statuses: Mapping[tuple[str, str], str]) -> str:
    """The series that are not fresh, with their status."""
    wrong = {name: word for name, word in statuses.items() if word != "fresh"}
    names = [f"{' '.join(name)} {word}" for name, word in wrong.items()]
    return ", ".join(names) or "all fresh"


def told_by(bodies: Iterable[dict[str, Any] | None]) -> str:
    """Titles of messages, in order."""
    return "; ".join(body["title"] for body in bodies if body is not None) or "nothing"


def _messages(receiver: Receiver) -> list[tuple[str, str]]:
    bodies: list[dict[str, Any]] = [body for body in receiver.accepted if body is not None]
    return [(body["kind"], f"{', '.join(body['subjects'])}: {body['text']}") for body in bodies]


def platform_at(home: Path, receiver: Receiver, **settings: Any) -> Platform:
    """Two symbols, 1h and 4h, whose alerts go to ``receiver``."""
    given = {"symbols": f"{BTC},{ETH}", "derived_timeframes": "4h"}
    given |= {"alert_webhooks": f"json+{receiver.url}", **settings}
    made = Platform(home, START, **given)
    made.retries = 0
    return made
