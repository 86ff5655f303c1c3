"""The market protocol: closed candles, page by page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Protocol, runtime_checkable

import pandas as pd

from coin_assets.domain.candles.refusals import Refusal
from coin_assets.domain.series import Series
from coin_assets.errors import CoinAssetsError
from coin_assets.market.pace import Halt

PROBE_SECONDS = 10.0


@dataclass(frozen=True)
class Page:
    """Complete answer for the range ``[start, end)`` of opens.

    A candle of the range that is in neither ``candles`` nor ``refused`` does not exist at the
    market.

    Attributes:
        candles: valid candle frame, possibly empty.
        start, end: half-open range of opens, UTC.
        refused: candles of the market that break the candle contract, ascending.
        is_unavailable: the range is older than the market's history; it has no candles, and later
            requests return none either.
        error: reason why this range alone could not be read; ``candles`` is then meaningless.
    """

    candles: pd.DataFrame
    start: datetime
    end: datetime
    refused: tuple[Refusal, ...] = ()
    is_unavailable: bool = False
    error: CoinAssetsError | None = None


@dataclass(frozen=True)
class Estimate:
    """Estimated cost of a fetch.

    Attributes:
        requests: number of requests.
        seconds: shortest time that the market's rate limit allows.
    """

    requests: int
    seconds: float

    def __add__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.requests + other.requests, self.seconds + other.seconds)


@dataclass(frozen=True)
class Usage:
    """Cost of a market so far.

    Attributes:
        requests: number of attempts: HTTP requests, files read, or pages generated.
        retries: number of attempts after a failed one.
    """

    requests: int = 0
    retries: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.requests + other.requests, self.retries + other.retries)

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.requests - other.requests, self.retries - other.retries)


class Meter:
    """Thread-safe counter of `Usage`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        """The current count."""
        return self._usage

    def count(self, requests: int = 0, retries: int = 0) -> None:
        """Add to the count."""
        with self._lock:
            self._usage += Usage(requests, retries)


class Market(Protocol):
    """A source of candles.

    Implementations open connections and files on first use. All times are UTC.
    """

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        """Yield the closed candles that open in ``[start, end)``, in ascending order.

        Pages are contiguous: the first one starts at ``start``, the last one ends at
        ``min(end, floor(now))``. A range without a closed candle yields no page. Each page can be
        stored at once: stopping after any page loses nothing before it. A failure of one range
        alone is the `Page.error` of its page, and iteration continues after it.

        Args:
            series: symbol and timeframe.
            start, end: half-open range of opens; they need not be opens themselves.
            now: candles that close later are not closed.

        Raises:
            TemporaryError: the market cannot be read at present.
            SymbolUnavailable: the market does not have this series.
            InvalidCandles: the answer as a whole breaks the candle contract.
        """
        ...

    def listed(
        self, series: Series, now: datetime, since: datetime | None = None
    ) -> datetime | None:
        """Open of the market's oldest closed candle; None if it has none yet.

        Args:
            series: symbol and timeframe.
            now: candles that close later are not closed.
            since: lower bound of the search; an older candle may be reported as later.

        Raises:
            As `pages`.
        """
        ...

    def edge(self, series: Series) -> datetime | None:
        """Time before which the market no longer serves candles.

        None if `pages` and `listed` found no such limit so far. Makes no request.
        """
        ...

    def horizon(self, series: Series, now: datetime) -> datetime:
        """Time up to which this market is expected to have candles.

        It is ``now`` for a live market, and the close of the last candle for a finished one.
        Unreadable candles are expected all the same and raise nothing, because a sensor calls this
        for all symbols.
        """
        ...

    def estimate(self, series: Series, start: datetime, end: datetime) -> Estimate:
        """Estimated cost of `pages` for ``[start, end)``. Makes no request."""
        ...

    def usage(self) -> Usage:
        """Cost since this object was created, including the time before `close`."""
        ...

    def close(self) -> None:
        """Release connections; the market opens new ones when used again."""
        ...


@runtime_checkable
class RemoteMarket(Protocol):
    """A `Market` on the network, which may be out of reach."""

    def probe(self, series: Series) -> None:
        """Make one request, without retries and within `PROBE_SECONDS`.

        Args:
            series: its type of market is asked for; whether the market has it does not matter.

        Raises:
            MarketUnavailable: no proper answer came.
            PermanentError: the market refuses this machine.
        """
        ...


@runtime_checkable
class TwinMarket(Protocol):
    """A `Market` whose answers take time, so that several threads are worth having.

    A market serves one thread. Markets that only compute or read local files have no twins.
    """

    def twin(self, halt: Halt) -> Market | None:
        """The same market for another thread; None if a part of it has no twin.

        It has its own connections, retries and usage. The pace of requests, lists and what was
        learned of the exchange are shared.

        Args:
            halt: ends the twin: then its next request or pause raises `Halted`.
        """
        ...
