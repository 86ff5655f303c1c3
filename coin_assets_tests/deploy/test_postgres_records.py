"""The storage of deploy/dagster.yaml keeps what Dagster's PostgreSQL storage keeps.

Both take the same generated events. Connections stay open and survive a restart of the server, a
batch is stored whole or not at all, and the password is in no text.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2  # type: ignore[import-untyped]
import pytest
import sqlalchemy as db
import yaml  # type: ignore[import-untyped]
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from hypothesis import Phase, given, settings

from coin_assets.orchestration.records.postgres import BatchedPostgresEventLog
from coin_assets_tests.deploy.postgres import DATABASE, USER, Postgres, requires_postgres, running
from coin_assets_tests.orchestration.records import writer
from coin_assets_tests.orchestration.records.generated import NO_RUN, RUNS, STEPS, Step
from coin_assets_tests.orchestration.records.homes import apply, event_log, open_home, report
from coin_assets_tests.orchestration.records.reads import answers
from coin_assets_tests.webui import ROOT

pytestmark = [
    requires_postgres,
    pytest.mark.filterwarnings("ignore:.*instead of get_event_records"),
]
_OTHER = "dagsters_own"
_RUN = RUNS[0]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        with closing(link(server)) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"create database {_OTHER}")
        yield server


def link(server: Postgres) -> Any:
    return psycopg2.connect(
        host="127.0.0.1", port=server.port, user=USER, password=server.password, dbname=DATABASE
    )


def configured() -> Mapping[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())
    storage: Mapping[str, Any] = found["storage"]
    return storage


Instances = tuple[dg.DagsterInstance, dg.DagsterInstance]


@pytest.fixture(scope="module")
def both(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instances]:
    """Dagster's class and that of deploy/dagster.yaml, on databases of their own."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name, value in postgres.environment.items():
            patch.setenv(name, value)
        patch.setenv("DAGSTER_POSTGRES_PASSWORD", postgres.password)
        patch.setenv("DAGSTER_EVENT_BATCH_SIZE", "2000")
        config = dict(configured()["custom"]["config"])
        config["postgres_db"] = {**config["postgres_db"], "db_name": _OTHER}
        storages = ({"postgres": config}, configured())
        homes = [tmp_path_factory.mktemp(name) for name in ("usual", "own")]
        usual, own = (
            stack.enter_context(open_home(home, storage))
            for home, storage in zip(homes, storages, strict=True)
        )
        for instance in (usual, own):
            for run_id in RUNS:
                instance.add_run(dg.DagsterRun("job", run_id=run_id))
        yield usual, own


@pytest.fixture
def own(both: Instances) -> dg.DagsterInstance:
    empty(both[1])
    return both[1]


def empty(instance: dg.DagsterInstance) -> None:
    """Remove all events, and number the next ones from 1."""
    tables = SqlEventLogStorageMetadata.tables
    names = [name for name in tables if name != "secondary_indexes"]
    with event_log(instance).index_connection() as connection:
        connection.execute(db.text(f"truncate {', '.join(names)} restart identity"))


def count(postgres: Postgres, table: str) -> int:
    return postgres.count(table)


@given(STEPS)
# Without shrinking, which takes many minutes here.
@settings(max_examples=4, derandomize=True, phases=[Phase.explicit, Phase.generate])
def test_all_answers_are_those_of_dagsters_storage(both: Instances, steps: Sequence[Step]) -> None:
    for instance in both:
        empty(instance)
    apply(both, steps)
    usual, own = (answers(instance) for instance in both)
    for found in (usual, own):
        # PostgreSQL numbers also the rows that exist already, of which a batch writes fewer.
        found["asset records"] = sorted(
            (record[1] for record in found["asset records"]), key=lambda entry: entry.asset_key
        )
    assert own == usual


def test_a_batch_that_the_index_refuses_is_stored_one_by_one(
    own: dg.DagsterInstance, postgres: Postgres, capfd: pytest.CaptureFixture[str]
) -> None:
    """The index refuses the third tag of a transaction."""
    batch = [*writer.batch(_RUN, 0), *writer.batch(_RUN, 1)]
    with closing(link(postgres)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(
            "create function refuse() returns trigger as $$ begin"
            " if (select count(distinct event_id) from asset_event_tags"
            "   where xmin::text = pg_current_xact_id()::xid::text) >= 2 then"
            " raise exception 'refused by a test'; end if; return new; end $$ language plpgsql"
        )
        cursor.execute(
            "create trigger refuse before insert on asset_event_tags"
            " for each row execute function refuse()"
        )
        try:
            with pytest.raises(db.exc.DBAPIError, match="refused by a test"):
                event_log(own).store_event_batch(batch)
            assert [count(postgres, name) for name in ("event_logs", "asset_keys")] == [0, 0]
            report(own, batch, "batch")
        finally:
            cursor.execute("drop function refuse cascade")
    assert "Falling back" in capfd.readouterr().err
    found = [event.message for event in own.all_logs(_RUN)]
    assert found == [f"event {number}" for number in range(1, len(batch) + 1)]


def connections(postgres: Postgres) -> int:
    return postgres.count("pg_stat_activity", f"datname = '{DATABASE}' and state = 'idle'")


def test_connections_stay_open_and_few(own: dg.DagsterInstance, postgres: Postgres) -> None:
    assert isinstance(own.event_log_storage, BatchedPostgresEventLog)
    for number in range(5):
        report(own, writer.batch(_RUN, number), str(number))
        assert own.get_runs()
        assert own.all_instigator_state() == []
        assert 1 <= connections(postgres) <= 2
    own.dispose()
    assert connections(postgres) == 0
    assert len(own.all_logs(_RUN)) == 5 * writer.BATCH


def test_connections_that_the_server_closed_are_opened_again(
    own: dg.DagsterInstance, postgres: Postgres
) -> None:
    report(own, writer.batch(_RUN, 0), "before")
    with closing(link(postgres)) as connection:
        connection.cursor().execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    report(own, writer.batch(_RUN, 1), "after")
    assert len(own.all_logs(_RUN)) == 2 * writer.BATCH


def test_events_without_a_run_are_stored(own: dg.DagsterInstance) -> None:
    own.report_runless_asset_event(dg.AssetMaterialization("a"))
    assert len(own.all_logs(NO_RUN)) == 1


def test_no_text_has_the_password(
    own: dg.DagsterInstance,
    postgres: Postgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Neither what an instance tells of itself nor what a failure logs."""
    caplog.set_level(logging.DEBUG)
    storage = event_log(own)
    assert isinstance(storage, BatchedPostgresEventLog)
    texts = [own.info_str(), repr(storage._engine), str(storage._engine.url)]
    monkeypatch.setenv("DAGSTER_POSTGRES_DB", "absent")
    monkeypatch.setattr("dagster_postgres.utils.calculate_delay", lambda **_: 0)
    with pytest.raises(Exception, match="too many retries") as failure:
        open_home(tmp_path, configured())
    texts += [repr(failure.value), repr(failure.value.__cause__), caplog.text, *capfd.readouterr()]
    assert "absent" in caplog.text
    assert all(postgres.password not in text for text in texts)
