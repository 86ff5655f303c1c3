"""``make alerts``: open alerts, and who silenced them."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from coin_assets.alerts.database import BOOK, FOLDER
from coin_assets.alerts.heartbeat import heartbeat_age
from coin_assets.alerts.incidents import Incident, Mute, MuteKind
from coin_assets.alerts.outbox import AlertBook, Overview
from coin_assets.commands.terminal import finished, print_json, shortened
from coin_assets.config.settings import Settings
from coin_assets.domain.durations import duration_text
from coin_assets.domain.json_format import Document, time_text
from coin_assets.errors import CorruptArtefact
from coin_assets.foreign_text import visible
from coin_assets.orchestration.progress import text_table

_MOST_DETAIL = 70
_HEAD = ("subject", "kind", "severity", "since (UTC)", "open for", "silenced", "detail")
_WORDS = {MuteKind.ACKNOWLEDGE: "acknowledged", MuteKind.MUTE: "muted"}


def main(arguments: Sequence[str] | None = None, now: datetime | None = None) -> int:
    """Print a line an open alert; returns 0, or 2 if settings or records cannot be used."""
    parser = argparse.ArgumentParser(
        prog="make alerts",
        description="Open alerts of the home, and who silenced them until when. Changes nothing, "
        "and needs no running make up.",
    )
    parser.add_argument("--json", action="store_true", help="for programs (make: JSON=1)")
    wanted = parser.parse_args(arguments)
    return finished("make alerts", lambda: _show(Settings(), now or datetime.now(UTC), wanted.json))


def _show(settings: Settings, now: datetime, as_json: bool) -> int:
    folder = settings.home / FOLDER
    found = AlertBook(folder / BOOK).overview(now)
    if as_json:
        print_json(_document(found))
    else:
        _print(found, now)
    cycle = timedelta(seconds=settings.alert_cycle_seconds)
    if note := _late(_age(settings, now), cycle):
        print(f"make alerts: {note}", file=sys.stderr)
    return 0


def _print(found: Overview, now: datetime) -> None:
    if not found.incidents:
        print("no alert is open")
    else:
        rows = [_cells(each, found.mutes, now) for each in found.incidents.values()]
        print(text_table([_HEAD, *rows]))
        print("\nWhole texts, remedies and runbooks: make alerts JSON=1")
    for mute in found.mutes:
        if mute.subject not in found.incidents:
            print(f"{mute.subject}: {_silenced(mute)}")
    if found.pending:
        print(f"{found.pending} messages are not delivered yet; see the log of make up")
    for each in found.set_aside:
        print(f"set aside {each.at:%Y-%m-%d %H:%M}: {each.message.headline}: {each.reason}")


def _cells(incident: Incident, mutes: Sequence[Mute], now: datetime) -> tuple[str, ...]:
    condition = incident.condition
    return (
        condition.subject,
        condition.kind,
        condition.severity.word,
        f"{incident.since:%Y-%m-%d %H:%M}",
        duration_text(now - incident.since),
        "; ".join(_silenced(each) for each in mutes if each.subject == condition.subject),
        shortened(condition.detail, _MOST_DETAIL),
    )


def _silenced(mute: Mute) -> str:
    by = f" by {visible(mute.by)}" if mute.by else ""
    note = f" ({visible(mute.note)})" if mute.note else ""
    return f"{_WORDS[mute.kind]}{by} until {mute.until:%Y-%m-%d %H:%M}{note}"


def _document(found: Overview) -> Document:
    return {
        "alerts": [
            {
                "subject": each.condition.subject,
                "kind": each.condition.kind,
                "severity": each.condition.severity.word,
                "since": time_text(each.since),
                "cause": each.condition.cause,
                "detail": each.condition.detail,
                "remedy": each.condition.remedy,
                "runbook": each.condition.runbook,
            }
            for each in found.incidents.values()
        ],
        "silenced": [
            {
                "subject": each.subject,
                "kind": each.kind.value,
                "until": time_text(each.until),
                "by": each.by,
                "note": each.note,
            }
            for each in found.mutes
        ],
        "undelivered": found.pending,
        "set_aside": [
            {"id": each.message.id, "at": time_text(each.at), "reason": each.reason}
            for each in found.set_aside
        ],
    }


def _age(settings: Settings, now: datetime) -> timedelta | None:
    try:
        return heartbeat_age(settings.home / FOLDER, now, settings.shards)
    except CorruptArtefact:
        return None  # the next cycle replaces it


def _late(age: timedelta | None, cycle: timedelta) -> str:
    """Note on an alerting that has not looked lately."""
    if age is None:
        return "health has not been checked on this home yet; make up does it every minute."
    if age <= 5 * cycle:
        return ""
    return (
        f"health was checked {duration_text(age)} ago for the last time; is make up running? While "
        "no channel accepts messages, the time of checks is not recorded: try make alert-test."
    )


if __name__ == "__main__":
    sys.exit(main())
