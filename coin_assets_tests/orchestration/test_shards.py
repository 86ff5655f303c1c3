"""Code locations of shards: disjoint assets, the same names, and the runs that are each one's."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml  # type: ignore[import-untyped]
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from coin_assets.config.settings import Settings
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.build import build_definitions, series_specs
from coin_assets.orchestration.locations import (
    attribute_of,
    is_former,
    labelled,
    location_of,
    number_in,
    target_of,
)
from coin_assets.orchestration.sensors.job_runs import is_running, job_failures
from coin_assets.orchestration.sensors.run_tasks import concerns, tasks_of_assets
from coin_assets.orchestration.sensors.runs import runs_of
from coin_assets.planning.facts import EVALUATION
from coin_assets_tests.platform import utc
from coin_assets_tests.webui import ROOT, environment

SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT")  # of two shards: 1, 1, 0
NOW, MONTH = utc("2026-11-29"), utc("2026-11-01")


def settings_of(home: Path, **values: Any) -> Settings:
    given = {"symbols": ",".join(SYMBOLS), "derived_timeframes": "", "history_start": "2026-10-01"}
    return Settings(home=home, **(given | values))


def repository_of(settings: Settings) -> dg.RepositoryDefinition:
    found = build_definitions(settings).get_repository_def()
    assert isinstance(found, dg.RepositoryDefinition)
    return found


def test_locations_have_disjoint_assets_which_together_are_all(tmp_path: Path) -> None:
    whole = repository_of(settings_of(tmp_path)).asset_graph.get_all_asset_keys()
    shards = [settings_of(tmp_path, shards=2, shard=number) for number in range(2)]
    found = [set(repository_of(each).asset_graph.get_all_asset_keys()) for each in shards]
    assert found[0].isdisjoint(found[1])
    manifests = {dg.AssetKey(["manifest", f"shard_{number}"]) for number in range(2)}
    assert (found[0] | found[1]) - manifests == set(whole) - {dg.AssetKey(["manifest"])}
    for keys, settings in zip(found, shards, strict=True):
        names = {key.path[0] for key in keys} - {"manifest"}
        assert names == {s.series.symbol_name for s in series_specs(settings)}


def test_names_are_the_same_and_what_is_done_once_is_of_the_first(tmp_path: Path) -> None:
    whole = repository_of(settings_of(tmp_path))
    first, second = (
        repository_of(settings_of(tmp_path, shards=2, shard=number)) for number in range(2)
    )
    three = (whole, first, second)
    sensors = [{each.name for each in repository.sensor_defs} for repository in three]
    jobs = [{each.name for each in repository.get_all_jobs()} for repository in three]
    for names in (sensors, jobs):
        assert names[0] == names[1] == names[2]
    schedules = {each.name for each in first.schedule_defs}
    assert schedules == {each.name for each in whole.schedule_defs}
    assert {each.name for each in second.schedule_defs} == schedules - {"records_retention"}


def test_definitions_of_several_shards_need_to_know_which(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="COIN_SHARD: not set"):
        build_definitions(settings_of(tmp_path, shards=2))


def test_the_workspaces_name_the_locations_as_the_code_does() -> None:
    listed = yaml.safe_load((ROOT / "deploy/workspace.sharded.yaml").read_text())["load_from"]
    names = [each["grpc_server"]["location_name"] for each in listed]
    assert names == [location_of(Shard(number, len(listed))) for number in range(len(listed))]
    assert location_of(ALONE) == "coin_assets.definitions"
    assert list(target_of(ALONE).get_cli_args()) == ["-m", "coin_assets.definitions"]
    arguments = list(target_of(Shard(1, 2)).get_cli_args())
    assert arguments == ["-m", "coin_assets.shards", "-a", "shard_1"]
    for number in (0, 7, 99):
        assert number_in(attribute_of(Shard(number, 100))) == number
    assert number_in("defs") is None


def test_former_locations_are_those_of_another_number_of_shards() -> None:
    whole, first, third = "coin_assets.definitions", "coin_assets.shard_0", "coin_assets.shard_2"
    names = (whole, first, third, "other")
    assert [each for each in names if is_former(each, 1)] == [first, third]
    assert [each for each in names if is_former(each, 2)] == [whole, third]


def test_dagster_loads_a_shard_by_its_attribute_in_any_process(tmp_path: Path) -> None:
    """As a process does that executes a run: from the pointer in the run, without `COIN_SHARD`."""
    pointer = ModuleCodePointer("coin_assets.shards", "shard_1")
    assert pointer.fn_name == target_of(Shard(1, 2)).attribute
    code = f"""if True:
        import json, sys
        from dagster._core.code_pointer import ModuleCodePointer
        found = ModuleCodePointer({pointer.module!r}, {pointer.fn_name!r}).load_target()
        keys = found.get_repository_def().asset_graph.get_all_asset_keys()
        print(json.dumps(sorted({{key.path[0] for key in keys}})))
        try:
            ModuleCodePointer({pointer.module!r}, "shard_2").load_target()
        except Exception as error:
            print(error)
        print(hasattr(sys.modules[{pointer.module!r}], "shard_x"))
    """
    env = environment(
        tmp_path / "home", COIN_SHARDS="2", COIN_SYMBOLS=",".join(SYMBOLS), PYTHONPATH=str(ROOT)
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    names, refusal, other = done.stdout.splitlines()
    assert json.loads(names) == ["BTC_USDT", "ETH_USDT", "manifest"]
    assert "there is no shard 2 of 2" in refusal
    assert other == "False"


# ------------------------------------------------------------------------------------------ runs


LABELS = [f"__repository__@coin_assets.shard_{number}" for number in range(2)]


def create(
    instance: dg.DagsterInstance,
    job: str,
    location: str = "coin_assets.shard_0",
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.QUEUED,
    **run: Any,
) -> dg.DagsterRun:
    """A run of a job that was launched from a location."""
    origin = ManagedGrpcPythonEnvCodeLocationOrigin(target_of(Shard(0, 2)), location)
    repository = RemoteRepositoryOrigin(origin, "__repository__")
    made = dg.DagsterRun(
        job_name=job, status=status, remote_job_origin=RemoteJobOrigin(repository, job), **run
    )
    return instance.add_run(made)


@pytest.fixture
def instance() -> Any:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def test_jobs_are_looked_at_by_location(instance: dg.DagsterInstance) -> None:
    create(instance, "redo_touched")
    assert [is_running(instance, "redo_touched", label) for label in LABELS] == [True, False]
    assert is_running(instance, "redo_touched")
    create(instance, "evaluate", status=dg.DagsterRunStatus.FAILURE)
    found = [job_failures(instance, "evaluate", label) for label in (*LABELS, None)]
    assert [each is not None for each in found] == [True, False, True]
    assert labelled(None) == {}


def test_runs_count_by_what_they_work_on_wherever_they_were_launched(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """A run of before `COIN_SHARDS` was changed is in flight for the shard that has its symbols."""
    settings = settings_of(tmp_path, shards=2)
    own, other = (series_specs(settings.of_shard(number)) for number in range(2))
    selected = frozenset(each.asset_key("candles") for each in own)
    run = create(
        instance,
        "update",
        "coin_assets.definitions",
        asset_selection=selected,
        tags={"dagster/partition": "2026-11-01"},
    )
    assert concerns(run, tasks_of_assets(own), LABELS[0])
    assert not concerns(run, tasks_of_assets(other), LABELS[0])
    in_flight = [runs_of(instance, s, NOW, MONTH, label=LABELS[0]).in_flight for s in (own, other)]
    assert [len(each) for each in in_flight] == [len(own), 0]


def test_a_run_of_all_is_about_all_of_its_own_location(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, shards=2)
    specs = [series_specs(settings.of_shard(number)) for number in range(2)]
    create(instance, "train_models", run_config={"timeframes": ["1h"]})
    found = [runs_of(instance, s, NOW, MONTH, label=n) for s, n in zip(specs, LABELS, strict=True)]
    assert [each.training for each in found] == [{spec.series for spec in specs[0]}, set()]
    symbols = [specs[1][0].series.symbol]
    create(instance, "train_models", run_config={"symbols": symbols})
    found = [runs_of(instance, s, NOW, MONTH, label=n) for s, n in zip(specs, LABELS, strict=True)]
    assert found[1].training == {spec.series for spec in specs[1] if spec.series.symbol in symbols}


def test_an_evaluation_of_one_shard_keeps_no_other_waiting(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, shards=2)
    specs = [series_specs(settings.of_shard(number)) for number in range(2)]
    selected = frozenset(each.asset_key("quality") for each in specs[0])
    tags = {"coin_assets/purpose": EVALUATION}
    create(instance, "evaluate", asset_selection=selected, tags=tags)
    found = [runs_of(instance, s, NOW, MONTH, label=n) for s, n in zip(specs, LABELS, strict=True)]
    assert [EVALUATION in each.busy for each in found] == [True, False]
