"""``python -m coin_assets.watcher``: reads the settings, then becomes the process that watches.

The settings need libraries that take many times the memory of the watcher, so it starts anew
without them. What it needs, addresses of channels among it, passes through a pipe.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from coin_assets.errors import ConfigurationError
from coin_assets.watcher.plan import WatchPlan


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch until a signal; returns 2 if the settings cannot be used.

    With ``--once``: print what is wrong now; 1 if anything is.
    """
    parser = argparse.ArgumentParser(
        prog="python -m coin_assets.watcher",
        description="Sends alerts about the machine: folders that cannot be written, databases "
        "that cannot be used, an alerting that is silent. make up starts it by itself.",
    )
    parser.add_argument("--once", action="store_true", help="print what is wrong now; send nothing")
    parser.add_argument("--plan", type=int, help=argparse.SUPPRESS)  # end of a pipe
    wanted = parser.parse_args(arguments)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
    if wanted.plan is not None:
        from coin_assets.watcher.watch import watch

        with os.fdopen(wanted.plan, "rb") as pipe:
            plan = WatchPlan.parse(pipe.read())
        return watch(plan, once=wanted.once)
    try:
        plan = _configured()
    except ConfigurationError as error:
        sys.stderr.write(f"watcher: {error}\n")
        return 2
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(plan.text())
    command = [sys.executable, "-m", __package__, "--plan", str(reading)]
    return os.execv(sys.executable, [*command, *(["--once"] if wanted.once else [])])  # noqa: S606


def _configured() -> WatchPlan:
    """The plan of this installation, from its settings."""
    from coin_assets.alerts.database import FOLDER
    from coin_assets.config.records import records_of
    from coin_assets.config.settings import Settings

    settings = Settings()
    records = records_of(settings.home)
    return WatchPlan(
        home=str(settings.home),
        published=str(settings.publish_dir),
        records=str(records.folder),
        alerts=str(settings.home / FOLDER),
        postgres=records.postgres,
        webhooks=tuple((each.kind, each.url) for each in settings.alert_webhooks),
        cycle_seconds=settings.alert_cycle_seconds,
        repeat_cycles=settings.alert_repeat_cycles,
        escalate_cycles=settings.alert_escalate_cycles,
        shards=settings.shards,
    )


if __name__ == "__main__":
    sys.exit(main())
