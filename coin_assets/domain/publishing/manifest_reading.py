"""Reading a manifest back: its entries, each checked by itself."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from coin_assets.domain.future_data import ahead_reason
from coin_assets.domain.json_format import Document, parse_time
from coin_assets.domain.publishing.manifest import (
    CORRUPT,
    INSUFFICIENT_DATA,
    REASONS,
    VERSION,
)
from coin_assets.domain.publishing.manifest_entries import (
    HIDDEN,
    VISIBILITIES,
    Attempts,
    GapCounts,
    GapReason,
    ManifestEntry,
    PublishedFile,
    object_name,
)
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import ConfigurationError

# What an entry of another shape raises; an unknown timeframe is a wrong configuration.
_BROKEN = (ConfigurationError, LookupError, TypeError, ValueError)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _File(_Strict):
    file: str
    object: str | None = None
    sha256: str
    bytes: NonNegativeInt
    as_of: str


class _Public(_Strict):
    status: str
    warning: str | None
    history: _File | None
    prediction: _File | None
    quality: dict[str, Any] | None
    evaluation: _File | None = None
    overview: dict[str, Any] | None = None


class _Reason(_Strict):
    state: str
    start: str
    candles: NonNegativeInt
    reason: str


class _Ops(_Strict):
    visibility: str
    coverage_start: str | None
    coverage_end: str | None
    missing_candles: NonNegativeInt
    gaps: dict[str, NonNegativeInt] | None
    gap_reasons: list[_Reason] = []
    unavailable_before: str | None = None
    champion: str | None
    caution: str | None = None
    last_success_at: str | None
    last_failure_at: str | None
    consecutive_failures: NonNegativeInt
    last_error: str | None


@dataclass(frozen=True)
class ListedEntries:
    """What a manifest lists.

    Attributes:
        by_name: entries by symbol and timeframe name, without files of hidden series.
        damage: why at least one entry could not be read; None if all could.
    """

    by_name: dict[tuple[str, str], ManifestEntry]
    damage: str | None


def merged_entries(listed: Sequence[ListedEntries]) -> ListedEntries:
    """The entries of several shards; of a series that two list, that of the later one."""
    by_name = {name: entry for each in listed for name, entry in each.by_name.items()}
    return ListedEntries(by_name, next((each.damage for each in listed if each.damage), None))


def entries_of_manifest(manifest: Document) -> ListedEntries:
    """The entries of a manifest; one that is damaged is left out, the others stand.

    Raises:
        LookupError, TypeError, ValueError: it is no manifest of this version.
    """
    if manifest["version"] != VERSION:
        raise ValueError(f"manifest version {manifest['version']}")
    shown, found, damage = dict[tuple[str, str], Document](), {}, None
    for entry in _listed(manifest["public"]):
        with suppress(*_BROKEN):
            shown[_name_of(entry)] = entry
    for ops in _listed(manifest["ops"]):
        try:
            name, visibility = _name_of(ops), ops["visibility"]
            if visibility not in VISIBILITIES:
                raise ValueError(f"visibility {visibility!r}")
            found[name] = _facts_of_entries(None if visibility == HIDDEN else shown[name], ops)
        except _BROKEN as error:
            damage = f"an entry cannot be read ({error!r})"
    return ListedEntries(found, damage)


def _listed(part: Document) -> list[Document]:
    entries: list[Document] = part["entries"]
    if not isinstance(entries, list):
        raise TypeError("its entries are no list")
    return entries


def _name_of(entry: Document) -> tuple[str, str]:
    symbol, timeframe = entry["symbol"], entry["timeframe"]
    if not isinstance(symbol, str) or not isinstance(timeframe, str):
        raise TypeError("symbol or timeframe is no text")
    return symbol, timeframe


def _facts_of_entries(public: Document | None, ops: Document) -> ManifestEntry:
    _Ops.model_validate(ops)
    if public is not None:
        _Public.model_validate(public)
    shown = public or {"status": None, "history": None, "prediction": None, "quality": None}
    history, prediction = map(_published_file, (shown["history"], shown["prediction"]))
    return ManifestEntry(
        series=Series(ops["symbol"], Timeframe.parse(ops["timeframe"])),
        history=history,
        prediction=prediction,
        corrupt=_stated_damage(shown, [each.as_of for each in (history, prediction) if each]),
        enough_candles=shown["status"] != INSUFFICIENT_DATA,
        insufficient=_stated_reason(shown),
        coverage_start=_optional_parse(ops["coverage_start"]),
        coverage_end=_optional_parse(ops["coverage_end"]),
        missing_candles=ops["missing_candles"],
        gaps=None if ops["gaps"] is None else GapCounts(**ops["gaps"]),
        gap_reasons=tuple(_gap_reason(each) for each in ops.get("gap_reasons", ())),
        unavailable_before=_optional_parse(ops.get("unavailable_before")),
        champion=ops["champion"],
        caution=ops.get("caution"),
        quality=shown["quality"],
        evaluation=_published_file(shown.get("evaluation")),
        overview=shown.get("overview"),
        visibility=ops["visibility"],
        attempts=Attempts(
            last_success_at=_optional_parse(ops["last_success_at"]),
            last_failure_at=_optional_parse(ops["last_failure_at"]),
            consecutive_failures=ops["consecutive_failures"],
            last_error=ops["last_error"],
        ),
    )


def _gap_reason(document: Document) -> GapReason:
    return GapReason(
        document["state"], parse_time(document["start"]), document["candles"], document["reason"]
    )


def _stated_reason(entry: Document) -> str | None:
    """The specific reason for a missing forecast; None for the general one."""
    if entry["status"] != INSUFFICIENT_DATA or entry["warning"] == REASONS[INSUFFICIENT_DATA]:
        return None
    reason: str | None = entry["warning"]
    return reason


def _stated_damage(entry: Document, times: Sequence[datetime]) -> str | None:
    """Why a file is damaged; None if it is not, or if only the clock says so."""
    if entry["status"] != CORRUPT or (times and entry["warning"] == ahead_reason(max(times))):
        return None
    reason: str | None = entry["warning"]
    return reason


def _published_file(document: Document | None) -> PublishedFile | None:
    if document is None:
        return None
    sha256 = document["sha256"]
    return PublishedFile(
        document["file"],
        sha256,
        document["bytes"],
        parse_time(document["as_of"]),
        has_object=document.get("object") == object_name(sha256),
    )


def _optional_parse(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)
