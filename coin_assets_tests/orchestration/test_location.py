"""The code location has one name: Dagster keeps the state of schedules and sensors by it."""

import tomllib

import yaml  # type: ignore[import-untyped]

from coin_assets_tests.webui import ROOT

NAME = "coin_assets.definitions"


def test_every_way_to_load_the_definitions_names_the_location_alike() -> None:
    up = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert [each["python_module"]["location_name"] for each in up] == [NAME]
    containers = yaml.safe_load((ROOT / "deploy/workspace.yaml").read_text())["load_from"]
    assert [each["grpc_server"]["location_name"] for each in containers] == [NAME]
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tools["dg"]["project"]["code_location_name"] == NAME
    assert "dagster" not in tools  # its section would name the location once more
