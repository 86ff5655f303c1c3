"""Dagster homes of both kinds: with Dagster's SQLite storage, and with the project's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as db
import yaml  # type: ignore[import-untyped]
from dagster._core.events import DagsterEventBatchMetadata
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from coin_assets_tests.orchestration.records.generated import Sequencer, Step
from coin_assets_tests.webui import ROOT

# They hold the time at which a row was made or an asset was wiped.
_BY_THE_CLOCK = {"create_timestamp", "asset_details", "wipe_timestamp"}


def usual_storage(home: Path) -> Mapping[str, Any]:
    """Dagster's SQLite storage, as in dagster.yaml."""
    return {"sqlite": {"base_dir": str(home)}}


def own_storage(home: Path) -> Mapping[str, Any]:
    """The storage of the repository's dagster.yaml."""
    storage: dict[str, Any] = yaml.safe_load((ROOT / "dagster.yaml").read_text())["storage"]
    storage["custom"]["config"]["base_dir"] = str(home)
    return storage


def open_home(home: Path, storage: Mapping[str, Any] | None = None) -> dg.DagsterInstance:
    """The instance of ``home``; with the project's storage unless another is given."""
    home.mkdir(parents=True, exist_ok=True)
    config = {"storage": storage or own_storage(home), "telemetry": {"enabled": False}}
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    return dg.DagsterInstance.from_config(str(home))


@contextmanager
def both(folder: Path) -> Iterator[tuple[dg.DagsterInstance, dg.DagsterInstance]]:
    """Dagster's own instance and the project's, on homes of their own."""
    with ExitStack() as stack:
        usual, own = folder / "usual", folder / "own"
        yield (
            stack.enter_context(open_home(usual, usual_storage(usual))),
            stack.enter_context(open_home(own)),
        )


def event_log(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    """The event log of an instance."""
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    return storage


def report(instance: dg.DagsterInstance, events: Sequence[dg.EventLogEntry], batch: str) -> None:
    """Report ``events`` as Dagster does for one batch; a single one is reported alone."""
    for number, event in enumerate(events, start=1):
        metadata = DagsterEventBatchMetadata(batch, number == len(events))
        instance.handle_new_event(event, batch_metadata=metadata if len(events) > 1 else None)


def apply(
    instances: Sequence[dg.DagsterInstance],
    steps: Sequence[Step],
    then: Callable[[], None] = lambda: None,
) -> None:
    """Report and remove the same in all ``instances``; after each step comes ``then``."""
    sequencer = Sequencer()
    for number, step in enumerate(steps):
        events = sequencer.events(step.events)
        for instance in instances:
            report(instance, events, batch=str(number))
            if step.wiped is not None:
                event_log(instance).wipe_asset(step.wiped)
            if step.deleted is not None:
                event_log(instance).delete_events(step.deleted)
        then()


def tables(instance: dg.DagsterInstance, runs: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """All rows of the index and of the databases of ``runs``."""
    storage = event_log(instance)
    of_index = (
        SqlEventLogStorageTable,
        AssetKeyTable,
        AssetEventTagsTable,
        AssetCheckExecutionsTable,
    )
    found = {}
    with storage.index_connection() as connection:
        for table in of_index:
            found[table.name] = _rows(connection, table)
    for run_id in runs:
        with storage.run_connection(run_id) as connection:
            found[f"events of {run_id}"] = _rows(connection, SqlEventLogStorageTable)
    return found


def _rows(connection: db.engine.Connection, table: db.Table) -> list[dict[str, Any]]:
    rows = connection.execute(db.select(table).order_by(table.c.id)).mappings()
    return [
        {name: value for name, value in row.items() if name not in _BY_THE_CLOCK} for row in rows
    ]
