"""Failure records: what a failed task leaves for sensors, the manifest and alerts."""

from dataclasses import dataclass
from datetime import datetime

from coin_assets.domain.json_format import Document, parse_time, time_text
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import CoinAssetsError, PartsFailed
from coin_assets.foreign_text import readable

# Codes of failures without an error of the platform.
UNEXPECTED, CHECK_FAILED, RUN_KILLED, RUN_OVERDUE = (
    "unexpected_error",
    "check_failed",
    "run_killed",
    "run_overdue",
)
_MOST_MESSAGE, _MOST_LINES = 4000, 40


@dataclass(frozen=True)
class FailureRecord:
    """One failed attempt of a task.

    Attributes:
        series: None for a job that works on many.
        task: layer of the series' asset, or name of the job's op.
        code: `CoinAssetsError.code`, or one of the codes of this module.
        cause: `CoinAssetsError.alert_cause`, or what stands for it.
        message: text for people, as by `readable`; no code reads it.
        time: end of the attempt, by the clock of the machine, in whole seconds.
        parts: names of the symbols or series that failed inside of a job.
    """

    series: Series | None
    task: str
    code: str
    cause: str
    message: str
    time: datetime
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shown = readable(self.message, _MOST_MESSAGE, _MOST_LINES)
        object.__setattr__(self, "message", shown)

    @classmethod
    def of(
        cls, error: BaseException, series: Series | None, task: str, time: datetime
    ) -> "FailureRecord":
        """The record of an attempt that ended with ``error``.

        The first error of the platform decides, from the outermost one inwards along the causes
        that were stated by ``raise ... from``; what lies beneath it does not.
        """
        found = platform_error(error)
        if found is None:
            name = type(error).__name__
            return cls(series, task, UNEXPECTED, f"unexpected {name}", str(error) or name, time)
        parts = found.parts if isinstance(found, PartsFailed) else ()
        return cls(series, task, found.code, found.alert_cause, str(found), time, parts)

    def document(self) -> Document:
        """The record as JSON."""
        return {
            "symbol": self.series and self.series.symbol,
            "timeframe": self.series and self.series.timeframe.name,
            "task": self.task,
            "code": self.code,
            "cause": self.cause,
            "message": self.message,
            "time": time_text(self.time),
            "parts": list(self.parts),
        }

    @classmethod
    def of_document(cls, document: Document) -> "FailureRecord":
        """Inverse of `document`."""
        symbol, timeframe = document["symbol"], document["timeframe"]
        return cls(
            None if symbol is None else Series(symbol, Timeframe.parse(timeframe)),
            document["task"],
            document["code"],
            document["cause"],
            document["message"],
            parse_time(document["time"]),
            tuple(document["parts"]),
        )


def platform_error(error: BaseException | None) -> CoinAssetsError | None:
    """The outermost error of the platform among ``error`` and its stated causes."""
    while error is not None and not isinstance(error, CoinAssetsError):
        error = error.__cause__
    return error
