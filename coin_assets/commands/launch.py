"""``make launch``: checks the settings of a job, and queues it in the running ``make up``."""

import argparse
import sys
import time
from collections.abc import Sequence

import dagster as dg

from coin_assets.commands.run_config import job_named, month_of, parsed_config, require_valid
from coin_assets.commands.terminal import finished, shortened
from coin_assets.commands.web_ui import WebUi
from coin_assets.config.numbers import whole_number
from coin_assets.config.settings import Settings
from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.build import build_definitions, series_specs
from coin_assets.orchestration.failures import record_in, unrecorded
from coin_assets.orchestration.locations import location_of
from coin_assets.supervision.home_lock import address_of

_POLL_SECONDS = 1.0
_MOST_CAUSE = 400


def main(arguments: Sequence[str] | None = None) -> int:
    """Launch; 0 when it is queued (or has succeeded), 1 if the run failed, 2 if nothing began."""
    wanted = _parser().parse_args(arguments)
    return finished("make launch", lambda: _launch(Settings(), wanted))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make launch",
        description="Queue a run of a job in the running make up. Job and settings are checked "
        "first. Jobs and their settings: docs/commands.md.",
    )
    parser.add_argument("--job", default="", help="name of the job (make: JOB=)")
    parser.add_argument("--config", default="", help="its settings, as JSON (CONFIG=)")
    parser.add_argument("--partition", default="", help="month of update: 2026-11 (PARTITION=)")
    parser.add_argument("--shard", default="", help="which of COIN_SHARDS runs it (SHARD=)")
    parser.add_argument(
        "--wait", action="store_true", help="wait for the end; 1 if the run fails (WAIT=1)"
    )
    return parser


def _of_shard(settings: Settings, wanted: str) -> Settings:
    """The settings of the location that runs the job."""
    if wanted:
        return settings.of_shard(whole_number(0)(wanted))
    if settings.shards > 1 and settings.shard is None:
        raise ConfigurationError(
            f"SHARD: not given; each shard works on its own symbols. Write SHARD=0 to "
            f"SHARD={settings.shards - 1}."
        )
    return settings


def _launch(settings: Settings, wanted: argparse.Namespace) -> int:
    settings = _of_shard(settings, wanted.shard)
    job = job_named(wanted.job, build_definitions(settings).resolve_all_job_defs())
    config, month = parsed_config(wanted.config), month_of(job, wanted.partition)
    require_valid(job, config, series_specs(settings))
    address = address_of(settings.home)
    if not address:
        remedy = (
            f"Start make up with COIN_HOME={settings.home}; nothing was queued."
            if address is None
            else "Its web UI is elsewhere, or not there yet: launch the job there."
        )
        word = "no make up runs" if address is None else "no web UI is known"
        raise ConfigurationError(f"{word} on the home {settings.home}. {remedy}")
    ui = WebUi(address)
    location = None if settings.shards == 1 else location_of(settings.own_shard)
    tags = {} if month is None else {"dagster/partition": month}
    run_id = ui.launch(job.name, config, tags, location)
    print(f"{job.name}: run {run_id} is queued, see {ui.page_of(run_id)}", flush=True)
    return _followed(settings, job.name, run_id) if wanted.wait else 0


def _followed(settings: Settings, job: str, run_id: str) -> int:
    """Wait for the end of a run, and print it; 0 if it has succeeded."""
    began = time.monotonic()
    with dg.DagsterInstance.get() as instance:
        while True:
            run = instance.get_run_by_id(run_id)
            if run is None:
                raise ConfigurationError(f"run {run_id} was deleted")
            if run.is_finished:
                break
            if address_of(settings.home) is None:
                raise ConfigurationError(
                    f"make up was stopped; run {run_id} is {run.status.value.lower()}. Start make "
                    "up again: a queued run then starts."
                )
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - began
        print(f"{job}: {run.status.value.lower()} after {seconds:.0f} s")
        if run.is_success:
            return 0
        for line in _causes(instance, run_id):
            print(f"  {line}", file=sys.stderr)
        return 1


def _causes(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Why each failed step failed, as the platform says it."""
    found: dict[str, str] = {}
    for entry in instance.all_logs(run_id):
        step = entry.step_key or ""
        if (record := record_in(entry)) is not None:
            found[step] = record.message
        elif entry.is_dagster_event and entry.get_dagster_event().is_step_failure:
            found.setdefault(step, unrecorded(entry).message)
    return [f"{step}: {shortened(text, _MOST_CAUSE)}" for step, text in found.items()]


if __name__ == "__main__":
    sys.exit(main())
