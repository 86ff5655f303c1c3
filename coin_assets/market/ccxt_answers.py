"""Translation of ccxt results: rows to candle frames, exceptions to errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from coin_assets.domain.backoff import retry_after
from coin_assets.domain.candles.frame import COLUMNS, TIMESTAMP_DTYPE
from coin_assets.domain.candles.refusals import Refusal
from coin_assets.domain.candles.sifting import refusal_at, sifted
from coin_assets.domain.series import Series
from coin_assets.domain.symbols import alike
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import (
    CoinAssetsError,
    InvalidCandles,
    MarketDefect,
    PermanentError,
    RangeRefused,
    SymbolUnavailable,
)
from coin_assets.market.ccxt_client import Client
from coin_assets.market.ccxt_requests import Asked
from coin_assets.market.ccxt_unanswered import why_unanswered
from coin_assets.market.retrying import Interrupted

_REASON_LENGTH = 200
_BLOCKED = (403, 451)
_TOO_MANY = (418, 429)


@dataclass(frozen=True)
class Answer:
    """One answer of an exchange.

    Attributes:
        candles: valid candles, ascending; they may open outside of the requested range.
        refused: candles that break the contract, ascending.
        asked: the range of the request as it was sent.
    """

    candles: pd.DataFrame
    refused: tuple[Refusal, ...]
    asked: Asked

    def opens(self) -> list[datetime]:
        """First and last open, valid or refused; empty without rows."""
        opens = [refusal.start for refusal in self.refused]
        if len(self.candles):
            stamps = self.candles["timestamp"]
            opens += [stamps.iloc[row].to_pydatetime() for row in (0, -1)]
        return sorted(opens)[:: max(1, len(opens) - 1)] if opens else []

    @property
    def rows(self) -> int:
        """Number of candles, valid and refused."""
        return len(self.candles) + len(self.refused)

    def since(self, time: datetime) -> "Answer":
        """The answer without candles that open before ``time``."""
        stamps = self.candles["timestamp"]
        refused = tuple(refusal for refusal in self.refused if refusal.start >= time)
        candles = self.candles[stamps >= time].reset_index(drop=True)
        return Answer(candles, refused, self.asked)


def candles_of(
    rows: list[list[Any]], timeframe: Timeframe, first: datetime, now: datetime, source: str
) -> tuple[pd.DataFrame, tuple[Refusal, ...]]:
    """Valid candles in ccxt's rows, ascending, and refusals of the others.

    The last reading of a candle wins. A row without a usable time is a refusal of the candle at its
    position in the answer.

    Args:
        rows: rows of ccxt; ``[None, ...]`` is a row that it could not parse.
        timeframe: of the candles.
        first, now: a plausible time is from ``first`` to a day and a candle after ``now``.
        source: origin of the rows, for messages.

    Raises:
        InvalidCandles: no row has a plausible time.
    """
    frame = pd.DataFrame([_columns(row) for row in rows], columns=COLUMNS)
    millis = pd.to_numeric(frame["timestamp"], errors="coerce").to_numpy(dtype="float64")
    latest = now + timedelta(days=1, seconds=timeframe.seconds)
    low, high = first.timestamp() * 1000, latest.timestamp() * 1000
    usable = (millis >= low) & (millis <= high)
    if len(frame) and not usable.any():
        raise InvalidCandles(
            "implausible_times",
            f"{source}: {len(frame)} of {len(frame)} candles open before {first:%Y-%m-%d} or "
            f"after {latest:%Y-%m-%d %H:%M}; milliseconds since 1970 are expected.",
            tuple(str(row)[:_REASON_LENGTH] for row in rows[:3]),
            _likely_cause(millis, low, high),
        )
    frame["timestamp"] = pd.to_datetime(np.where(usable, millis, 0), unit="ms", utc=True).astype(
        TIMESTAMP_DTYPE
    )
    candles, refused = sifted(frame[usable].reset_index(drop=True), timeframe)
    if usable.all():
        return candles, tuple(refused)
    known = {opened.to_pydatetime() for opened in candles["timestamp"]}
    known |= {refusal.start for refusal in refused}
    for row in np.flatnonzero(~usable):
        opened = _place(frame["timestamp"], usable, int(row), timeframe)
        if opened not in known:
            known.add(opened)
            refused.append(refusal_at(opened, timeframe, rows[row]))
    return candles, tuple(sorted(refused, key=lambda refusal: refusal.start))


def _columns(row: list[Any]) -> list[Any]:
    values = row[: len(COLUMNS)] if row[0] is not None else []
    return [*values, *[None] * (len(COLUMNS) - len(values))]


def _place(
    stamps: "pd.Series[pd.Timestamp]",
    usable: "np.typing.NDArray[np.bool_]",
    row: int,
    timeframe: Timeframe,
) -> datetime:
    """Open of the candle at the position of ``row``, counted from the nearest row with a time."""
    known = np.flatnonzero(usable)
    times = [stamps.iloc[position].to_pydatetime() for position in (known[0], known[-1])]
    direction = -1 if times[0] > times[1] else 1
    nearest = int(known[np.argmin(np.abs(known - row))])
    return timeframe.shift(stamps.iloc[nearest].to_pydatetime(), direction * (row - nearest))


def _likely_cause(times: "np.typing.NDArray[np.float64]", low: float, high: float) -> str:
    for unit, factor in (("seconds", 1e3), ("microseconds", 1e-3), ("nanoseconds", 1e-6)):
        if ((times * factor >= low) & (times * factor <= high)).all():
            return f"the exchange sends {unit}"
    return "the clock of this machine or of the exchange is wrong"


def _meant(symbol: str, client: Client) -> str:
    """Similar symbols of the exchange, as part of a remedy."""
    found = [each for each in client.ccxt.symbols or () if alike(each) == alike(symbol)]
    near = found[:1] or client.near(symbol)
    return f": did you mean {' or '.join(f'{each!a}' for each in near)}?" if near else ""


def failure_of(error: Exception, client: Client, series: Series, now: datetime) -> Exception:
    """Error for a failed request: `Interrupted` if temporary, else an error of the platform."""
    import ccxt

    if isinstance(error, CoinAssetsError):
        return error

    exchange, reason = client.ccxt.id, f"{type(error).__name__}: {error}"[:_REASON_LENGTH]
    unanswered = why_unanswered(error, client.ccxt) if client.answered else None
    if not isinstance(error, ccxt.BaseError):
        if client.answered:
            return Interrupted(unanswered or f"its answer cannot be understood, {reason}")
        return MarketDefect(
            f"ccxt {ccxt.__version__} failed before it requested {series} candles from {exchange} "
            f"({reason}). This is an error in ccxt or in the symbol, not of the network. Check "
            "COIN_SYMBOLS, use another version of ccxt, or choose another exchange (COIN_MARKET)."
        )
    response = _response(error)
    status: int = getattr(response, "status_code", 0)
    if isinstance(error, ccxt.BadSymbol):
        return SymbolUnavailable(
            f"{exchange} has no {series.symbol} ({reason}). Correct COIN_SYMBOLS"
            f"{_meant(series.symbol, client)}."
        )
    if status in _BLOCKED or isinstance(error, ccxt.RestrictedLocation):
        return PermanentError(
            f"{exchange} blocks this machine, HTTP {status} ({reason}): it serves neither this "
            "country nor network. Choose another exchange with COIN_MARKET, or use another network."
        )
    if isinstance(error, ccxt.AuthenticationError):
        return PermanentError(
            f"{exchange} wants credentials for {series} candles ({reason}). Choose an exchange "
            "with public candles with COIN_MARKET; this platform sends no keys."
        )
    passing = isinstance(error, ccxt.OperationFailed) or status >= 500 or status in _TOO_MANY
    if passing or _broke_on_the_way(error):
        busy = isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded)
        headers: Mapping[str, str] = {}
        if response is not None:
            headers = response.headers
        elif busy:  # reported in a reply with a status of success
            headers = client.ccxt.last_response_headers or {}
        return Interrupted(unanswered or reason, retry_after(headers, now))
    return RangeRefused(
        f"{exchange} refuses to deliver {series} candles ({reason}). Check the symbol and the "
        "exchange's rules."
    )


def _response(error: BaseException) -> Any:
    """HTTP response behind an error of ccxt; None without one."""
    cause = error.__cause__ or error.__context__
    return getattr(cause, "response", None)


def _broke_on_the_way(error: BaseException) -> bool:
    """Whether no reply arrived; ccxt treats only some of these errors as temporary."""
    import requests

    cause = error.__cause__ or error.__context__
    return isinstance(cause, requests.RequestException) and cause.response is None
