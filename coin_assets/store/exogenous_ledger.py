"""What the sources of exogenous series were asked for, in JSON files of a home.

    <home>/exogenous_ledger/symbol=BTC_USDT/timeframe=1h/implied_volatility.json

A ledger lists the months that have values, so a file that is gone is no month without values.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from coin_assets.domain.forecasting.exogenous import Progress
from coin_assets.domain.json_format import parse_time, time_text
from coin_assets.domain.series import safe_name
from coin_assets.domain.timeframes import month_label
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import remove_partials, write_atomically
from coin_assets.files.checksummed_json import read_checksummed, require_same, with_checksum
from coin_assets.files.locks import fence, locked
from coin_assets.store.faults import typed_errors

_FOLDER = "exogenous_ledger"
_SCHEMA_VERSION = 1
_REMEDY = (
    "Remove the file: fetch_exogenous fetches the history again. Values that are stored stay as "
    "they are."
)


@dataclass(frozen=True)
class ExogenousLedger:
    """What is recorded of one series of one symbol.

    Attributes:
        progress: what its source was asked for.
        months: starts of the months that have values.
    """

    progress: Progress
    months: frozenset[datetime] = frozenset()


@dataclass(frozen=True)
class ExogenousLedgers:
    """The ledgers below a home; safe for many processes.

    Raises:
        CorruptArtefact: a file is damaged or belongs elsewhere; the message names the remedy.
        MachineFault: the machine failed; files are as they were.
    """

    home: Path

    def path(self, symbol: str, name: str) -> Path:
        """Where the ledger of a series lies, if there is one."""
        folder = f"symbol={safe_name(symbol)}/timeframe=1h"
        return self.home / _FOLDER / folder / f"{name}.json"

    def read(self, symbol: str, name: str) -> ExogenousLedger | None:
        """The ledger of a series; None if its source was never asked."""
        path = self.path(symbol, name)
        try:
            with typed_errors(path):
                document = read_checksummed(path, _SCHEMA_VERSION, _REMEDY)
        except FileNotFoundError:
            return None
        require_same(path, document, _owner(symbol, name), _REMEDY)
        try:
            months = map(_month, document.get("months", ()))  # ledgers of before have none
            progress = Progress(parse_time(document["begun"]), parse_time(document["asked"]))
            return ExogenousLedger(progress, frozenset(months))
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptArtefact(f"{path} has no times ({error!r}). {_REMEDY}") from error

    def record(
        self,
        symbol: str,
        name: str,
        wanted: Progress,
        months: Iterable[datetime] = (),
        empty: datetime | None = None,
    ) -> Progress:
        """Record progress; what another process recorded of a later time stays.

        Args:
            months: that have values now, beside those of before.
            empty: month that has none any more, unless it is one of ``months``.
        """
        wanted = Progress(*(each.replace(microsecond=0) for each in (wanted.begun, wanted.asked)))
        path = self.path(symbol, name)
        with typed_errors(path), locked(path.parent):
            fence(path.parent)
            known, held = self.read(symbol, name), frozenset[datetime]()
            if known is not None:
                wanted = Progress(known.progress.begun, max(known.progress.asked, wanted.asked))
                held = known.months
            ledger = ExogenousLedger(wanted, held - {empty} | frozenset(months))
            if ledger != known:
                remove_partials(path.parent)
                write_atomically(path, with_checksum(_document(symbol, name, ledger)))
        return wanted


def _owner(symbol: str, name: str) -> dict[str, Any]:
    return {"symbol": symbol, "series": name}


def _document(symbol: str, name: str, ledger: ExogenousLedger) -> dict[str, Any]:
    times = {"begun": ledger.progress.begun, "asked": ledger.progress.asked}
    return {
        "schema_version": _SCHEMA_VERSION,
        **_owner(symbol, name),
        **{name: time_text(time) for name, time in times.items()},
        "months": [month_label(month) for month in sorted(ledger.months)],
    }


def _month(label: str) -> datetime:
    return parse_time(f"{label}-01T00:00:00Z")
