"""Every error the platform raises on purpose, classed by what the reader should do about it.

This module imports nothing, so every layer may raise from it. Messages name the offender, the
expectation and the remedy.
"""


class CoinAssetsError(Exception):
    """Root of all deliberate errors."""


class ConfigurationError(CoinAssetsError):
    """Fix the configuration; nothing was started."""


class TemporaryError(CoinAssetsError):
    """Try again later; the cause is expected to pass by itself."""


class MarketUnavailable(TemporaryError):
    """The exchange or network did not answer properly."""


class CandlesNotYetAvailable(TemporaryError):
    """A candle that is due by the clock is not there yet."""


class StoreUnavailable(TemporaryError):
    """The store's server does not answer, or does not give back yet what was written."""


class PermanentError(CoinAssetsError):
    """Trying again changes nothing; somebody has to act on this symbol, month or file."""


class SymbolUnavailable(PermanentError):
    """The market does not have this symbol or timeframe."""


class RangeRefused(PermanentError):
    """The market refuses to answer for a range of candles, perhaps because it is too old."""


class MarketDefect(PermanentError):
    """The code that speaks to the market failed before the market was asked."""


class MonthsNotFetched(PermanentError):
    """Months of candles that this step needs were never stored."""


class PartsFailed(PermanentError):
    """A job could not do some symbols or keys; the message names each with its cause."""


class StoreRefused(PermanentError):
    """The store's server will not do it: a wrong token, no such bucket, another type of column.

    Attributes:
        status: of its HTTP answer; 0 if it was not even asked.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class ModelMissing(PermanentError):
    """No model may forecast an origin although the candles to train one are there."""


class DiskFull(PermanentError):
    """The disk is too full for more history; somebody has to make room."""


class TargetHasMore(PermanentError):
    """The target of a copy holds what its source lacks; somebody has to decide which counts."""


class DataRefused(CoinAssetsError):
    """Data breaks its contract; nothing of it was stored."""


_MOST_OFFENDER, _MOST_CAUSE = 160, 600


def shortened(text: str, most: int) -> str:
    """At most ``most`` characters of foreign text, in one line; what cannot be seen is escaped."""
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text[: most + 1]
    )
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


class InvalidCandles(DataRefused):
    """Candles break a rule of the candle contract.

    Offenders and cause are cut to a few hundred characters, for files may hold anything.

    Attributes:
        rule: identifier of the broken rule, for example ``"unaligned"``.
        offenders: the first offending rows (at most three), rendered for people.
        cause: what most likely went wrong, with a remedy, if it can be told.
        reason: the message without its last sentence, which says that nothing was stored.
    """

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


class ForecastRefused(DataRefused):
    """A forecast is not fit to be published; what was published before it stands."""


class InsufficientData(DataRefused):
    """Too few candles for an honest answer; an expected state of a young symbol."""


class CorruptArtefact(DataRefused):
    """A stored model or file is not what was written."""


class CopyDiffers(DataRefused):
    """What was copied is not what its source holds; the source is as it was."""
