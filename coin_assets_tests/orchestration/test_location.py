"""The code location has one name: Dagster keeps the state of schedules and sensors by it."""

import tomllib

import dagster as dg
import yaml  # type: ignore[import-untyped]
from dagster._core.utils import make_new_run_id

from coin_assets.orchestration.run_here import LOCATION, run_here
from coin_assets_tests.webui import ROOT

NAME = LOCATION


def test_every_way_to_load_the_definitions_names_the_location_alike() -> None:
    up = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert [each["python_module"]["location_name"] for each in up] == [NAME]
    containers = yaml.safe_load((ROOT / "deploy/workspace.yaml").read_text())["load_from"]
    assert [each["grpc_server"]["location_name"] for each in containers] == [NAME]
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tools["dg"]["project"]["code_location_name"] == NAME
    assert "dagster" not in tools  # its section would name the location once more


def test_a_run_in_this_process_belongs_to_the_location() -> None:
    """The home page of the UI, the timeline, shows no others."""

    @dg.op
    def work() -> None:
        pass

    @dg.job(tags={"lane": "slow"})
    def simple() -> None:
        work()

    with dg.DagsterInstance.ephemeral() as instance:
        assert run_here(instance, simple, make_new_run_id(), {"mine": "yes"}, {})
        (run,) = instance.get_runs()
    assert run.remote_job_origin is not None
    origin = run.remote_job_origin.repository_origin
    assert origin.get_label() == f"__repository__@{LOCATION}"
    assert {"lane": "slow", "mine": "yes"}.items() <= run.tags.items()
