"""deploy/: what the containers may and may not do, as far as it can be told without an engine.

- Nothing is reachable from other machines, nothing runs as root or with a default password, all
  data lies on named volumes, every service is watched and comes back.
- Settings that the file hands on are settings of the platform, all of them.
- The scripts of the image and of `make compose-secrets` do what they say, as real processes.
"""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from coin_assets.config.settings import Settings, variable_of
from coin_assets_tests.webui import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKERS = ("worker-live", "worker-background", "worker-training")
OURS = ("code", "daemon", "web", "watcher", *WORKERS)
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
READ_BY_ENTRYPOINT = re.findall(
    r"^read_secret (\w+)", (DEPLOY / "entrypoint.sh").read_text(), re.MULTILINE
)
SECRET = "s3cret of $(id) `id` \"quoted\" 'twice'"  # noqa: S105 (made up)

each_service = pytest.mark.parametrize("name", SERVICES)


def environment_of(name: str) -> dict[str, str | None]:
    found: dict[str, str | None] = SERVICES[name].get("environment", {})
    return found


# --------------------------------------------------------------------------------- compose.yaml


def test_there_are_the_databases_and_the_parts_of_the_platform() -> None:
    assert set(SERVICES) == {"influxdb", "postgres", "redis", *OURS}
    of_scale = {name for name in SERVICES if SERVICES[name].get("profiles") == ["scale"]}
    assert of_scale == {"redis", *WORKERS}
    assert all("profiles" not in SERVICES[name] for name in set(SERVICES) - of_scale)


