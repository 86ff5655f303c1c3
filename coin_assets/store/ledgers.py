"""Gap ledgers as JSON files, one for each series.

The path is ``<root>/symbol=BTC_USDT/timeframe=1h/ledger.json``; operators can read it with ``cat``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from coin_assets.domain.candles.absences import Absence
from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import locked, remove_partials, write_atomically
from coin_assets.files.cache import FileCache, identity_of

_TIMES = ("start", "end", "first_answer", "last_answer", "last_try")
# Left out at these defaults: most absences have them, and earlier releases did not write them.
_OPTIONAL = {"is_permanent": False, "rule": None, "value": None, "is_unavailable": False}
_FIELDS = [field.name for field in fields(Absence)]
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
            CorruptArtefact: the file is not what was written.
        """
        path = self._path(series)
        try:
            written = _WRITTEN.get(path, (identity_of(Path(path).stat()),))
        except FileNotFoundError:
            return Ledger()
        return self._read(path, series) if written is None else written

    def _read(self, path: str, series: Series) -> Ledger:
        try:
            return _READ.of(path, _read)
        except FileNotFoundError:
            return Ledger()
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptArtefact(
                f"{path} is no gap ledger ({error}). Remove the file: it is made anew when the "
                f"months of {series.symbol_name}/ohlcv_{series.timeframe} are materialised again."
            ) from error

    def update(self, series: Series, change: Callable[[Ledger], Ledger]) -> Ledger:
        """Replace the ledger by ``change(ledger)``; an equal one is not written."""
        path = Path(self._path(series))
        with locked(path.parent):
            known = self._read(str(path), series)
            wanted = change(known)
            if wanted != known:
                remove_partials(path.parent)
                write_atomically(path, (json.dumps(document_of(wanted), indent=1) + "\n").encode())
                _WRITTEN.put(str(path), (identity_of(path.stat()),), wanted)
        return wanted

    def _path(self, series: Series) -> str:
        folder = f"{self.root}/symbol={series.symbol_name}/timeframe={series.timeframe.name}"
        return f"{folder}/ledger.json"


def _read(path: str) -> Ledger:
    return ledger_of(json.loads(Path(path).read_bytes()))


def document_of(ledger: Ledger) -> dict[str, Any]:
    """JSON document of a ledger, the same in every backend."""
    document: dict[str, Any] = {"listed": _text(ledger.listed)}
    if ledger.edge is not None:
        document["edge"] = _text(ledger.edge)
    return document | {"absences": [_absence_document(each) for each in ledger.absences]}


def _absence_document(absence: Absence) -> dict[str, Any]:
    values = ((name, getattr(absence, name)) for name in _FIELDS)
    return {
        name: _text(value) if name in _TIMES else value
        for name, value in values
        if name not in _OPTIONAL or value != _OPTIONAL[name]
    }


def ledger_of(document: dict[str, Any]) -> Ledger:
    """Ledger of a JSON document; inverse of `document_of`.

    Raises:
        KeyError, TypeError, ValueError: the document has another form.
    """
    absences = [
        {name: _time(value) if name in _TIMES else value for name, value in absence.items()}
        for absence in document["absences"]
    ]
    return Ledger(
        _time(document["listed"]),
        tuple(Absence(**absence) for absence in absences),
        _time(document.get("edge")),
    )


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> Any:
    return None if text is None else datetime.fromisoformat(text)
