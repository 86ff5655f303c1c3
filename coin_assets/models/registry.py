"""The model registry: versioned artefacts in JSON.

    <home>/models/symbol=BTC_USDT/timeframe=1h/0001_20261101T000000Z/{model,metadata}.json
    <home>/models/symbol=BTC_USDT/timeframe=1h/roles.json

Versions are numbered from 1 per series. A version never changes once its folder exists. The name
of the folder contains cutoff and method, so the version for an origin is found without opening a
file.
``roles.json`` records champion and challenger over time. Loading never executes stored code.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from coin_assets.domain.evaluation.roles import RoleChange, Roles, next_challenger
from coin_assets.domain.forecasting.frame import Forecaster
from coin_assets.domain.methods import CHAMPION, DEFAULT_METHOD, METHODS, method_of_forecaster
from coin_assets.domain.series import Series
from coin_assets.errors import ConfigurationError, CorruptArtefact, DataRefused
from coin_assets.files.atomic import write_atomically
from coin_assets.files.checksummed_json import (
    json_bytes,
    parsed,
    require_same,
    with_checksum,
)
from coin_assets.files.locks import locked
from coin_assets.files.strict_json import CONTENT_ERRORS, content_of, read_errors_named, shown
from coin_assets.models.forecasters import restored_forecaster
from coin_assets.models.model_version import SCHEMA_VERSION as SCHEMA_VERSION
from coin_assets.models.model_version import ModelVersion as ModelVersion
from coin_assets.models.model_version import identity
from coin_assets.models.role_files import read_roles, update_roles
from coin_assets.models.version_folders import (
    REMEDY,
    REPLACE,
    clear,
    complete,
    discard,
    last_number,
    listed,
    next_number,
    partial_of,
    whole_seconds,
)

# Errors that `Forecaster.from_state` may raise for an invalid state.
_UNUSABLE = (*CONTENT_ERRORS, ConfigurationError, DataRefused)


class ModelRegistry:
    """Model versions below ``<home>/models``; safe for many processes."""

    def __init__(self, home: Path) -> None:
        self._root = home / "models"

    def versions(self, series: Series) -> list[ModelVersion]:
        """All versions of a series, lowest number first; raises as `listed`."""
        return [ModelVersion(series, *found) for found in listed(self.folder_of(series))]

    def find(
        self, series: Series, cutoff: datetime, lookback: str | None, method: str = DEFAULT_METHOD
    ) -> ModelVersion | None:
        """The version of exactly this cutoff, lookback and method; None if there is none.

        Raises:
            CorruptArtefact: a version of that cutoff is damaged.
        """
        wanted = whole_seconds(cutoff)
        for version in self.versions(series):
            if (version.cutoff, version.method) != (wanted, method):
                continue
            if version.metadata().get("lookback") == lookback:
                return version
        return None

    def add(
        self,
        series: Series,
        forecaster: Forecaster,
        cutoff: datetime,
        facts: dict[str, Any],
        *,
        used: Iterable[str] = (),
        once: bool = False,
    ) -> ModelVersion:
        """Store a fitted forecaster as the next version; see `next_number`.

        The bytes of the artefact depend only on series, cutoff and forecaster.

        Args:
            series: symbol and timeframe.
            forecaster: fitted.
            cutoff: the forecaster saw only candles closed by this time.
            facts: JSON values that are added to the metadata.
            used: names of versions that stored forecasts refer to. Their folders may be gone.
            once: return the version of this cutoff, lookback and method instead, if another process
                has stored one meanwhile.

        Raises:
            MachineFault: the machine failed; nothing was added.
            CorruptArtefact: no folder is in its place, or the record of roles is damaged.
        """
        cutoff, method = whole_seconds(cutoff), method_of_forecaster(forecaster.name).name
        own = {
            "schema_version": SCHEMA_VERSION,
            "forecaster": forecaster.name,
            **identity(series, cutoff),
        }
        artefact = json_bytes(own | {"state": forecaster.state()})
        home = self.folder_of(series)
        with read_errors_named(home, REMEDY), locked(home):
            clear(home)
            if once and (found := self.find(series, cutoff, facts["lookback"], method)):
                return found
            number = next_number(home, {*used, *self.roles(series).appointed})
            digest = hashlib.sha256(artefact).hexdigest()
            known = {"model_version": str(number), "artefact_sha256": digest}
            write_atomically(partial_of(home) / "model.json", artefact)
            metadata = with_checksum({**facts, **own, **known})
            write_atomically(partial_of(home) / "metadata.json", metadata)
            folder = complete(home, number, cutoff, method)
            return ModelVersion(series, number, cutoff, folder, method)

    def load(self, version: ModelVersion) -> Forecaster:
        """The fitted forecaster of a version.

        Raises:
            MachineFault: the machine failed; the artefact may be intact.
            CorruptArtefact: the artefact is missing, unreadable, or differs from its checksum.
        """
        path, metadata = version.folder / "model.json", version.metadata()
        try:
            content = content_of(path, REMEDY)
        except FileNotFoundError as error:
            raise CorruptArtefact(f"{path} is missing. {REMEDY}") from error
        if hashlib.sha256(content).hexdigest() != metadata.get("artefact_sha256"):
            raise CorruptArtefact(f"{path} differs from its checksum in metadata.json. {REMEDY}")
        artefact = parsed(path, content, REMEDY)
        method = {name: metadata.get(name) for name in ("schema_version", "forecaster")}
        own = method | identity(version.series, version.cutoff)
        require_same(path, artefact, own, REMEDY)
        try:
            forecaster = restored_forecaster(artefact["forecaster"], artefact["state"])
        except _UNUSABLE as error:
            raise CorruptArtefact(
                f"{path} is intact, but this release cannot load it ({shown(error)}); another "
                f"release may have written it. Install that release. {REPLACE}"
            ) from error
        if forecaster.name != METHODS[version.method].forecaster:
            raise CorruptArtefact(
                f"{path} holds a model of {forecaster.name}, but its folder is one of the method "
                f"{version.method}. The folder was renamed. {REMEDY}"
            )
        return forecaster

    def remove(self, version: ModelVersion) -> None:
        """Remove a version.

        Idempotent. The version counts as removed once its folder is renamed.

        Raises:
            DataRefused: the version holds or held a role, or is the newest, whose number the next
                version would get.
        """
        with read_errors_named(version.folder, REMEDY), locked(self.folder_of(version.series)):
            if version not in self.versions(version.series):
                return
            if version.name in self.roles(version.series).appointed:
                raise DataRefused(
                    f"Version {version.name} of {version.series} holds or held a role and is kept, "
                    "so that a rollback can appoint it."
                )
            if version.number == last_number(version.folder.parent):
                raise DataRefused(
                    f"Version {version.name} of {version.series} is the newest and is kept, so "
                    "that no other version gets its number."
                )
            discard(version.folder)

    def roles(self, series: Series) -> Roles:
        """The record of roles of a series; empty before the first appointment.

        Raises:
            CorruptArtefact: the record is damaged.
        """
        return read_roles(self.folder_of(series), series)

    # The parameters are those of a `RoleChange`, but with the version itself: a name alone could
    # mean a version of another series.
    def appoint(
        self,
        series: Series,
        role: str,
        version: ModelVersion | None,
        since: datetime,
        *,
        reason: str,
        by: str,
        recorded_at: datetime,
    ) -> Roles:
        """Give a role to a version, or leave it vacant, for the origins from ``since`` on.

        Idempotent; see `Roles.with_change` for the rules and `RoleChange` for the arguments.

        Returns:
            The record after the change.

        Raises:
            DataRefused: the version does not exist, or may not have the role from ``since`` on.
            CorruptArtefact: the record is damaged.
        """
        name = None if version is None else version.name
        change = RoleChange(role, name, since, reason, by, recorded_at)

        def appointed(roles: Roles) -> Roles:
            if version is not None and version not in self.versions(series):
                raise DataRefused(
                    f"{series} has no version {version.name} with cutoff {version.cutoff}. Appoint "
                    f"one of {', '.join(each.name for each in self.versions(series)) or 'none'}."
                )
            if version is not None and role not in (CHAMPION, METHODS[version.method].role):
                raise DataRefused(
                    f"Version {version.name} of {series} is of the method {version.method} and "
                    f"cannot be {role}. Appoint it {METHODS[version.method].role}."
                )
            return roles.with_change(change, None if version is None else version.cutoff)

        return update_roles(self.folder_of(series), series, appointed)

    def appoint_next_challenger(
        self, series: Series, *, reason: str, by: str, recorded_at: datetime
    ) -> Roles:
        """Appoint the `next_challenger` of each method that has one.

        An appointment takes effect at its cutoff, or at the end of the method's earlier challenger
        if that is later. Nothing is appointed while the champion's version is missing from the
        registry; forecasts then fail with the reason.

        Returns:
            The record after the appointments.

        Raises:
            CorruptArtefact: the record is damaged.
        """

        def appointed(roles: Roles) -> Roles:
            versions, name = self.versions(series), roles.holder(CHAMPION)
            champion = next((each for each in versions if each.name == name), None)
            for method in METHODS.values():
                last = roles.last_change(method.role)
                chosen = champion and next_challenger(versions, roles, champion, method)
                if chosen is None:
                    continue
                since = chosen.cutoff if last is None else max(chosen.cutoff, last.since)
                change = RoleChange(method.role, chosen.name, since, reason, by, recorded_at)
                roles = roles.with_change(change, chosen.cutoff)
            return roles

        if appointed(known := self.roles(series)) == known:
            return known  # without the lock, which most calls do not need
        return update_roles(self.folder_of(series), series, appointed)

    def folder_of(self, series: Series) -> Path:
        """Folder of the versions of a series, and of its roles."""
        return self._root / f"symbol={series.symbol_name}" / f"timeframe={series.timeframe}"
