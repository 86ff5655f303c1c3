"""``python -m coin_assets.web``: Dagster's web server behind `Guard`.

It has the options of ``dagster-webserver``, without those of its parent processes, and
``--ui-hosts``.
"""

from socket import socket
from typing import Any

import click
import uvicorn
from dagster._cli.utils import get_possibly_temporary_instance_for_cli
from dagster._cli.workspace.cli_target import workspace_opts_to_load_target
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._utils.log import configure_loggers
from dagster_shared.cli import WorkspaceOpts
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.cli import DEFAULT_WEBSERVER_PORT, dagster_webserver
from dagster_webserver.version import __version__

from coin_assets.config.addresses import hosts
from coin_assets.errors import ConfigurationError
from coin_assets.supervision.log_lines import READY
from coin_assets.web.guard import Guard

_NOT_STARTED = 3  # as uvicorn.run exits
_LEFT_OUT = {"suppress_warnings", "instance_ref", "shutdown_pipe"}


def serve(**options: Any) -> None:
    """Serve the web UI until a signal.

    Raises:
        click.UsageError: ``--ui-hosts`` is no list of hosts.
    """
    try:
        named = hosts(options["ui_hosts"])
    except ConfigurationError as error:
        raise click.UsageError(f"--ui-hosts: {error}") from error
    configure_loggers(
        formatter=options["log_format"], log_level=options["dagster_log_level"].upper()
    )
    with get_possibly_temporary_instance_for_cli("coin_assets.web") as instance:
        instance.optimize_for_webserver(
            options["db_statement_timeout"],
            options["db_pool_recycle"],
            options["db_pool_max_overflow"],
        )
        with WorkspaceProcessContext(
            instance,
            version=__version__,
            read_only=options["read_only"],
            workspace_load_target=workspace_opts_to_load_target(
                WorkspaceOpts.extract_from_cli_options(options)
            ),
            code_server_log_level=options["code_server_log_level"],
        ) as context:
            app = create_app_from_workspace_process_context(
                context, options["path_prefix"], options["live_data_poll_rate"]
            )
            server = _Server(
                uvicorn.Config(
                    Guard(app, options["host"], named),
                    host=options["host"],
                    port=options["port"] or DEFAULT_WEBSERVER_PORT,
                    log_level=options["uvicorn_log_level"],
                )
            )
            server.run()
            if not server.started:
                raise SystemExit(_NOT_STARTED)


class _Server(uvicorn.Server):
    """Prints its address when it listens: loading the definitions takes a while until then."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"{READY} http://{self.config.host}:{self.config.port}", flush=True)  # noqa: T201


command = click.Command(
    "coin_assets.web",
    callback=serve,
    params=[
        *(each for each in dagster_webserver.params if each.name not in _LEFT_OUT),
        click.Option(
            ["--ui-hosts"], default="", help="Further hosts under which the web UI is reached."
        ),
    ],
    help="Dagster's web server behind a check of Host and Origin.",
)

if __name__ == "__main__":
    command(auto_envvar_prefix="DAGSTER_WEBSERVER")
