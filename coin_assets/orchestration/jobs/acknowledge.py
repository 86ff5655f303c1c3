"""The job ``acknowledge_alert``: a person has seen it, or wants quiet for a while."""

from collections.abc import Sequence
from datetime import timedelta

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
    """What ``acknowledge_alert`` is about; without symbols, timeframes and subjects: all that
    stands."""

    symbols: list[str] = Field(default=[], description="Keys of these symbols.")
    timeframes: list[str] = Field(default=[], description="Keys of these timeframes.")
    subjects: list[str] = Field(
        default=[], description="Other subjects as the alert names them, for example disk."
    )
    hours: float = Field(default=4.0, description="How long it holds; at most 744 (31 days).")
    mute: bool = Field(
        default=False,
        description="Say nothing at all, not even what is new. Otherwise repeats and escalations "
        "stop until it has recovered.",
    )
    lift: bool = Field(default=False, description="End what was asked for before.")
    note: str = Field(default="", description="Why, for whoever looks at it next.")


def acknowledge_job(specs: tuple[SeriesAssets, ...], book: AlertBook) -> dg.JobDefinition:
    """``acknowledge_alert``: one op on the alerts' own records; it outlives restarts."""

    @dg.op(
        name="acknowledge",
        description="Stop repeats of what is known, or mute it, for some hours.",
    )
    def acknowledge(
        context: dg.OpExecutionContext, config: AcknowledgeConfig, clock: Clock
    ) -> None:
        with failures_named():
            if not 0 < config.hours <= _LONGEST_HOURS:
                raise ConfigurationError(
                    f"acknowledge_alert config: hours {config.hours:g} lies outside 0 to "
                    f"{_LONGEST_HOURS:g}. Choose how long somebody will know about it."
                )
            subjects = _subjects(specs, config, book)
            if not subjects:
                context.log.info("nothing is wrong, and nothing was named; nothing was changed")
                return
            named = ", ".join(subjects)
            if config.lift:
                book.unmute(subjects)
                context.log.info(f"alerts are sent again for {named}")
                return
            until = clock.now() + timedelta(hours=config.hours)
            kind = MuteKind.MUTE if config.mute else MuteKind.ACKNOWLEDGE
            book.mute(subjects, until, kind, config.note)
            context.log.info(f"{kind} until {until:%Y-%m-%d %H:%M} UTC: {named}")

    return one_op_job(
        "acknowledge_alert",
        acknowledge,
        AcknowledgeConfig,
        (
            "Acknowledge or mute alerts for some hours. Optional settings: symbols, timeframes, "
            "subjects, hours, mute, lift, note; without any, all that stands is acknowledged."
        ),
    )


def _subjects(
    specs: tuple[SeriesAssets, ...], config: AcknowledgeConfig, book: AlertBook
) -> Sequence[str]:
    """Subjects that are meant. Of keys named for an acknowledgement, those with an incident."""
    if not (config.symbols or config.timeframes or config.subjects):
        return list(book.incidents())
    subjects = list(config.subjects)
    if config.symbols or config.timeframes:
        chosen = chosen_specs("acknowledge_alert", specs, config.symbols, config.timeframes)
        standing = None if config.mute or config.lift else book.incidents()
        names = [str(spec.series) for spec in chosen]
        subjects += [name for name in names if standing is None or name in standing]
    return subjects
