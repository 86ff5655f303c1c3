"""One trained model of a series: its name, cutoff, method and metadata."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from coin_assets.domain.methods import DEFAULT_METHOD
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.files.checksummed_json import read_checksummed, require_same
from coin_assets.models.version_folders import REMEDY

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class ModelVersion:
    """One trained model of a series.

    Attributes:
        series: symbol and timeframe.
        number: counts from 1 per series.
        cutoff: the model saw only candles closed by this time.
        folder: holds the artefact and its metadata.
        method: name of the method, one of `METHODS`.
    """

    series: Series
    number: int
    cutoff: datetime
    folder: Path
    method: str = DEFAULT_METHOD

    @property
    def name(self) -> str:
        """Name in forecasts and roles, for example ``3``."""
        return str(self.number)

    def metadata(self) -> dict[str, Any]:
        """Metadata recorded at training; see `ModelRegistry.add`.

        Raises:
            MachineFault: the machine failed; the file may be intact.
            CorruptArtefact: the file is missing, damaged, or belongs to another version.
        """
        path = self.folder / "metadata.json"
        try:
            metadata = read_checksummed(path, SCHEMA_VERSION, REMEDY)
        except FileNotFoundError as error:
            raise CorruptArtefact(f"{path} is missing. {REMEDY}") from error
        own = identity(self.series, self.cutoff) | {"model_version": self.name}
        require_same(path, metadata, own, REMEDY)
        return metadata


def identity(series: Series, cutoff: datetime) -> dict[str, Any]:
    """Fields of artefact and metadata that identify the version."""
    return {
        "symbol": series.symbol,
        "timeframe": series.timeframe.name,
        "cutoff": cutoff.isoformat(),
    }
