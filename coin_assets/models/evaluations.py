"""The last evaluation of every key's models, one JSON file each.

    <home>/evaluations/symbol=BTC_USDT/timeframe=1h/evaluation.json

What it says is made by `coin_assets.domain.evaluation.report`, and can be made again at any time.
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
# By file, of this process's reads: sensors look at all of them every few seconds.
_DOCUMENTS: FileCache[Document] = FileCache(10_000)


class EvaluationBook:
    """Evaluations below ``<home>/evaluations``; safe for many processes."""

    def __init__(self, home: Path) -> None:
        self._root = home / "evaluations"

    def read(self, series: Series) -> Document | None:
        """The last evaluation of a key; None if there was none. Not to be changed.

        Raises:
            CorruptArtefact: the file is not an evaluation of this key.
        """
        path = self._path(series)
        try:
            document = _DOCUMENTS.of(str(path), _read)
        except FileNotFoundError:
            return None
        if (document["symbol"], document["timeframe"]) != (series.symbol, series.timeframe.name):
            raise CorruptArtefact(f"{path} is of another key than {series}. {_REMEDY}")
        return document

    def write(self, series: Series, document: Document) -> None:
        """Replace the evaluation of a key."""
        text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"
        path = self._path(series)
        with locked(path.parent):
            remove_partials(path.parent)
            write_atomically(path, text.encode())

    def versions(self, series: Series) -> frozenset[str]:
        """Model versions that the last evaluation is about.

        Raises:
            CorruptArtefact: as `read`.
        """
        document = self.read(series)
        scored = [] if document is None else [document["champion"], document["challenger"]]
        return frozenset(version for each in scored if each for version in each["versions"])

    def _path(self, series: Series) -> Path:
        folder = self._root / f"symbol={series.symbol_name}" / f"timeframe={series.timeframe}"
        return folder / "evaluation.json"


_REMEDY = "Materialise the key's evaluation again; it replaces the file."


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
