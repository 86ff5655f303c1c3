"""Reading what came of a ccxt request: rows as a frame, exceptions as the platform's errors."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from coin_assets.domain.candles import COLUMNS, TIMESTAMP_DTYPE
from coin_assets.domain.keys import Key
from coin_assets.domain.symbols import alike
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InvalidCandles, PermanentError, SymbolUnavailable
from coin_assets.market.retrying import Interrupted, asked_wait

_REASON_LENGTH = 200
_BLOCKED = (403, 451)
_TOO_MANY = (418, 429)


def candles_of(
    rows: list[list[Any]], timeframe: Timeframe, first: datetime, now: datetime, source: str
) -> pd.DataFrame:
    """ccxt's rows by open time; of several readings of a candle the one sent last.

    Raises:
        InvalidCandles: a candle opens before ``first``, or a day and a candle after ``now``.
    """
    frame = pd.DataFrame([row[: len(COLUMNS)] for row in rows], columns=COLUMNS)
    millis = pd.to_numeric(frame["timestamp"], errors="coerce").to_numpy(dtype="float64")
    latest = now + timedelta(days=1, seconds=timeframe.seconds)
    low, high = first.timestamp() * 1000, latest.timestamp() * 1000
    wrong = ~((millis >= low) & (millis <= high))
    if wrong.any():
        raise InvalidCandles(
            "implausible_times",
            f"{source}: {int(wrong.sum())} of {len(frame)} candles open before {first:%Y-%m-%d} or "
            f"after {latest:%Y-%m-%d %H:%M}; milliseconds since 1970 are expected.",
            tuple(str(rows[row]) for row in np.flatnonzero(wrong)[:3]),
            _likely_cause(millis[wrong], low, high),
        )
    frame["timestamp"] = pd.to_datetime(millis, unit="ms", utc=True).astype(TIMESTAMP_DTYPE)
    ordered = frame.sort_values("timestamp", kind="stable")
    return ordered.drop_duplicates("timestamp", keep="last").reset_index(drop=True)


def _likely_cause(times: "np.typing.NDArray[np.float64]", low: float, high: float) -> str:
    for unit, factor in (("seconds", 1e3), ("microseconds", 1e-3), ("nanoseconds", 1e-6)):
        if ((times * factor >= low) & (times * factor <= high)).all():
            return f"the exchange sends {unit}"
    return "the clock of this machine or of the exchange is wrong"


def _meant(symbol: str, client: Any) -> str:
    """Which symbol of the exchange differs in case or Unicode form only, as part of a remedy."""
    found = [each for each in client.symbols or () if alike(each) == alike(symbol)]
    return f": did you mean {found[0]!a}?" if found else ""


def failure_of(error: Exception, client: Any, key: Key, now: datetime) -> Exception:
    """What a failed request means: `Interrupted` if it may pass, a `PermanentError` if not."""
    import ccxt

    exchange, reason = client.id, f"{type(error).__name__}: {error}"[:_REASON_LENGTH]
    if not isinstance(error, ccxt.BaseError):
        return Interrupted(f"its answer cannot be understood, {reason}")
    response = _response(error)
    status: int = getattr(response, "status_code", 0)
    if isinstance(error, ccxt.BadSymbol):
        return SymbolUnavailable(
            f"{exchange} has no {key.symbol} ({reason}). Correct COIN_SYMBOLS"
            f"{_meant(key.symbol, client)}."
        )
    if status in _BLOCKED or isinstance(error, ccxt.RestrictedLocation):
        return PermanentError(
            f"{exchange} blocks this machine, HTTP {status} ({reason}): it serves neither this "
            "country nor network. Choose another exchange with COIN_MARKET, or ask from elsewhere."
        )
    if isinstance(error, ccxt.AuthenticationError):
        return PermanentError(
            f"{exchange} wants credentials for {key} candles ({reason}). Choose an exchange with "
            "public candles with COIN_MARKET; this platform sends no keys."
        )
    passing = isinstance(error, ccxt.OperationFailed) or status >= 500 or status in _TOO_MANY
    if passing or _broke_on_the_way(error):
        busy = isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded)
        headers: Mapping[str, str] = {}
        if response is not None:
            headers = response.headers
        elif busy:  # said inside a reply that counts as a success
            headers = client.last_response_headers or {}
        return Interrupted(reason, asked_wait(headers, now))
    return PermanentError(
        f"{exchange} refuses to deliver {key} candles ({reason}). Check the symbol and the "
        "exchange's rules."
    )


def _response(error: BaseException) -> Any:
    """The HTTP response behind an error of ccxt, if there was one."""
    cause = error.__cause__ or error.__context__
    return getattr(cause, "response", None)


def _broke_on_the_way(error: BaseException) -> bool:
    """Whether no reply came at all; ccxt knows only some of these as temporary."""
    import requests

    cause = error.__cause__ or error.__context__
    return isinstance(cause, requests.RequestException) and cause.response is None
