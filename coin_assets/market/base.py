"""What every market offers: closed candles, page by page."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

import pandas as pd

from coin_assets.domain.keys import Key


class Market(Protocol):
    """A source of candles. Implementations open connections and files on first use only."""

    def pages(
        self, key: Key, start: datetime, end: datetime, now: datetime
    ) -> Iterator[pd.DataFrame]:
        """Yield valid, non-empty candle frames in ascending order.

        Together they hold every candle the market has that opens in ``[start, end)`` and is
        closed at ``now``.

        Raises:
            TemporaryError: the market could not be read now.
            SymbolUnavailable: the market does not have this key.
            InvalidCandles: the market's answer breaks the candle contract.
        """
        ...

    def horizon(self, key: Key, now: datetime) -> datetime:
        """Time up to which this market is expected to have candles.

        ``now`` for a living market; the close of the last candle for a finished one.
        """
        ...

    def close(self) -> None:
        """Release connections; the market may be used again afterwards."""
        ...
