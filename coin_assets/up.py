"""``make up``: checks settings, home and port, then becomes ``dagster dev``.

In ``deploy/compose.yaml``, where web UI and daemon are other containers, it becomes the code
location server. Two daemons on one home would launch every run twice, so the process holds a lock
on the home; the kernel releases it when the process ends.
"""

import argparse
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from coin_assets.config.settings import Settings
from coin_assets.errors import CoinAssetsError, ConfigurationError
from coin_assets.orchestration.build import build_definitions
from coin_assets.orchestration.dead_runs import end_dead_runs
from coin_assets.orchestration.progress import print_anything

HOST = "127.0.0.1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Start web UI and daemon; returns 2 if the settings, the home or the port cannot be used."""
    parser = argparse.ArgumentParser(
        prog="make up", description="Web UI and daemon on localhost; settings: docs/settings.md."
    )
    parser.add_argument("--port", type=int, default=3000, help="port of the web UI (make: PORT=)")
    parser.add_argument("--host", default=HOST, help="address to listen on")
    parser.add_argument(
        "--code-server", action="store_true", help="only the code location, for gRPC clients"
    )
    wanted = parser.parse_args(arguments)
    host, port = wanted.host, wanted.port
    print_anything()
    try:
        settings = Settings()
        build_definitions(settings)
        _hold(settings.home)
        _require_free(host, port)
    except CoinAssetsError as error:
        print(f"make up: {error}", file=sys.stderr)
        return 2
    ended = end_dead_runs(dg.DagsterInstance.get())
    if ended:
        print(f"make up: marked {len(ended)} runs of killed processes as failed")
    served = "code location" if wanted.code_server else "web UI"
    print(
        f"make up: {len(settings.symbols)} symbols x {len(settings.timeframes)} timeframes from "
        f"{settings.market}, home {settings.home}, {served} http://{host}:{port}",
        flush=True,
    )
    command = ["dev", "--workspace", "workspace.yaml"]
    if wanted.code_server:
        command = ["code-server", "start", "--module-name", "coin_assets.definitions"]
    command += ["--host", host, "--port", str(port)]
    # Background processes of a shell ignore SIGINT, and the servers would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Not the dagster script: the interpreter path in its first line may be too long.
    dagster = [sys.executable, "-m", "dagster", *command]
    return os.execv(sys.executable, dagster)  # noqa: S606 (a fixed command line)


def _hold(home: Path) -> None:
    """Lock ``home``; the program that this process becomes keeps the lock."""
    file = os.open(home / ".up.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigurationError(
            f"COIN_HOME: {str(home)!r} is being served by another make up; stop that one, or "
            "choose another COIN_HOME."
        ) from error
    os.set_inheritable(file, True)


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"PORT: {port} on {host} cannot be used ({error}); stop what uses it, or choose "
                f"another one, as in make up PORT={port + 1}."
            ) from error


if __name__ == "__main__":
    sys.exit(main())
