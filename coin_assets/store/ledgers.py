"""Gap ledgers as JSON files, one for each series.

The path is ``<root>/symbol=BTC_USDT/timeframe=1h/ledger.json``; operators can read it with ``cat``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import remove_partials, write_atomically
from coin_assets.files.cache import FileCache, identity_of
from coin_assets.files.locks import fence, locked
from coin_assets.foreign_text import shortened
from coin_assets.store.faults import is_absent, typed_errors
from coin_assets.store.ledger_documents import document_of, ledger_of

# Shared by all objects of this process.
_READ: FileCache[Ledger] = FileCache(10_000)
# What this process wrote lately; for reads only, as in `coin_assets.store.month_files`.
_WRITTEN: FileCache[Ledger] = FileCache(10_000, settled=0.0)


@dataclass(frozen=True)
class LedgerFiles:
    """The ledgers below ``root``; safe for many processes."""

    root: Path

    def read(self, series: Series) -> Ledger:
        """Ledger of ``series``; an empty one if there is no file.

        Raises:
            CorruptArtefact: the file is not what was written, or belongs elsewhere.
            MachineFault: the machine cannot read it.
        """
        path = self._path(series)
        with typed_errors(path):
            try:
                written = _WRITTEN.get(path, (identity_of(Path(path).stat()),))
            except OSError as error:
                if is_absent(error):
                    return Ledger()
                raise
            return self._read(path, series) if written is None else written

    def _read(self, path: str, series: Series) -> Ledger:
        try:
            return _READ.of(path, lambda path: _read(path, series))
        except OSError as error:
            if is_absent(error):
                return Ledger()
            raise
        except (RecursionError, TypeError, ValueError) as error:
            raise CorruptArtefact(
                f"{path} is no gap ledger ({shortened(str(error), 300)}). Remove the file: it is "
                f"made anew when the months of {series.symbol_name}/ohlcv_{series.timeframe} are "
                "materialised again."
            ) from error

    def update(self, series: Series, change: Callable[[Ledger], Ledger]) -> Ledger:
        """Replace the ledger by ``change(ledger)``; an equal one is not written."""
        path = Path(self._path(series))
        with typed_errors(path), locked(path.parent):
            fence(path.parent)
            known = self._read(str(path), series)
            wanted = change(known)
            if wanted != known:
                document = {**_label(series), **document_of(wanted)}
                remove_partials(path.parent)
                write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())
                _WRITTEN.put(str(path), (identity_of(path.stat()),), wanted)
        return wanted

    def _path(self, series: Series) -> str:
        folder = f"{self.root}/symbol={series.symbol_name}/timeframe={series.timeframe.name}"
        return f"{folder}/ledger.json"


def _read(path: str, series: Series) -> Ledger:
    document = json.loads(Path(path).read_bytes())
    ledger = ledger_of(document)
    for name, expected in _label(series).items():  # earlier releases did not write them
        if (found := document.get(name, expected)) != expected:
            raise ValueError(f"it belongs elsewhere: its {name} is {found!r}, not {expected!r}")
    return ledger


def _label(series: Series) -> dict[str, str]:
    return {"symbol": series.symbol, "timeframe": series.timeframe.name}
