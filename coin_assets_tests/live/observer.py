"""Watches an installation from outside: published files, their status, native freshness, checks."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from coin_assets.domain.json_format import parse_time
from coin_assets.domain.layers import CANDLES, PUBLISHED
from coin_assets.domain.publishing.documents import file_name
from coin_assets.domain.publishing.root import MANIFEST
from coin_assets.domain.series import Series
from coin_assets.orchestration.assets.specs import asset_key
from coin_assets_tests.live.timeline import Timeline

_POLL_SECONDS, _SLOW_POLL_SECONDS = 0.2, 2.0
DATA_TIME = "data_time"


@dataclass(frozen=True)
class Published:
    """A prediction file as it was written at ``at`` (seconds since the epoch)."""

    at: float
    series: Series
    as_of: datetime


class Observer:
    """Notes every change in the timeline.

    Args:
        sees_dagster: whether it looks at native freshness and checks as well.

    Attributes:
        native: Dagster's freshness states by asset key, as last seen.
        checks: status words (or ``failed``, ``passed``) of the data-time checks.
    """

    def __init__(
        self,
        published: Path,
        series_list: list[Series],
        instance: dg.DagsterInstance,
        timeline: Timeline,
        *,
        sees_dagster: bool = True,
    ) -> None:
        self._folder = published
        self._keys = series_list
        self._instance = instance
        self._timeline = timeline
        self._mtimes: dict[Path, float] = {}
        self._status: dict[tuple[str, str], str] = {}
        self._files: list[Published] = []
        self.native: dict[dg.AssetKey, str] = {}
        self.checks: dict[dg.AssetCheckKey, str] = {}
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(look, seconds), daemon=True)
            for look, seconds, is_wanted in (
                (self._look_at_files, _POLL_SECONDS, True),
                (self._look_at_dagster, _SLOW_POLL_SECONDS, sees_dagster),
            )
            if is_wanted
        ]

    def __enter__(self) -> "Observer":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @property
    def published(self) -> list[Published]:
        return list(self._files)

    def manifest(self) -> dict[str, Any]:
        """As it stands; empty if there is none yet."""
        return _document(self._folder / MANIFEST)

    def entries(self) -> Mapping[tuple[str, str], dict[str, Any]]:
        """Public entries by symbol and timeframe."""
        found = self.manifest().get("public", {}).get("entries", [])
        return {(each["symbol"], each["timeframe"]): each for each in found}

    def status(self, series: Series) -> str:
        """Status word, ``hidden`` if there is none."""
        entry = self.entries().get((series.symbol, series.timeframe.name))
        return "hidden" if entry is None else str(entry["status"])

    def as_of(self, series: Series) -> datetime | None:
        """Of what the manifest says of a key."""
        entry = self.entries().get((series.symbol, series.timeframe.name))
        return parse_time(entry["as_of"]) if entry and entry["as_of"] else None

    def _watch(self, look: Any, seconds: float) -> None:
        while not self._ended.wait(seconds):
            try:
                look()
            except Exception as error:  # noqa: BLE001 (a file or database between two states)
                self._timeline.note("unseen", f"{type(error).__name__}: {error}")

    def _look_at_files(self) -> None:
        for series in self._keys:
            path = self._folder / file_name("prediction", series)
            if self._has_changed(path) and (document := _document(path)):
                as_of = parse_time(document["as_of"])
                self._files.append(Published(self._mtimes[path], series, as_of))
                text = f"{series} as of {as_of:%H:%M}"
                self._timeline.note("published", text, self._mtimes[path])
        path = self._folder / MANIFEST
        if self._has_changed(path):
            self._look_at_manifest(self._mtimes[path])

    def _look_at_manifest(self, at: float) -> None:
        manifest = self.manifest()
        degraded = {
            (each["symbol"], each["timeframe"])
            for each in manifest.get("ops", {}).get("entries", [])
            if each["degraded"]
        }
        for name, entry in self.entries().items():
            status = entry["status"] + (", degraded" if name in degraded else "")
            if self._status.get(name) != status:
                self._timeline.note("status", f"{' '.join(name)}: {status}", at)
                self._status[name] = status

    def _look_at_dagster(self) -> None:
        assets = [
            asset_key(series, layer) for series in self._keys for layer in (CANDLES, PUBLISHED)
        ]
        for asset, record in self._instance.get_freshness_state_records(assets).items():
            state = record.freshness_state.value
            if self.native.get(asset) != state:
                at = record.updated_at.timestamp()
                self._timeline.note("native", f"{'/'.join(asset.path)}: {state}", at)
                self.native[asset] = state
        checks = [dg.AssetCheckKey(asset, DATA_TIME) for asset in assets]
        found = self._instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
        for check, execution in found.items():
            word = _word(execution)
            if self.checks.get(check) != word:
                self._timeline.note("check", f"{'/'.join(check.asset_key.path)}: {word}")
                self.checks[check] = word

    def _has_changed(self, path: Path) -> bool:
        try:
            mtime = path.stat().st_mtime
        except FileNotFoundError:
            if self._mtimes.pop(path, None) is not None:
                self._timeline.note("published", f"{path.name} is gone")
            return False
        if self._mtimes.get(path) == mtime:
            return False
        self._mtimes[path] = mtime
        return True


def _word(execution: Any) -> str:
    """The status word of a data-time check, else whether it passed."""
    evaluation = execution.evaluation
    status = evaluation.metadata.get("status") if evaluation else None
    if status is not None:
        return str(status.value)
    return "passed" if execution.status is AssetCheckExecutionRecordStatus.SUCCEEDED else "failed"


def _document(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