def test_a_validator_accepts_it() -> None:
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if plugin.returncode and shutil.which("docker-compose") is None:
        pytest.skip("neither docker compose nor docker-compose is installed")
    checked = subprocess.run(
        ["make", "-s", "compose-config"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "is valid" in checked.stdout


@pytest.fixture(autouse=True)
def _docker_is_optional(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without docker answers as one without its compose plugin."""
    if shutil.which("docker") is None:
        (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{tmp_path}")


@each_service
def test_a_service_is_watched_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert {"test", "interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
    assert service["restart"] == "unless-stopped"
    waits = service.get("depends_on", {})
    assert all(each == {"condition": "service_healthy"} for each in waits.values())
    assert bool(waits) == (name in OURS and name != "watcher")  # it reports what others wait for


@each_service
def test_nothing_is_reachable_from_other_machines(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{(UI|INFLUXDB)_PORT:-(\d+)\}:\2", port)
    assert "network_mode" not in SERVICES[name]


@each_service
def test_rights_are_few(name: str) -> None:
    service = SERVICES[name]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "cap_add", "devices", "pid", "user"} & set(service)
    if name in (*OURS, "redis"):
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["init"] is True


def test_what_grows_is_bounded() -> None:
    for service in SERVICES.values():
        assert service["mem_limit"]
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}


def test_only_daemon_and_web_reach_the_code_server() -> None:
    internal = [name for name, each in COMPOSE["networks"].items() if each.get("internal")]
    assert internal == ["grpc", "records", "tasks"]
    assert {name for name in SERVICES if "grpc" in SERVICES[name]["networks"]} == {
        *("code", "daemon", "web")
    }
    assert SERVICES["code"]["networks"]["grpc"] == {"aliases": ["code-grpc"]}
    assert "ports" not in SERVICES["code"]
    assert SERVICES["postgres"]["networks"] == ["records"]
    assert SERVICES["redis"]["networks"] == ["tasks"]
    with_tasks = {name for name in SERVICES if "tasks" in SERVICES[name]["networks"]}
    assert with_tasks == {"redis", "code", "daemon", *WORKERS}
    # A published port needs a network that is not internal.
    for name, service in SERVICES.items():
        assert not service.get("ports") or set(service["networks"]) - set(internal), name


@each_service
def test_data_lies_on_named_volumes(name: str) -> None:
    mounts = SERVICES[name]["volumes"]
    assert mounts
    named = {mount.split(":")[0] for mount in mounts if not mount.startswith("./")}
    assert named <= set(COMPOSE["volumes"])
    assert all(mount.endswith(":ro") for mount in mounts if mount.startswith("./"))


def test_volumes_have_names_that_the_guides_tell() -> None:
    assert COMPOSE["volumes"] == {
        volume: {"name": f"coin_assets_{volume}"} for volume in COMPOSE["volumes"]
    }
    for guide in ("docs/operations/containers.md", "docs/operations/influxdb.md"):
        assert "coin_assets_published" in (ROOT / guide).read_text()


def test_images_are_pinned() -> None:
    images = [SERVICES[name]["image"] for name in ("influxdb", "postgres")]
    for file in (DOCKERFILE, (DEPLOY / "redis.Dockerfile").read_text()):
        images += re.findall(r"^FROM (\S+)", file, re.MULTILINE)
    assert len(images) == 5
    for image in images:
        assert re.fullmatch(r"[a-z]+:\d+(\.\d+)*(-[a-z-]+)?@sha256:[0-9a-f]{64}", image), image
    assert len(set(images)) == 3  # ours begin with the same one


def test_no_secret_stands_in_the_file_or_has_a_default() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{\w*", text)) == {
        *("${UI_PORT", "${INFLUXDB_PORT", "${COIN_UI_HOSTS", "${COMPOSE_PROFILES")
    }
    for name in SERVICES:
        for variable, value in environment_of(name).items():
            if re.search("PASSWORD|TOKEN|WEBHOOKS|HEARTBEAT", variable):
                assert variable.endswith("_FILE")
                if variable == "INFLUXDB_V2_TOKEN_FILE":
                    continue  # made by the server, not a secret of this file
                secret = str(value).removeprefix("/run/secrets/")
                assert secret in SERVICES[name]["secrets"]
    assert {secret for name in SERVICES for secret in SERVICES[name].get("secrets", [])} == set(
        COMPOSE["secrets"]
    )
    for secret, source in COMPOSE["secrets"].items():
        assert source == {"file": f"./secrets/{secret}"}


def test_only_who_looks_at_the_store_gets_its_token() -> None:
    token = environment_of("code")["INFLUXDB_V2_TOKEN_FILE"]
    assert token == "/run/influxdb/token"  # noqa: S105 (a path)
    with_token = {
        name
        for name, service in SERVICES.items()
        if any(mount.startswith("influxdb-token:") for mount in service["volumes"])
    }
    assert with_token == {"influxdb", "code", *WORKERS}
    assert "influxdb-token:/run/influxdb:ro" in SERVICES["code"]["volumes"]
    for name in ("daemon", "web", *WORKERS):
        assert SERVICES[name]["secrets"] == ["postgres_password"]
    assert SERVICES["watcher"]["secrets"] == ["postgres_password", "alert_webhooks"]


def test_the_watcher_looks_where_the_code_location_writes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, given = environment_of("code"), environment_of("watcher")
    assert given.items() <= code.items()
    with_token = SERVICES["code"]["volumes"]
    assert SERVICES["watcher"]["volumes"] == [each for each in with_token if "token" not in each]
    monkeypatch.chdir(tmp_path)
    for name, value in given.items():
        if value is not None and not name.endswith("_FILE"):
            monkeypatch.setenv(name, value)
    assert str(Settings().home) == code["COIN_HOME"]


def test_the_code_location_is_offered_every_setting_and_no_other() -> None:
    given = environment_of("code")
    names = {name.removesuffix("_FILE") for name in given if not name.startswith("DAGSTER_")}
    assert names - {"COIN_DAGSTER_HOME"} == {variable_of(name) for name in Settings.model_fields}


def test_workers_have_the_settings_and_volumes_of_the_code_location() -> None:
    code = environment_of("code")
    own = {"COIN_SHARD", "COIN_ALERT_WEBHOOKS_FILE", "COIN_HEARTBEAT_URL_FILE"}
    for name in WORKERS:
        assert environment_of(name) == {key: code[key] for key in code.keys() - own}
        assert SERVICES[name]["volumes"] == SERVICES["code"]["volumes"]
        assert f"--queue={name.removeprefix('worker-')}" in SERVICES[name]["command"]
        assert SERVICES[name]["command"][:4] == SERVICES[name]["healthcheck"]["test"][2:6]


def test_one_word_switches_all_processes_to_the_instance_of_the_workers() -> None:
    homes = {environment_of(name)["DAGSTER_HOME"] for name in (*WORKERS, "code", "daemon", "web")}
    assert homes == {"/app/${COMPOSE_PROFILES:-}"}
    assert "deploy/dagster.celery.yaml /app/scale/dagster.yaml" in DOCKERFILE
    assert SERVICES["redis"]["profiles"] == ["scale"]


def test_workers_have_the_slots_that_the_instance_fills() -> None:
    limits = yaml.safe_load((DEPLOY / "dagster.celery.yaml").read_text())["concurrency"]["runs"]
    slots = {name: int(SERVICES[name]["command"][-1].removeprefix("--slots=")) for name in WORKERS}
    assert limits["max_concurrent_runs"] == sum(slots.values())
    others = sum(each["limit"] for each in limits["tag_concurrency_limits"])
    assert others <= slots["worker-background"]
    assert slots["worker-training"] == 1  # the pool "training"


def test_the_database_has_connections_for_all_slots() -> None:
    # docs/operations/postgres.md has the formula; the benchmark `workers` measures its numbers.
    slots = sum(int(SERVICES[name]["command"][-1].removeprefix("--slots=")) for name in WORKERS)
    needed = 6 + 2 * len(WORKERS) + 11 * slots + 20
    (most,) = re.findall(r"max_connections=(\d+)", " ".join(SERVICES["postgres"]["command"]))
    assert int(most) >= needed
    page = (ROOT / "docs" / "operations" / "postgres.md").read_text()
    assert f"That is {needed} for one\nlocation" in page
    assert f"`deploy/compose.yaml` sets {most}." in page


def test_the_settings_of_the_code_location_are_valid(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environment_of("code").items():
        if value is not None and not name.endswith("_FILE"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("INFLUXDB_V2_TOKEN", SECRET)
    settings = Settings()
    mounts = [mount.split(":")[1] for mount in SERVICES["code"]["volumes"]]
    assert str(settings.home) in mounts
    assert str(settings.publish_dir) in mounts
    assert environment_of("code")["COIN_DAGSTER_HOME"] in mounts
    assert settings.influxdb_bucket == environment_of("influxdb")["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert settings.influxdb_v2_org == environment_of("influxdb")["DOCKER_INFLUXDB_INIT_ORG"]


def test_the_settings_of_both_ends_agree() -> None:
    given = environment_of("web")
    command = SERVICES["code"]["command"]
    assert given["DAGSTER_CODE_HOST"] == "code-grpc"
    assert f"--port={given['DAGSTER_CODE_PORT']}" in command
    assert given["DAGSTER_POSTGRES_USER"] == environment_of("postgres")["POSTGRES_USER"]
    assert given["DAGSTER_POSTGRES_DB"] == environment_of("postgres")["POSTGRES_DB"]


# ------------------------------------------------------------------------------------ the image


def test_the_image_is_small_pinned_and_not_root() -> None:
    build, final = DOCKERFILE.split("\nFROM ")[1:]
    assert "--require-hashes" in build
    assert "COPY --from=build" in final
    assert not re.search("apt-get|gcc|pip ", final)
    users = re.findall(r"^USER (\S+)", final, re.MULTILINE)
    assert users
    assert "root" not in users
    assert re.findall(r"^ENTRYPOINT (.*)", final, re.MULTILINE) == ['["/app/entrypoint.sh"]']
    assert str(SERVICES["code"]["command"]).replace("'", "") in DOCKERFILE.replace('"', "")


def test_what_the_image_copies_is_there_and_sent_to_the_builder() -> None:
    wanted = re.findall(r"^COPY (?:--chmod=\d+ )?((?:\w\S+ )+)", DOCKERFILE, re.MULTILINE)
    paths = {path for line in wanted for path in line.split()}
    ignore = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in ignore
    sent = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert paths == sent
    assert all((ROOT / path).exists() for path in paths)


# ---------------------------------------------------------------------------------- the scripts


def entered(env: dict[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(DEPLOY / "entrypoint.sh"), *command],
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", READ_BY_ENTRYPOINT)
def test_secrets_reach_the_environment_of_the_program_and_nothing_else(
    tmp_path: Path, name: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    found = entered({f"{name}_FILE": str(file)}, "env")
    lines = found.stdout.splitlines()
    assert f"{name}={SECRET}" in lines
    assert not any(line.startswith(f"{name}_FILE") for line in lines)  # no setting of the platform
    assert found.stderr == ""
    quiet = entered({f"{name}_FILE": str(file)}, "true")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_without_files_the_program_starts_as_it_is() -> None:
    found = entered({"INFLUXDB_V2_TOKEN": "given", "COIN_STORE": "parquet"}, "sh", "-c", "exit 7")
    assert (found.returncode, found.stdout, found.stderr) == (7, "", "")


@pytest.mark.parametrize("name", READ_BY_ENTRYPOINT)
@pytest.mark.parametrize("kind", ["absent", "folder"])
def test_a_secret_that_is_not_there_stops_the_start(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "secret"
    if kind == "folder":  # what an engine makes of a bind mount without a source
        path.mkdir()
    found = entered({f"{name}_FILE": str(path)}, "echo", "started")
    assert found.returncode == 78
    assert found.stdout == ""
    assert f"{name}_FILE: {path}" in found.stderr
    assert "make compose-secrets" in found.stderr


def test_only_alerts_may_be_left_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name in READ_BY_ENTRYPOINT:
        found = entered({f"{name}_FILE": str(tmp_path / "empty")}, "env")
        optional = name.startswith("COIN_")
        assert found.returncode == (0 if optional else 78)
        assert (f"{name}=" in found.stdout.splitlines()) == optional


def test_every_secret_gets_a_random_value_once(tmp_path: Path) -> None:
    values = list[str]()
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(DEPLOY / "secrets.sh", folder)
        made = subprocess.run(
            ["sh", str(folder / "secrets.sh")], capture_output=True, text=True, check=True
        )
        secrets = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
        assert secrets.keys() == COMPOSE["secrets"].keys()
        assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
        again = subprocess.run(
            ["sh", str(folder / "secrets.sh")], capture_output=True, text=True, check=True
        )
        assert secrets == {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
        needed = {name: value for name, value in secrets.items() if value}
        assert all(re.fullmatch("[0-9a-f]{64}", value) for value in needed.values())
        assert not any(value in made.stdout + again.stdout for value in needed.values())
        assert needed.keys() == secrets.keys() - {"alert_webhooks", "heartbeat_url"}
        values += needed.values()
    assert len(set(values)) == 6


# Answers as influx 2.8 does: indented JSON, a list for buckets (docs.influxdata.com, influx bucket
# list and influx auth create, --json), and records what it was called with.
INFLUX = """#!/bin/sh
echo "$*" >> "$CALLS"
case $1 in
bucket) printf '[\n\t{\n\t\t"id": "%s",\n\t\t"name": "coin_assets"\n\t}\n]\n' "$BUCKET" ;;
auth) printf '{\n\t"id": "0b",\n\t"description": "coin_assets",\n\t"token": "%s"\n}\n' "$TOKEN" ;;
esac
"""


@pytest.mark.parametrize(
    ("bucket", "token", "is_made"),
    [("0a1b", "x-Y_z==", True), ("", "x", False), ("0a1b", "", False)],
)
def test_the_token_of_the_platform_may_use_its_bucket_only(
    tmp_path: Path, bucket: str, token: str, is_made: bool
) -> None:
    (tmp_path / "influx").write_text(INFLUX)
    (tmp_path / "influx").chmod(0o755)
    (tmp_path / "token").write_text("the old one")
    given = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "BUCKET": bucket, "TOKEN": token}
    given |= {"CALLS": str(tmp_path / "calls"), "DOCKER_INFLUXDB_INIT_ORG": "coin_assets"}
    made = subprocess.run(
        [str(DEPLOY / "influxdb_token.sh"), str(tmp_path)],
        env=given | {"DOCKER_INFLUXDB_INIT_BUCKET": "coin_assets"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (made.returncode == 0) == is_made
    assert (tmp_path / "token").read_text() == (token if is_made else "the old one")
    assert token not in made.stdout + made.stderr or not token
    if is_made:
        (_, created) = (tmp_path / "calls").read_text().splitlines()
        words = re.findall(r"--(read|write|all|operator)\S*(?: (\w+))?", created)
        assert words == [("read", bucket), ("write", bucket)]
        assert (tmp_path / "token").stat().st_mode & 0o777 == 0o444


def test_the_workflow_runs_what_ci_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    (job,) = workflow["jobs"].values()
    checkout, run = job["steps"]
    assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", checkout["uses"])
    assert run["run"].endswith(" .ci/run")
    assert workflow["permissions"] == {"contents": "read"}


def test_secrets_are_ignored_by_git_and_not_sent_to_the_builder() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "deploy/secrets/" in ignored
    assert "deploy/.env" in ignored
    assert not any(
        "secrets" in line for line in (ROOT / ".dockerignore").read_text().splitlines()[1:]
    )
