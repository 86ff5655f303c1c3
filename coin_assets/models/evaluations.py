"""Stored evaluations, two JSON files a series.

    <home>/evaluations/symbol=BTC_USDT/timeframe=1h/evaluation.json
    <home>/evaluations/symbol=BTC_USDT/timeframe=1h/published.json

The first holds `Evaluation.document` of the newest evaluation, the second the file that readers
get: sensors read the small one every few seconds. Evaluating again replaces both. Files of earlier
releases lack the checksum and the second file.
"""

import hashlib
from pathlib import Path

from coin_assets.domain.evaluation.report import SCHEMA_VERSION
from coin_assets.domain.evaluation.stored import require_evaluation
from coin_assets.domain.json_format import Document
from coin_assets.domain.methods import CHALLENGERS
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.files.atomic import remove_partials, write_atomically
from coin_assets.files.cache import FileCache
from coin_assets.files.checksummed_json import read_checksummed, require_same, with_checksum
from coin_assets.files.locks import locked
from coin_assets.files.strict_json import CONTENT_ERRORS, content_of, read_errors_named, shown

PUBLISHED_SHA256 = "published_sha256"
_PUBLISHED = "published.json"
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
            MachineFault: the machine failed; the file may be intact.
            CorruptArtefact: the file is not an evaluation of this series.
        """
        path = self._path(series)
        try:
            with read_errors_named(path, _REMEDY):
                document = _DOCUMENTS.of(str(path), _read)
        except FileNotFoundError:
            return None
        own = {"symbol": series.symbol, "timeframe": series.timeframe.name}
        require_same(path, document, own, _REMEDY)
        return document

    def published(self, series: Series, sha256: str) -> bytes | None:
        """The file for readers with this hash; None if there is none, for example after a crash.

        Raises:
            MachineFault: the machine failed; the file may be intact.
        """
        try:
            content = content_of(self._path(series).with_name(_PUBLISHED), _REMEDY)
        except (FileNotFoundError, CorruptArtefact):
            return None
        return content if hashlib.sha256(content).hexdigest() == sha256 else None

    def write(self, series: Series, document: Document, published: bytes | None = None) -> None:
        """Replace the evaluation of a series.

        Args:
            document: `Evaluation.document`, with the hash of ``published``.
            published: the file for readers; None leaves it as it is.

        Raises:
            MachineFault: the machine failed; the file stays as it is.
            CorruptArtefact: a folder is in the place of the file.
        """
        path = self._path(series)
        with read_errors_named(path, _IN_THE_WAY), locked(path.parent):
            remove_partials(path.parent)
            if published is not None:
                write_atomically(path.with_name(_PUBLISHED), published)
            write_atomically(path, with_checksum(document))

    def versions(self, series: Series) -> frozenset[str]:
        """Names of the model versions that the newest evaluation scores.

        Raises:
            MachineFault, CorruptArtefact: as `read`.
        """
        document = self.read(series)
        if document is None:
            return frozenset()
        scored = [document["champion"], document["challenger"]]
        scored += [each["scores"] for each in document.get(CHALLENGERS, ())]
        return frozenset(version for each in scored if each for version in each["versions"])

    def _path(self, series: Series) -> Path:
        folder = self._root / f"symbol={series.symbol_name}" / f"timeframe={series.timeframe}"
        return folder / "evaluation.json"


_REMEDY = "Materialise the evaluation of the series again; it replaces the file."
_IN_THE_WAY = "Move what is in its place, and materialise the evaluation of the series again."


def _read(path: str) -> Document:
    document = read_checksummed(Path(path), SCHEMA_VERSION, _REMEDY, is_required=False)
    try:
        require_evaluation(document)
    except CONTENT_ERRORS as error:
        raise CorruptArtefact(f"{path} is no evaluation ({shown(error)}). {_REMEDY}") from error
    return document
