"""Answers with exogenous values: requested, parsed, and as exogenous frames."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from coin_assets.domain.forecasting.exogenous import empty_values, published
from coin_assets.errors import CoinAssetsError, MarketDefect, MarketUnavailable, RangeRefused
from coin_assets.market.retrying import REMEDY

# Values count from this long after the time that they describe: time enough to fetch them, so that
# the history tells a model what it will have later.
DELAY = timedelta(minutes=10)
HOUR = timedelta(hours=1)
# Last sentence of the error of an answer that cannot be used.
DEFECT = "It is fetched again; if it stays, leave the series out of COIN_EXOGENOUS."
_REASON_LENGTH = 200

T = TypeVar("T")


def parsed(
    rows: list[Any], time: Callable[[Any], int], value: Callable[[Any], Any]
) -> dict[int, float]:
    """Values by time in ms.

    Raises:
        MarketDefect: a row is none of its kind.
    """
    try:
        return {int(time(row)): float(value(row)) for row in rows}
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise MarketDefect(
            f"The exchange sent other rows than values: {error!r:.200}. {DEFECT}"
        ) from error


def frame(values: dict[int, float]) -> pd.DataFrame:
    """Exogenous frame of values by the time (ms) that they describe."""
    if not values:
        return empty_values()
    times = pd.DatetimeIndex(pd.to_datetime(sorted(values), unit="ms", utc=True))
    return published(times, DELAY, np.array([values[each] for each in sorted(values)]))


def asked(client: Any, request: Callable[[], T]) -> T:
    """The result of a request to an exchange, with ccxt's errors as those of the platform."""
    import ccxt

    try:
        return request()
    except CoinAssetsError:
        raise
    except Exception as error:  # ccxt's parsers raise anything on an odd answer
        reason = f"{type(error).__name__}: {error}"[:_REASON_LENGTH]
        if isinstance(error, ccxt.OperationFailed):
            raise MarketUnavailable(f"{client.id} does not answer ({reason}). {REMEDY}") from error
        if isinstance(error, ccxt.BaseError):
            raise RangeRefused(
                f"{client.id} refuses exogenous values ({reason}). Check its rules, or leave the "
                "series out of COIN_EXOGENOUS."
            ) from error
        raise MarketDefect(
            f"An answer of {client.id} cannot be read ({reason}). {DEFECT}"
        ) from error


def stamp(time: datetime) -> int:
    """A time in ms since 1970."""
    return milliseconds(time.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC))


def milliseconds(span: timedelta) -> int:
    """A span in whole ms."""
    return span // timedelta(milliseconds=1)
