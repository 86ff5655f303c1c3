"""``make ack``: acknowledges or mutes alerts, as the job ``acknowledge_alert`` does."""

import argparse
import getpass
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from coin_assets.alerts.database import BOOK, FOLDER
from coin_assets.alerts.outbox import AlertBook
from coin_assets.commands.terminal import finished
from coin_assets.config.rules import did_you_mean
from coin_assets.config.settings import Settings
from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.build import series_specs
from coin_assets.orchestration.jobs.acknowledge import AcknowledgeConfig, acknowledged


def main(arguments: Sequence[str] | None = None, now: datetime | None = None) -> int:
    """Acknowledge, mute or lift; returns 0, or 2 if there is no such alert."""
    wanted = _parser().parse_args(arguments)
    return finished("make ack", lambda: _acknowledge(Settings(), wanted, now or datetime.now(UTC)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make ack",
        description="Acknowledge alerts: no repeats and no escalation until they recover. Works "
        "like the job acknowledge_alert, without a running make up.",
    )
    parser.add_argument(
        "--subject",
        default="",
        help="as make alerts shows it, several with commas between; empty is all open alerts "
        "(make: SUBJECT=)",
    )
    parser.add_argument("--hours", default="", help="duration, default 4, at most 744 (HOURS=)")
    parser.add_argument("--note", default="", help="reason, for other operators (NOTE=)")
    parser.add_argument("--mute", action="store_true", help="no new alerts either (MUTE=1)")
    parser.add_argument("--lift", action="store_true", help="end what silences them (LIFT=1)")
    return parser


def _acknowledge(settings: Settings, wanted: argparse.Namespace, now: datetime) -> int:
    book = AlertBook(settings.home / FOLDER / BOOK)
    subjects = [each.strip() for each in wanted.subject.split(",") if each.strip()]
    incidents = book.overview(now).incidents
    specs = series_specs(settings)
    if wanted.mute:
        _require_configured(subjects, [*incidents, *(str(spec.series) for spec in specs)])
    elif not wanted.lift:
        _require_open(subjects, list(incidents))
        if not incidents:
            print("no alert is open; nothing changed")
            return 0
    config = AcknowledgeConfig(
        subjects=subjects,
        hours=_hours(wanted.hours),
        mute=wanted.mute,
        lift=wanted.lift,
        note=wanted.note,
    )
    print(acknowledged(specs, book, config, now, _user()))
    return 0


def _require_open(subjects: Sequence[str], known: Sequence[str]) -> None:
    for subject in subjects:
        if subject not in known:
            near = did_you_mean(subject, known) or f"Open alerts: {', '.join(known) or 'none'}."
            raise ConfigurationError(
                f"SUBJECT: no alert is open for {subject!r}; {near} To silence a subject ahead of "
                "time, add MUTE=1."
            )


def _require_configured(subjects: Sequence[str], known: Sequence[str]) -> None:
    """Require that the series among ``subjects`` exist: no alert could have another name."""
    for subject in subjects:
        if "/" in subject and subject not in known:
            near = did_you_mean(subject, known) or f"The series are {', '.join(known)}."
            raise ConfigurationError(
                f"SUBJECT: there is no series {subject!r}; {near} Nothing was muted."
            )


def _hours(text: str) -> float:
    try:
        return float(text or AcknowledgeConfig().hours)
    except ValueError as error:
        raise ConfigurationError(f"HOURS: {text!r} is no number of hours, such as 4.") from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return ""


if __name__ == "__main__":
    sys.exit(main())
