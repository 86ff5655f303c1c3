"""What every market offers: its closed candles, answer by answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Protocol

import pandas as pd

from coin_assets.domain.candles.refusals import Refusal
from coin_assets.domain.series import Series
from coin_assets.errors import CoinAssetsError


@dataclass(frozen=True)
class Page:
    """One answer: ``candles`` are all that the market has of those that open in ``[start, end)``.

    What is missing between them the market was asked for and does not have.

    Attributes:
        candles: a valid candle frame, possibly empty.
        refused: candles that the market sends but that break the candle contract, ascending; they
            are not in ``candles``.
        is_unavailable: the range is older than what the market still serves; there are no candles
            in it, and asking again brings none.
        error: why this range, and it alone, could not be read; then ``candles`` says nothing.
    """

    candles: pd.DataFrame
    start: datetime
    end: datetime
    refused: tuple[Refusal, ...] = ()
    is_unavailable: bool = False
    error: CoinAssetsError | None = None


@dataclass(frozen=True)
class Estimate:
    """What fetching a range would take; ``seconds`` is the least that the market's limits allow."""

    requests: int
    seconds: float

    def __add__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.requests + other.requests, self.seconds + other.seconds)


@dataclass(frozen=True)
class Usage:
    """What a market has cost so far.

    Attributes:
        requests: answers asked for, each try counted: HTTP requests, files read, pages made.
        retries: how often something was asked again because it had failed.
    """

    requests: int = 0
    retries: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.requests + other.requests, self.retries + other.retries)


class Meter:
    """Counts `Usage`; safe for many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        return self._usage

    def count(self, requests: int = 0, retries: int = 0) -> None:
        with self._lock:
            self._usage += Usage(requests, retries)


class Market(Protocol):
    """A source of candles. Implementations open connections and files on first use only."""

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        """Yield the closed candles that open in ``[start, end)``, in ascending order.

        The first page starts at ``start``, each other where the one before ends, and the last one
        ends at ``min(end, floor(now))``. A range without a closed candle yields no page. A page
        may be stored as soon as it is there: stopping after any page loses nothing before it.

        What is wrong with one range alone is the `Page.error` of its page, and the pages go on
        after it.

        Raises:
            TemporaryError: the market could not be read now.
            SymbolUnavailable: the market does not have this key.
            InvalidCandles: the market's answer breaks the candle contract.
        """
        ...

    def listed(
        self, series: Series, now: datetime, since: datetime | None = None
    ) -> datetime | None:
        """Open of the oldest closed candle that the market has; None if it has none yet.

        Args:
            since: nobody wants candles that open before, so they need not be looked for.

        Raises:
            As `pages`.
        """
        ...

    def edge(self, series: Series) -> datetime | None:
        """Time before which the market serves nothing, although it may have had candles.

        None if no such limit was met by `pages` and `listed` so far; asks nobody.
        """
        ...

    def horizon(self, series: Series, now: datetime) -> datetime:
        """Time up to which this market is expected to have candles.

        ``now`` for a living market; the close of the last candle for a finished one. Candles that
        cannot be read are expected all the same, and nothing is raised for them: a sensor asks
        this of every symbol at once.
        """
        ...

    def estimate(self, series: Series, start: datetime, end: datetime) -> Estimate:
        """What `pages` would take for ``[start, end)``; asks nobody."""
        ...

    def usage(self) -> Usage:
        """What was asked of the market since this object was made, also before `close`."""
        ...

    def close(self) -> None:
        """Release connections; the market may be used again afterwards."""
        ...
