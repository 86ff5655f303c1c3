"""deploy/helm-values.yaml and kubernetes.yaml, as far as it can be told without a cluster.

The keys of the values were compared by hand with the chart's schema and with its template of
dagster.yaml; the chart is not at hand here.
"""

import importlib
import os
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from coin_assets.config.settings import Settings
from coin_assets_tests.webui import ROOT

DEPLOY = ROOT / "deploy"
VALUES: dict[str, Any] = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
INSTANCE = yaml.safe_load((DEPLOY / "dagster.celery.yaml").read_text())
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
LOCATION = VALUES["dagster-user-deployments"]["deployments"][0]


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in MANIFESTS if each["kind"] == kind}


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    (found,) = manifest["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_all_processes_have_one_image() -> None:
    images = {
        f"{each['image']['repository']}:{each['image']['tag']}"
        for each in (VALUES["dagsterWebserver"], VALUES["dagsterDaemon"], LOCATION)
    }
    images |= {container(each)["image"] for each in named("Deployment").values()}
    assert len(images) == 1


def test_the_launcher_and_the_limits_are_those_of_the_containers() -> None:
    launcher = VALUES["runLauncher"]
    assert launcher["type"] == "CustomRunLauncher"
    assert launcher["config"]["customRunLauncher"] == INSTANCE["run_launcher"]
    ours = ("concurrency", "freshness", "nux", "retention", "run_coordinator", "run_monitoring")
    assert VALUES["additionalInstanceConfig"] == {name: INSTANCE[name] for name in ours}
    # The chart would write them, too.
    for section in ("runCoordinator", "runMonitoring"):
        assert VALUES["dagsterDaemon"][section] == {"enabled": False}
    logs = INSTANCE["python_logs"]
    assert VALUES["pythonLogs"] == {
        "pythonLogLevel": logs["python_log_level"],
        "managedPythonLoggers": logs["managed_python_loggers"],
    }
    for name in ("sensors", "schedules"):
        threads = VALUES["dagsterDaemon"][name]
        assert INSTANCE[name] == {
            "use_threads": threads["useThreads"],
            "num_workers": threads["numWorkers"],
        }


def test_modules_that_are_named_are_there() -> None:
    pytest.importorskip("dagster_celery", reason="requirements-scale.lock is not installed")
    for each in (
        VALUES["runLauncher"]["config"]["customRunLauncher"],
        VALUES["additionalInstanceConfig"]["run_coordinator"],
    ):
        assert hasattr(importlib.import_module(each["module"]), each["class"])


def test_workers_are_those_of_the_containers() -> None:
    workers = named("Deployment")
    assert {container(each)["args"][-2] for each in workers.values()} == {
        f"--queue={queue}" for queue in ("live", "background", "training")
    }
    for name, each in workers.items():
        service = name.removeprefix("coin-assets-")
        assert container(each)["args"] == COMPOSE["services"][service]["command"]


def test_workers_and_code_location_share_settings_home_and_broker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (settings,) = named("ConfigMap").values()
    own = {"DAGSTER_HOME": "/app/scale"}
    assert settings["data"] == LOCATION["env"] | own
    mounts = {str(container(each)["volumeMounts"]) for each in named("Deployment").values()}
    assert mounts == {str(LOCATION["volumeMounts"])}
    broker = settings["data"]["DAGSTER_CELERY_BROKER"]
    assert broker.split("//")[1].split(":")[0] in named("Service")
    monkeypatch.chdir(tmp_path)
    for name in [each for each in os.environ if each.startswith("DAGSTER_")]:
        monkeypatch.delenv(name)
    for name, text in settings["data"].items():
        monkeypatch.setenv(name, text)
    for secret in ("DAGSTER_POSTGRES_PASSWORD", "INFLUXDB_V2_TOKEN"):
        monkeypatch.setenv(secret, "x")
    assert Settings().locks == "postgres"


def test_no_password_stands_in_a_file() -> None:
    for name in ("helm-values.yaml", "kubernetes.yaml"):
        text = (DEPLOY / name).read_text()
        assert "PASSWORD:" not in text
        assert "TOKEN:" not in text
