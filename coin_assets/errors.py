"""Errors that the platform raises on purpose, classed by what the reader should do.

Every layer may raise them. Messages name the offender, the expectation and the remedy.
"""

from datetime import datetime
from typing import ClassVar

from coin_assets.foreign_text import readable, shortened


class CoinAssetsError(Exception):
    """Root of all deliberate errors. What cannot be seen in its message is escaped.

    Attributes:
        code: stable identifier of the class in failure records.
        alert_cause: how alerts group it: subjects with one condition and one cause share a message.
    """

    code: ClassVar[str] = "platform_error"
    alert_cause: str = "the platform failed"

    def __init__(self, message: str = "") -> None:
        super().__init__(readable(message))


class ConfigurationError(CoinAssetsError):
    """Fix the configuration; nothing was started."""

    code = "configuration_error"
    alert_cause = "the configuration is wrong"


class TemporaryError(CoinAssetsError):
    """Try again later; the cause is expected to pass by itself."""

    code = "temporary_error"
    alert_cause = "a temporary fault"


class MarketUnavailable(TemporaryError):
    """The exchange or network did not answer properly."""

    code = "market_unavailable"
    alert_cause = "the market does not answer"


class CandlesNotYetAvailable(TemporaryError):
    """A candle that is due by the clock is not there yet."""

    code = "candles_not_yet_available"
    alert_cause = "the market has no newer candles"


class ClockDiffers(TemporaryError):
    """A candle is closed by this machine's clock, and not by the exchange's."""

    code = "clock_differs"
    alert_cause = "the clocks of this machine and the exchange differ"


class StoreUnavailable(TemporaryError):
    """The store's server does not answer, or does not give back yet what was written."""

    code = "store_unavailable"
    alert_cause = "the store's server does not answer"


class LockUnavailable(TemporaryError):
    """A lock is held by another process for too long, or the server of the locks is away."""

    code = "lock_unavailable"
    alert_cause = "a lock is not to be had"


class LockLost(TemporaryError):
    """The server ended this process's lock; what was to be written under it was not."""

    code = "lock_lost"
    alert_cause = "a lock was lost"


class MachineFault(TemporaryError):
    """The machine failed, not the data: a full or failing disk, too many open files, no access.

    Files are left as they are; work goes on by itself once the machine works again.

    Attributes:
        errno_name: for example ``"ENOSPC"``.
        path: file or folder at which it happened; None if unknown.
        alert_cause: names the errno, too.
    """

    code = "machine_fault"
    alert_cause = "the machine failed"

    def __init__(self, message: str, errno_name: str = "", path: str | None = None) -> None:
        self.errno_name = errno_name
        self.path = path
        if errno_name:
            self.alert_cause = f"{MachineFault.alert_cause}: {errno_name}"
        super().__init__(message)


class PermanentError(CoinAssetsError):
    """Trying again changes nothing; somebody has to act on this symbol, month or file."""

    code = "permanent_error"
    alert_cause = "a fault that lasts"


class SymbolUnavailable(PermanentError):
    """The market does not have this symbol or timeframe."""

    code = "symbol_unavailable"
    alert_cause = "the market does not offer the symbol"


class RangeRefused(PermanentError):
    """The market refuses to answer for a range of candles, perhaps because it is too old."""

    code = "range_refused"
    alert_cause = "the market refuses a range of candles"


class MarketDefect(PermanentError):
    """The code that speaks to the market failed before the market was asked."""

    code = "market_defect"
    alert_cause = "the market client failed"


class MonthsNotFetched(PermanentError):
    """Months of candles that this task needs were never fetched."""

    code = "months_not_fetched"
    alert_cause = "months of candles were never fetched"


class PartsFailed(PermanentError):
    """A job failed for some symbols or series; the message names each with its cause.

    Attributes:
        parts: names of the symbols or series that failed.
    """

    code = "parts_failed"
    alert_cause = "parts of the job failed"

    def __init__(self, message: str, parts: tuple[str, ...] = ()) -> None:
        self.parts = parts
        super().__init__(message)


class StoreRefused(PermanentError):
    """The store's server will not do it: a wrong token, no such bucket, another type of column.

    Attributes:
        status: of its HTTP answer; 0 if no request was sent.
    """

    code = "store_refused"
    alert_cause = "the store's server refuses"

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class ModelMissing(PermanentError):
    """No model may forecast an origin although the candles to train one are there."""

    code = "model_missing"
    alert_cause = "there is no model"


class DiskFull(PermanentError):
    """The disk is too full for more history; somebody has to make room."""

    code = "disk_full"
    alert_cause = "the disk is full"


class TargetHasMore(PermanentError):
    """The target of a copy holds what its source lacks; somebody has to decide which counts."""

    code = "target_has_more"
    alert_cause = "the target of the copy holds more than its source"


class DataRefused(CoinAssetsError):
    """Data breaks its contract; nothing of it was stored."""

    code = "data_refused"
    alert_cause = "the data was refused"


_MOST_OFFENDER, _MOST_CAUSE = 160, 600


class InvalidCandles(DataRefused):
    """Candles break a rule of the candle contract.

    Offenders and cause are cut to a few hundred characters, for files may hold anything.

    Attributes:
        rule: identifier of the broken rule, for example ``"unaligned"``.
        offenders: the first offending rows (at most three), rendered for people.
        cause: the most likely cause and its remedy; None if unknown.
        reason: the message without its last sentence, which says that nothing was stored.
    """

    code = "invalid_candles"
    alert_cause = "the market's candles were refused"

    def __init__(
        self, rule: str, message: str, offenders: tuple[str, ...] = (), cause: str | None = None
    ) -> None:
        self.rule = rule
        self.offenders = offenders = tuple(shortened(each, _MOST_OFFENDER) for each in offenders)
        self.cause = cause = cause and shortened(cause, _MOST_CAUSE)
        shown = f" First offenders: {'; '.join(offenders)}." if offenders else ""
        guess = f" Likely cause: {cause}." if cause else ""
        self.reason = f"[{rule}] {message}{shown}{guess}"
        super().__init__(f"{self.reason} Nothing was stored.")


class ImplausibleCandles(DataRefused):
    """The market's newest prices are far from those before; nothing is stored until confirmed."""

    code = "implausible_candles"
    alert_cause = "the market's prices are implausible"


class ForecastRefused(DataRefused):
    """A forecast is not fit to be published; what was published before it stands."""

    code = "forecast_refused"
    alert_cause = "the forecast was refused"


class InsufficientData(DataRefused):
    """Too few candles for an honest answer; an expected state of a young symbol."""

    code = "insufficient_data"
    alert_cause = "there are too few candles"


class CorruptArtefact(DataRefused):
    """A stored model or file is not what was written.

    Attributes:
        found_at: when the damage was found first; None if that was not recorded.
    """

    code = "corrupt_artefact"
    alert_cause = "a stored file is damaged"

    def __init__(self, message: str, found_at: datetime | None = None) -> None:
        self.found_at = found_at
        super().__init__(message)


class CopyDiffers(DataRefused):
    """What was copied is not what its source holds; the source is as it was."""

    code = "copy_differs"
    alert_cause = "the copy differs from its source"
