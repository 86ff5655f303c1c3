"""``make up``: checks settings, home and port, then becomes the supervisor of Dagster's servers.

In ``deploy/compose.yaml``, where web UI and daemon are other containers, it becomes the code
location server. Two daemons on one home would launch every run twice, so the process holds a lock
on the home; the kernel releases it when the process ends.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
from dagster._core.remote_origin import (
    CodeLocationOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
)
from dagster._core.workspace.load_target import WorkspaceFileTarget

from coin_assets import metrics, supervision, watcher, web
from coin_assets.config import numbers
from coin_assets.config.settings import Settings, variable_of
from coin_assets.domain.shards import Shard
from coin_assets.errors import CoinAssetsError, ConfigurationError
from coin_assets.files.atomic import private_folder
from coin_assets.orchestration import dead_runs
from coin_assets.orchestration.build import build_definitions
from coin_assets.orchestration.locations import location_of, target_of
from coin_assets.orchestration.progress import print_anything
from coin_assets.orchestration.records.damage import set_aside_and_report
from coin_assets.supervision.home_lock import hold, hold_shard, note_address
from coin_assets.supervision.parts import CodeLocation, Plan
from coin_assets.supervision.ports import require_free

HOST = "127.0.0.1"
_SITE = "coin_assets.commands.site"
WORKSPACE = "workspace.yaml"
_CODE_SECONDS = 180  # to load the definitions; as dagster dev allows


def main(arguments: Sequence[str] | None = None) -> int:
    """Start web UI and daemon; returns 2 if the settings, the home or the port cannot be used."""
    wanted = _parser().parse_args(arguments)
    host = wanted.host
    print_anything()
    try:
        port = _port(wanted.port)
        settings = Settings()
        shards = _shards(settings, is_one=wanted.code_server)
        for shard in shards:
            build_definitions(settings.of_shard(shard.number))
        is_alone = shards[0].is_alone or not wanted.code_server
        lock = hold(settings.home) if is_alone else hold_shard(settings.home, shards[0].number)[0]
        require_free("PORT", host, port)
        if settings.metrics_port:
            require_free("COIN_METRICS_PORT", metrics.HOST, settings.metrics_port)
        set_aside_and_report(settings.home, "make up")
    except CoinAssetsError as error:
        print(f"make up: {error}", file=sys.stderr)
        return 2
    instance = dg.DagsterInstance.get()
    private_folder(Path(instance.root_directory))  # on PostgreSQL it holds the logs of steps
    dead_runs.end_and_report(instance)
    served = "code location" if wanted.code_server else "web UI"
    print(
        f"make up: {len(settings.symbols)} symbols x {len(settings.timeframes)} timeframes from "
        f"{settings.market}, home {settings.home}, {served} http://{host}:{port}",
        flush=True,
    )
    if wanted.code_server:
        command = ["dagster", "code-server", "start", *target_of(shards[0]).get_cli_args()]
        command += ["--host", host, "--port", str(port)]
    else:
        note_address(lock, f"http://{host}:{port}")
        page = _page_address(settings, port)
        plan = _plan(wanted, port, settings, shards, has_page=bool(page))
        command = [supervision.__name__, plan.write()]
        if page and not settings.site_url:
            os.environ[variable_of("site_url")] = page
        os.environ["DAGSTER_IS_DEV_CLI"] = "1"  # as dagster dev sets it
    if settings.market_kind == "ccxt":  # returns at once
        subprocess.run([sys.executable, "-m", "coin_assets.commands.market_probe"], check=False)
    # Background processes of a shell may ignore signals, and the servers would inherit that.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
    # Not the dagster script: the interpreter path in its first line may be too long.
    return os.execv(sys.executable, [sys.executable, "-m", *command])  # noqa: S606 (fixed words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make up",
        description="Web UI and daemon on localhost; settings: docs/settings.md. A server that "
        "ends is started again. Ctrl-C stops all, runs too; a second one kills them.",
    )
    parser.add_argument("--port", default="3000", help="port of the web UI (make: PORT=)")
    parser.add_argument("--host", default=HOST, help="address to listen on")
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="show the whole log, not only warnings, errors, alerts and runs (make: VERBOSE=1)",
    )
    parser.add_argument(
        "--code-server", action="store_true", help="only the code location, for gRPC clients"
    )
    return parser


def _port(text: str) -> int:
    try:
        return numbers.port(3000, required=True)(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"PORT: {error}") from error


def _shards(settings: Settings, *, is_one: bool) -> list[Shard]:
    """The shards whose code locations this process starts.

    Args:
        is_one: a container serves the shard that ``COIN_SHARD`` names.
    """
    if is_one or settings.shard is not None:
        return [settings.own_shard]
    return [Shard(number, settings.shards) for number in range(settings.shards)]


def _origins(shards: Sequence[Shard]) -> Sequence[CodeLocationOrigin]:
    """Code locations: of the workspace file, or one a shard, like deploy/workspace.sharded.yaml."""
    if shards[0].is_alone:
        return WorkspaceFileTarget([WORKSPACE]).create_origins()
    return [
        ManagedGrpcPythonEnvCodeLocationOrigin(target_of(each), location_of(each))
        for each in shards
    ]


def _plan(
    wanted: argparse.Namespace,
    port: int,
    settings: Settings,
    shards: Sequence[Shard],
    *,
    has_page: bool,
) -> Plan:
    """What ``dagster dev`` starts, for `supervision`.

    ``dagster dev`` warns that it is superseded, and ends as a whole when one server does.
    """
    folder = Path(tempfile.mkdtemp(prefix="coin_up_"))
    python, level = (sys.executable, "-m"), "info" if wanted.verbose else "warning"
    locations, served = [], []
    for number, origin in enumerate(_origins(shards)):
        if not isinstance(origin, ManagedGrpcPythonEnvCodeLocationOrigin):
            raise TypeError(f"{WORKSPACE}: {origin.location_name} is no Python code location")
        target, path = origin.loadable_target_origin, str(folder / f"{number}.sock")
        command = (
            *(*python, "dagster", "code-server", "start", "--socket", path),
            *("--location-name", origin.location_name, "--log-level", "warning"),
            *("--startup-timeout", str(_CODE_SECONDS), "--inject-env-vars-from-instance"),
            *target.get_cli_args(),
        )
        locations.append(CodeLocation(origin.location_name, command, path))
        known = {"location_name": origin.location_name, "socket": path}
        served.append({"grpc_server": known | {"additional_metadata": target.as_dict}})
    workspace = folder / WORKSPACE
    workspace.write_text(json.dumps({"load_from": served}))
    return Plan(
        locations=tuple(locations),
        web=(
            *(*python, web.__name__, "--host", wanted.host, "--port", str(port)),
            *("--ui-hosts", ",".join(settings.ui_hosts)),
            *("--dagster-log-level", level, "--workspace", str(workspace)),
        ),
        daemon=(
            *(*python, "dagster._daemon", "run", "--log-level", level),
            *("--workspace", str(workspace)),
        ),
        watcher=(*python, watcher.__name__),
        sweep=(*python, dead_runs.__name__),
        metrics=(*python, metrics.__name__) if _has_metrics(settings) else (),
        site=(*python, _SITE) if has_page else (),
        folder=str(folder),
        verbose=wanted.verbose,
    )


def _page_address(settings: Settings, port: int) -> str | None:
    """Where the page will be served; None if it will not, for example beside another make up.

    Args:
        port: of the web UI, which will only be in use later.
    """
    if not settings.site_port:
        return None
    try:
        if settings.site_port == port:
            raise ConfigurationError(
                f"COIN_SITE_PORT: {port} is the port of the web UI (PORT=); choose another one."
            )
        require_free("COIN_SITE_PORT", HOST, settings.site_port)
    except ConfigurationError as error:
        print(f"make up: the page is not served: {error}", flush=True)
        return None
    address = f"http://{HOST}:{settings.site_port}"
    print(f"make up: page {address}", flush=True)
    return address


def _has_metrics(settings: Settings) -> bool:
    return settings.metrics_port > 0 or settings.metrics_textfile is not None


if __name__ == "__main__":
    sys.exit(main())
