"""Gap ledgers as JSON documents, the same in every backend."""

from dataclasses import fields
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from coin_assets.domain.candles.absences import Absence
from coin_assets.domain.candles.frame import LATEST
from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.timeframes import EPOCH

_TIMES = ("start", "end", "first_answer", "last_answer", "last_try")
_REQUIRED = ("start", "end", "last_try", "tries", "is_permanent", "is_unavailable")  # never null
# Left out at these defaults: most absences have them, and earlier releases did not write them.
_OPTIONAL = {"is_permanent": False, "rule": None, "value": None, "is_unavailable": False}
_FIELDS = [field.name for field in fields(Absence)]
_MANDATORY = {*_FIELDS} - {*_OPTIONAL, "error"}
_MOST_TRIES = 10**9


def document_of(ledger: Ledger) -> dict[str, Any]:
    """JSON document of a ledger."""
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


def ledger_of(document: Any) -> Ledger:
    """Ledger of a JSON document; inverse of `document_of`.

    Raises:
        TypeError, ValueError: the document has another form, or values that no ledger can have.
    """
    if not isinstance(document, dict):
        raise TypeError(f"it is {document!r:.40}")
    if "listed" not in document or not isinstance(document.get("absences"), list):
        raise ValueError("it lacks the time of the first candle, or the list of absences")
    absences = tuple(map(_absence_of, document["absences"]))
    for before, after in pairwise(absences):
        if after.start < before.end:
            raise ValueError(f"the absences at {after.start} overlap, or are not in order")
    listed, edge = (
        None if (text := document.get(name)) is None else _time(text) for name in ("listed", "edge")
    )
    return Ledger(listed, absences, edge)


def _absence_of(document: Any) -> Absence:
    if not isinstance(document, dict):
        raise TypeError(f"an absence is {document!r:.40}")
    missing, unknown = _MANDATORY - document.keys(), document.keys() - {*_FIELDS}
    if missing or unknown:
        raise ValueError(f"an absence lacks {sorted(missing)} or has {sorted(unknown)}")
    absence = Absence(**{name: _value(name, value) for name, value in document.items()})
    if absence.start >= absence.end:
        raise ValueError(f"the absence at {absence.start} ends before it starts")
    return absence


def _value(name: str, value: Any) -> Any:
    if value is None and name not in _REQUIRED:
        return None
    if name in _TIMES:
        return _time(value)
    if name == "tries":
        is_number = isinstance(value, int) and not isinstance(value, bool)
        is_right = is_number and 0 <= value <= _MOST_TRIES
    elif name.startswith("is_"):
        is_right = isinstance(value, bool)
    else:
        is_right = isinstance(value, str)
    if not is_right:
        raise ValueError(f"{name} of an absence is {value!r:.40}")
    if isinstance(value, str):
        value.encode()  # half a character could not be written again
    return value


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: Any) -> datetime:
    """A time as written by `_text`; UTC, between 1970 and 2100."""
    time = datetime.fromisoformat(text) if isinstance(text, str) else None
    if time is None or time.tzinfo is None or not EPOCH <= time <= LATEST:
        raise ValueError(f"{text!r:.40} is no time from 1970 to 2100 with a zone")
    return time.astimezone(UTC)
