"""Stored evaluations, one JSON file a series.

    <home>/evaluations/symbol=BTC_USDT/timeframe=1h/evaluation.json

A file holds `Evaluation.document` of the newest evaluation; evaluating again replaces it.
"""

import json
from pathlib import Path
from typing import Any

from coin_assets.domain.json_format import Document
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import locked, remove_partials, write_atomically
from coin_assets.files.cache import FileCache

SCHEMA_VERSION = 1
# Process-wide file cache: sensors read all evaluations every few seconds.
_DOCUMENTS: FileCache[Document] = FileCache(10_000)


class EvaluationBook:
    """Evaluations below ``<home>/evaluations``; safe for many processes."""

    def __init__(self, home: Path) -> None:
        self._root = home / "evaluations"

    def read(self, series: Series) -> Document | None:
        """The newest evaluation of a series; None if there is none.

        The document is cached. Callers must not modify it.

        Raises:
            CorruptArtefact: the file is not an evaluation of this series.
        """
        path = self._path(series)
        try:
            document = _DOCUMENTS.of(str(path), _read)
        except FileNotFoundError:
            return None
        if (document["symbol"], document["timeframe"]) != (series.symbol, series.timeframe.name):
            raise CorruptArtefact(f"{path} belongs to another series than {series}. {_REMEDY}")
        return document

    def write(self, series: Series, document: Document) -> None:
        """Replace the evaluation of a series."""
        text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"
        path = self._path(series)
        with locked(path.parent):
            remove_partials(path.parent)
            write_atomically(path, text.encode())

    def versions(self, series: Series) -> frozenset[str]:
        """Names of the model versions that the newest evaluation scores.

        Raises:
            CorruptArtefact: as `read`.
        """
        document = self.read(series)
        scored = [] if document is None else [document["champion"], document["challenger"]]
        return frozenset(version for each in scored if each for version in each["versions"])

    def _path(self, series: Series) -> Path:
        folder = self._root / f"symbol={series.symbol_name}" / f"timeframe={series.timeframe}"
        return folder / "evaluation.json"


_REMEDY = "Materialise the evaluation of the series again; it replaces the file."


def _read(path: str) -> Document:
    try:
        document: dict[str, Any] = dict(json.loads(Path(path).read_bytes()))
        if document["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema version {document['schema_version']}")
        if not {"symbol", "timeframe", "as_of", "champion", "challenger"} <= document.keys():
            raise ValueError("members are missing")
    except FileNotFoundError:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise CorruptArtefact(f"{path} cannot be read ({error!r}). {_REMEDY}") from error
    return document
