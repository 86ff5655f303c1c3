"""The model registry: versioned artefacts in plain JSON, loaded without executing code.

    <home>/models/symbol=BTC_USDT/timeframe=1h/0001_20261101T000000Z/{model,metadata}.json

A version is an integer per key and never changes once its folder exists; the cutoff stands in the
folder's name so that the version for an origin is found without opening a file.
"""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coin_assets.domain.forecasting import Forecaster
from coin_assets.domain.keys import Key
from coin_assets.errors import CorruptArtefact
from coin_assets.models.forecasters import restored_forecaster
from coin_assets.remembered import Remembered
from coin_assets.store.atomic import locked, sync_folder, write_atomically

SCHEMA_VERSION = 1
_STAMP = "%Y%m%dT%H%M%SZ"
_VERSION = re.compile(r"[0-9].*_.*Z")
_Found = tuple[int, datetime, Path]  # number, cutoff, folder
# By folder, of this process's reads: what a folder's name tells of a version never changes.
_VERSIONS: Remembered[tuple[_Found, ...]] = Remembered(10_000)


@dataclass(frozen=True)
class ModelVersion:
    """One trained model of a key.

    Attributes:
        number: counts up per key from 1.
        cutoff: the model saw only candles closed by then.
    """

    key: Key
    number: int
    cutoff: datetime
    folder: Path

    @property
    def name(self) -> str:
        """As written into forecasts, for example ``3``."""
        return str(self.number)

    def metadata(self) -> dict[str, Any]:
        """Facts recorded at training; see `ModelRegistry.add`."""
        return _read_json(self.folder / "metadata.json")


class ModelRegistry:
    """Model versions below ``<home>/models``; safe for many processes."""

    def __init__(self, home: Path) -> None:
        self._root = home / "models"

    def versions(self, key: Key) -> list[ModelVersion]:
        """All versions of a key, oldest number first."""
        found = _listed(str(self._folder(key)))
        return [ModelVersion(key, number, cutoff, folder) for number, cutoff, folder in found]

    def find(self, key: Key, cutoff: datetime, lookback: str | None) -> ModelVersion | None:
        """The version trained for exactly this cutoff and lookback."""
        for version in self.versions(key):
            if version.cutoff == cutoff and version.metadata()["lookback"] == lookback:
                return version
        return None

    def add(
        self, key: Key, forecaster: Forecaster, cutoff: datetime, facts: dict[str, Any]
    ) -> ModelVersion:
        """Store a fitted forecaster as the next version.

        Args:
            facts: JSON values to keep as metadata, besides what the registry knows itself.
        """
        artefact = _json_bytes({"forecaster": forecaster.name, "state": forecaster.state()})
        with locked(self._folder(key)):
            number = self._last_number(key) + 1
            folder = self._folder(key) / f"{number:04d}_{cutoff.astimezone(UTC):{_STAMP}}"
            metadata = {
                "schema_version": SCHEMA_VERSION,
                "model_version": str(number),
                "symbol": key.symbol,
                "timeframe": key.timeframe.name,
                "forecaster": forecaster.name,
                "cutoff": cutoff.astimezone(UTC).isoformat(),
                "artefact_sha256": hashlib.sha256(artefact).hexdigest(),
                **facts,
            }
            partial = self._folder(key) / ".partial"
            shutil.rmtree(partial, ignore_errors=True)  # of a killed training
            write_atomically(partial / "model.json", artefact)
            write_atomically(partial / "metadata.json", _json_bytes(metadata))
            partial.rename(folder)
            sync_folder(folder.parent)
        return ModelVersion(key, number, cutoff, folder)

    def load(self, version: ModelVersion) -> Forecaster:
        """The fitted forecaster of a version.

        Raises:
            CorruptArtefact: the artefact is missing, unreadable, or not the one that was stored.
        """
        path = version.folder / "model.json"
        metadata = version.metadata()
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CorruptArtefact(f"{path} cannot be read ({error}). {_REMEDY}") from error
        if hashlib.sha256(content).hexdigest() != metadata.get("artefact_sha256"):
            raise CorruptArtefact(f"{path} is not the artefact that was stored. {_REMEDY}")
        if (metadata["symbol"], metadata["timeframe"]) != (
            version.key.symbol,
            version.key.timeframe.name,
        ):
            raise CorruptArtefact(f"{path} belongs to another key than {version.key}. {_REMEDY}")
        artefact = _read_json(path)
        return restored_forecaster(artefact["forecaster"], artefact["state"])

    def _last_number(self, key: Key) -> int:
        """Highest number ever given, also to folders set aside: forecasts still name them."""
        folders = self._folder(key).glob("[0-9]*_*")
        return max((int(folder.name.split("_")[0]) for folder in folders), default=0)

    def _folder(self, key: Key) -> Path:
        return self._root / f"symbol={key.symbol_name}" / f"timeframe={key.timeframe}"


def _listed(folder: str) -> tuple[_Found, ...]:
    """The versions in a key's folder, oldest number first."""
    try:
        return _VERSIONS.of(folder, _list)
    except FileNotFoundError:
        return ()


def _list(folder: str) -> tuple[_Found, ...]:
    found = []
    for each in Path(folder).iterdir():
        if _VERSION.fullmatch(each.name):
            number, cutoff = each.name.split("_")
            time = datetime.strptime(cutoff, _STAMP).replace(tzinfo=UTC)
            found.append((int(number), time, each))
    return tuple(sorted(found))


_REMEDY = (
    "Set the version's folder aside by adding .damaged to its name, and materialise the model's "
    "month again."
)


def _json_bytes(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = dict(json.loads(path.read_bytes()))
    except (OSError, TypeError, ValueError) as error:
        raise CorruptArtefact(f"{path} cannot be read ({error}). {_REMEDY}") from error
    return value
