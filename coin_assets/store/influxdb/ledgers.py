"""Gap ledgers: one point for each series, with the same JSON as in the Parquet store."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pandas as pd

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.store.influxdb import flux
from coin_assets.store.influxdb.fields import rows_of
from coin_assets.store.influxdb.installation import ClaimedBucket
from coin_assets.store.influxdb.lines import SERIES_TAGS, requests_of, series_tags, symbol_groups
from coin_assets.store.influxdb.locks import series_locked
from coin_assets.store.influxdb.measurements import LEDGER, UNDATED
from coin_assets.store.ledger_documents import document_of, ledger_of

_MOST_DOCUMENT = 8 << 20  # 25,000 absences; JSON can take 25 times the memory of its text


@dataclass(frozen=True)
class LedgerPoints:
    """`Ledgers` in a bucket."""

    bucket: ClaimedBucket
    locks: Path

    def read(self, series: Series) -> Ledger:
        """Ledger of ``series``; an empty one if there is none.

        Raises:
            CorruptArtefact: the point is not what was written.
        """
        rows = self._rows(series_tags(series), {})
        return Ledger() if rows.empty else parsed(series, rows["document"].iloc[0])

    def documents(self, series_list: Iterable[Series] = ()) -> dict[tuple[str, str], str]:
        """JSON of the ledgers of all series, by symbol and timeframe; by default of the bucket.

        One request for each `SYMBOLS_AT_ONCE` symbols.
        """
        found: dict[tuple[str, str], str] = {}
        for tags in symbol_groups(series_list) or [[]]:
            rows = self._rows(tags, dict.fromkeys(SERIES_TAGS, "str"))
            names = rows[list(SERIES_TAGS)].itertuples(index=False, name=None)
            found |= dict(zip(names, rows["document"], strict=True))
        return found

    def _rows(self, tags: flux.Tags, columns: dict[str, str]) -> pd.DataFrame:
        end = UNDATED + timedelta(seconds=1)
        script = flux.values(self.bucket.name, LEDGER, tags, UNDATED, end)
        return self.bucket.query(script, lambda body: rows_of(body, LEDGER, columns))

    def update(self, series: Series, change: Callable[[Ledger], Ledger]) -> Ledger:
        """Replace the ledger by ``change(ledger)``; an equal one is not sent."""
        with series_locked(self.locks, LEDGER, series):
            known = self.read(series)
            wanted = change(known)
            if wanted != known:
                document = json.dumps(document_of(wanted), separators=(",", ":"))
                row = pd.DataFrame({"timestamp": [UNDATED], "document": [document]})
                for lines in requests_of(LEDGER, series_tags(series), row.astype(LEDGER.dtypes)):
                    self.bucket.write(lines)
                self.bucket.confirm(lambda: self.read(series) == wanted, f"the ledger of {series}")
        return wanted


def parsed(series: Series, document: str) -> Ledger:
    """Ledger of a JSON text.

    Raises:
        CorruptArtefact: the text is not what was written.
    """
    try:
        if len(document) > _MOST_DOCUMENT:
            raise ValueError(f"it is longer than {_MOST_DOCUMENT >> 20} MB")
        return ledger_of(json.loads(document))
    except (RecursionError, TypeError, ValueError) as error:
        raise CorruptArtefact(
            f"The point of {series} in measurement {LEDGER.name!r} is no gap ledger ({error}). "
            "Delete it: the ledger is made anew when the months of "
            f"{series.symbol_name}/ohlcv_{series.timeframe} are materialised again."
        ) from error
