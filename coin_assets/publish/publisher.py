"""Writing the published folder: history and prediction files, then the manifest over them."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from coin_assets.domain.documents import (
    Document,
    file_name,
    history_document,
    parse_time,
    prediction_document,
)
from coin_assets.domain.keys import Key
from coin_assets.domain.ledger import Outage
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.manifest import facts_of_manifest, manifest_document
from coin_assets.domain.manifest_facts import HIDDEN, PUBLIC, KeyFacts, PublishedFile
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import ConfigurationError
from coin_assets.store.atomic import locked, remove_partials, write_atomically

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Failure:
    """A failed attempt to renew a key."""

    time: datetime
    error: str


class Publisher:
    """The published folder. One lock makes a key's files and its manifest entry one change.

    Args:
        keys: all keys the manifest lists, in its order.
        limits: by timeframe name.
    """

    def __init__(
        self, folder: Path, keys: Sequence[Key], limits: dict[str, FreshnessLimits]
    ) -> None:
        self._folder = folder
        self.keys = keys
        self._limits = limits

    def publish(
        self,
        facts: KeyFacts,
        history: pd.DataFrame,
        forecast: pd.DataFrame,
        failures: Mapping[Key, Failure],
        now: datetime,
        *,
        is_complete: Callable[[Key], bool],
        outages: Mapping[Timeframe, Sequence[Outage]],
    ) -> tuple[KeyFacts, Document]:
        """Write the files of one key and the manifest.

        A key becomes public when its history is complete, and stays so whatever it lacks later.

        Args:
            facts: what is known of the key besides its files, their champion, visibility, and
                attempts.
            history: candles of the history file; without any, there is no file.
            forecast: rows of the newest origin; without any, there is no file.
            failures: keys whose renewal failed meanwhile; their entries say so.
            is_complete: tells whether the history of a key was collected; it is asked only about
                keys that are not known to be public.
            outages: of the source timeframes.

        Returns:
            The facts as they stand in the manifest now, and the manifest.
        """
        key = facts.key
        with locked(self._folder):
            remove_partials(self._folder)
            known = self._known_facts(is_complete)
            known[key] = replace(
                facts,
                history=self._write("history", key, history, now),
                prediction=self._write("prediction", key, forecast, now),
                champion=None if forecast.empty else str(forecast["model_version"].iloc[0]),
                visibility=PUBLIC if known[key].is_public or is_complete(key) else HIDDEN,
                attempts=known[key].attempts.succeeded(now),
            )
            for failed, failure in failures.items():
                attempts = known[failed].attempts.failed(failure.time, failure.error)
                known[failed] = replace(known[failed], attempts=attempts)
            manifest = manifest_document(known.values(), self._limits, now, outages)
            write_atomically(self._folder / MANIFEST, _json_bytes(manifest, indent=1))
        return known[key], manifest

    def manifest(self) -> Document:
        """The manifest as it stands.

        Raises:
            FileNotFoundError: nothing was published yet.
        """
        document: Document = json.loads((self._folder / MANIFEST).read_bytes())
        return document

    def _write(
        self, kind: str, key: Key, rows: pd.DataFrame, now: datetime
    ) -> PublishedFile | None:
        path = self._folder / file_name(kind, key)
        if rows.empty:
            path.unlink(missing_ok=True)
            return None
        build = history_document if kind == "history" else prediction_document
        document = build(key, rows, now)
        content = _json_bytes(document)
        write_atomically(path, content)
        return _published_file(path.name, content, document)

    def _known_facts(self, is_complete: Callable[[Key], bool]) -> dict[Key, KeyFacts]:
        """Facts of all keys from the last manifest; keys it does not list are yet to be published.

        What it does not say of the files of hidden keys, and everything if it is damaged or of
        another version, is found out anew from the files themselves.
        """
        try:
            listed = facts_of_manifest(self.manifest())
        except (FileNotFoundError, ConfigurationError, KeyError, TypeError, ValueError):
            return {key: self._facts_without_manifest(key, is_complete) for key in self.keys}
        known = {}
        for key in self.keys:
            facts = listed.get((key.symbol, key.timeframe.name), _unpublished(key))
            known[key] = facts if facts.is_public else self._with_files(facts)
        return known

    def _facts_without_manifest(self, key: Key, is_complete: Callable[[Key], bool]) -> KeyFacts:
        facts = self._with_files(_unpublished(key))
        published = facts != _unpublished(key)
        return replace(facts, visibility=PUBLIC) if published and is_complete(key) else facts

    def _with_files(self, facts: KeyFacts) -> KeyFacts:
        """``facts`` with those that can be read from the key's files."""
        for kind in ("history", "prediction"):
            path = self._folder / file_name(kind, facts.key)
            if not path.exists():
                continue
            content = path.read_bytes()
            try:
                document = json.loads(content)
                file = _published_file(path.name, content, document)
                champion = document.get("model_version", facts.champion)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                return replace(facts, corrupt=f"{path.name} cannot be read ({error})")
            facts = replace(facts, champion=champion)
            facts = (
                replace(facts, history=file)
                if kind == "history"
                else replace(facts, prediction=file)
            )
        return facts


def _unpublished(key: Key) -> KeyFacts:
    """A key of which nothing is known: its files are missing, its candles may well be enough."""
    return KeyFacts(key, enough_candles=True)


def _published_file(name: str, content: bytes, document: Document) -> PublishedFile:
    digest = hashlib.sha256(content).hexdigest()
    return PublishedFile(name, digest, len(content), parse_time(document["as_of"]))


def _json_bytes(document: Document, indent: int | None = None) -> bytes:
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(document, indent=indent, separators=separators, allow_nan=False)
    return (text + "\n").encode()
