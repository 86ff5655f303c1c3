"""The job ``acknowledge_alert``: acknowledges or mutes alerts for some hours."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg
from pydantic import Field

from coin_assets.alerts.incidents import MuteKind
from coin_assets.alerts.outbox import AlertBook
from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.jobs.one_op import one_op_job
from coin_assets.orchestration.jobs.selection import chosen_specs
from coin_assets.orchestration.resources import Clock

_LONGEST_HOURS = 24.0 * 31


class AcknowledgeConfig(dg.Config):
    """Settings of ``acknowledge_alert``; without any, all open incidents are acknowledged."""

    symbols: list[str] = Field(default=[], description="Series of these symbols.")
    timeframes: list[str] = Field(default=[], description="Series of these timeframes.")
    subjects: list[str] = Field(
        default=[], description="Other subjects as the alert names them, for example disk."
    )
    hours: float = Field(default=4.0, description="Duration; at most 744 (31 days).")
    mute: bool = Field(
        default=False,
        description="Send nothing, not even new alerts. Otherwise only repeats and escalations "
        "stop, until the subject recovers.",
    )
    lift: bool = Field(default=False, description="End an earlier acknowledgement or mute.")
    note: str = Field(default="", description="Reason, for other operators.")


def acknowledge_job(specs: tuple[SeriesAssets, ...], book: AlertBook) -> dg.JobDefinition:
    """The job ``acknowledge_alert``: one op on the alert records, which outlive restarts."""

    @dg.op(
        name="acknowledge",
        description="Stop repeats of known alerts, or mute them, for some hours.",
    )
    def acknowledge(
        context: dg.OpExecutionContext, config: AcknowledgeConfig, clock: Clock
    ) -> None:
        with failures_named():
            context.log.info(acknowledged(specs, book, config, clock.now()))

    return one_op_job(
        "acknowledge_alert",
        acknowledge,
        AcknowledgeConfig,
        (
            "Acknowledge or mute alerts for some hours. Optional settings: symbols, timeframes, "
            "subjects, hours, mute, lift, note; without any, all open incidents are acknowledged."
        ),
    )


def acknowledged(
    specs: tuple[SeriesAssets, ...],
    book: AlertBook,
    config: AcknowledgeConfig,
    now: datetime,
    by: str = "",
) -> str:
    """Acknowledge, mute or lift as ``config`` says; returns what was done, in one line.

    Args:
        by: who does it, for other operators.

    Raises:
        ConfigurationError: the duration is too long, or there is no such incident.
    """
    if not 0 < config.hours <= _LONGEST_HOURS:
        raise ConfigurationError(
            f"acknowledge_alert config: hours {config.hours:g} lies outside 0 to "
            f"{_LONGEST_HOURS:g}. Choose a duration in this range."
        )
    subjects = _subjects(specs, config, book)
    if not subjects:
        return "no alert is open and no subject is named; nothing changed"
    named = ", ".join(subjects)
    if config.lift:
        book.unmute(subjects)
        return f"alerts are sent again for {named}"
    until = now + timedelta(hours=config.hours)
    kind = MuteKind.MUTE if config.mute else MuteKind.ACKNOWLEDGE
    book.mute(subjects, until, kind, config.note, by)
    return f"{kind} until {until:%Y-%m-%d %H:%M} UTC: {named}"


def _subjects(
    specs: tuple[SeriesAssets, ...], config: AcknowledgeConfig, book: AlertBook
) -> Sequence[str]:
    """Subjects of the config; an acknowledgement selects only series with an incident."""
    if not (config.symbols or config.timeframes or config.subjects):
        return list(book.incidents())
    subjects = list(config.subjects)
    if config.symbols or config.timeframes:
        chosen = chosen_specs("acknowledge_alert", specs, config.symbols, config.timeframes)
        incidents = None if config.mute or config.lift else book.incidents()
        names = [str(spec.series) for spec in chosen]
        subjects += [name for name in names if incidents is None or name in incidents]
    return subjects
