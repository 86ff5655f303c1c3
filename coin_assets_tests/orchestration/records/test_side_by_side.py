"""The project's storage keeps what Dagster's SQLite storage keeps.

Both take the same generated events through real instances, which batch them and fall back to
single ones. Then all their rows and answers are equal, storage ids included.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from hypothesis import Phase, example, given, settings

from coin_assets.orchestration.records.events import BatchedSqliteEventLog
from coin_assets_tests.orchestration.records.generated import (
    ASSETS,
    NO_RUN,
    RUNS,
    STEPS,
    Kind,
    Spec,
    Step,
)
from coin_assets_tests.orchestration.records.homes import apply, both, event_log, open_home, tables
from coin_assets_tests.orchestration.records.reads import answers, latest

pytestmark = pytest.mark.filterwarnings("ignore:.*instead of get_event_records")
ALL_RUNS = (*RUNS, NO_RUN)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of two homes with their databases and runs; making it takes a second."""
    folder = tmp_path_factory.mktemp("homes")
    with pytest.MonkeyPatch.context() as patch, both(folder) as instances:
        patch.setenv("DAGSTER_EVENT_BATCH_SIZE", "2000")
        for instance in instances:
            for run_id in RUNS:
                instance.add_run(dg.DagsterRun("job", run_id=run_id))
        apply(instances, [Step((_spec(Kind.ENGINE_EVENT, run),)) for run in ALL_RUNS])
        for instance in instances:
            instance.dispose()
        for home in ("usual", "own"):
            _set_times_of_runs(folder / home)
        yield folder


def _set_times_of_runs(home: Path) -> None:
    """Give runs times that are the same in both homes; SQLite's own clock has whole seconds.

    Answers about several runs are in the order of these times.
    """
    with closing(sqlite3.connect(home / "history" / "runs.db")) as connection, connection:
        for column in ("create_timestamp", "update_timestamp"):
            connection.execute(
                f"UPDATE runs SET {column} = '2026-11-01 00:00:' || printf('%02d', id)"  # noqa: S608
            )


def _spec(kind: Kind | None, run: str, asset: int = 0) -> Spec:
    return Spec(kind, run, ASSETS[asset], None, "contract", passed=True, late=True)


# Two new assets in one batch, whose rows are numbered by their first event.
_TURNS = (0, 1, 0)


@example([Step(tuple(_spec(Kind.ASSET_MATERIALIZATION, RUNS[0], asset) for asset in _TURNS))])
@example([Step(tuple(_spec(Kind.ASSET_OBSERVATION, RUNS[turn]) for turn in _TURNS))])
@example(
    [
        *(
            Step((_spec(kind, RUNS[0]),))
            for kind in (
                Kind.ASSET_CHECK_EVALUATION_PLANNED,
                Kind.ASSET_CHECK_EVALUATION,
                Kind.ASSET_CHECK_EVALUATION,  # of a repeated step, into the same row
            )
        ),
        Step((_spec(Kind.FRESHNESS_STATE_CHANGE, NO_RUN),)),
        Step(wiped=ASSETS[0]),
        Step((_spec(Kind.FRESHNESS_STATE_CHANGE, NO_RUN),)),
        Step((_spec(Kind.ASSET_CHECK_EVALUATION, RUNS[1]),)),
    ]
)
@given(STEPS)
# Without shrinking, which takes many minutes here.
@settings(max_examples=4, derandomize=True, phases=[Phase.explicit, Phase.generate])
def test_all_rows_and_answers_are_those_of_dagsters_storage(
    template: Path, steps: Sequence[Step]
) -> None:
    assert_same(template, steps)


@pytest.mark.slow
@given(STEPS)
@settings(max_examples=100, phases=[Phase.explicit, Phase.generate])
def test_many_sequences_leave_the_rows_of_dagsters_storage(
    template: Path, steps: Sequence[Step]
) -> None:
    assert_same(template, steps)


def assert_same(template: Path, steps: Sequence[Step]) -> None:
    """Both storages have the same rows and give the same answers after ``steps``."""
    with tempfile.TemporaryDirectory() as folder:
        for home in ("usual", "own"):
            shutil.copytree(template / home, Path(folder) / home)
        with both(Path(folder)) as (usual, own):
            assert isinstance(event_log(own), BatchedSqliteEventLog)
            apply((usual, own), steps, lambda: assert_same_latest(usual, own))
            for run in ALL_RUNS:
                assert tables(own, [run]) == tables(usual, [run])
            assert answers(own) == answers(usual)


def assert_same_latest(usual: dg.DagsterInstance, own: dg.DagsterInstance) -> None:
    """The project's storage has seen earlier answers, and remembers none that is over."""
    assert latest(own) == latest(usual)


def test_a_result_that_has_not_changed_is_unpacked_once(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    for name in ("get_latest_asset_check_execution_by_key", "get_freshness_state_records"):
        usual = getattr(SqlEventLogStorage, name)

        def counted(storage: object, keys: Sequence[object], *rest: object, of: Any = usual) -> Any:
            asked.extend(keys)
            return of(storage, keys, *rest)

        monkeypatch.setattr(SqlEventLogStorage, name, counted)
    shutil.copytree(template / "own", tmp_path / "own")
    with open_home(tmp_path / "own") as own:
        results = [_spec(Kind.ASSET_CHECK_EVALUATION, NO_RUN, asset) for asset in (0, 1)]
        states = [_spec(Kind.FRESHNESS_STATE_CHANGE, NO_RUN, asset) for asset in (0, 1)]
        check = dg.AssetCheckKey(ASSETS[0], "contract")
        news: list[Sequence[object]] = []
        for step in (
            Step((*results, *states)),
            Step(),
            Step((_spec(Kind.ASSET_CHECK_EVALUATION, RUNS[0]),)),
            Step((states[0],)),
        ):
            apply([own], [step])
            asked.clear()
            latest(own)
            news.append(list(asked))
    everything = [check, dg.AssetCheckKey(ASSETS[1], "contract"), *ASSETS[:2]]
    assert sorted(map(str, news[0])) == sorted(map(str, everything))
    assert news[1:] == [[], [check], [ASSETS[0]]]


def test_either_storage_goes_on_in_a_home_of_the_other(template: Path, tmp_path: Path) -> None:
    """A home needs no migration, in either direction, runless events included."""
    for home in ("usual", "own"):
        shutil.copytree(template / home, tmp_path / home)
    steps = [
        Step((_spec(Kind.ASSET_MATERIALIZATION, RUNS[0]), _spec(Kind.ASSET_OBSERVATION, RUNS[1]))),
        Step((_spec(Kind.ASSET_CHECK_EVALUATION, NO_RUN),)),
    ]
    with both(tmp_path) as instances:
        apply(instances, steps)
        before = tables(instances[0], ALL_RUNS)
        assert before == tables(instances[1], ALL_RUNS)
    (tmp_path / "usual").rename(tmp_path / "swap")
    (tmp_path / "own").rename(tmp_path / "usual")
    (tmp_path / "swap").rename(tmp_path / "own")
    with both(tmp_path) as instances:
        assert tables(instances[0], ALL_RUNS) == tables(instances[1], ALL_RUNS) == before
        apply(instances, steps)
        assert tables(instances[0], ALL_RUNS) == tables(instances[1], ALL_RUNS)
        assert answers(instances[0]) == answers(instances[1])
