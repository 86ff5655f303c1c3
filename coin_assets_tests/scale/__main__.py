"""``python -m coin_assets_tests.scale``: the platform on workers, on loopback alone.

The exit code tells whether every expectation was met. The timeline is printed in any case.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import dagster as dg

from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.deploy.postgres import BINARIES
from coin_assets_tests.deploy.redis import PROGRAM
from coin_assets_tests.live.__main__ import tell
from coin_assets_tests.live.__main__ import variables as live_variables
from coin_assets_tests.live.market import Control
from coin_assets_tests.live.observer import Observer
from coin_assets_tests.live.receiver import Receiver
from coin_assets_tests.live.rig import SERIES_LIST, Rig
from coin_assets_tests.live.scenario import Plan
from coin_assets_tests.live.timeline import Timeline

_READ_HERE = ("DAGSTER_", "COIN_DAGSTER_HOME")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m coin_assets_tests.scale", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the cut that CI runs")
    parser.add_argument("--json", type=Path, help="write timeline and figures to this file")
    given = parser.parse_args(arguments)
    missing = [
        name for name, found in (("postgresql", BINARIES), ("redis-server", PROGRAM)) if not found
    ]
    if missing:
        print(f"scale test: skipped, without Debian's {' and '.join(missing)}")  # noqa: T201
        return 0
    try:
        run(is_short=given.short, report=given.json)
    except Exception:  # noqa: BLE001 (whatever it is, the test has failed)
        traceback.print_exc()
        return 1
    print("scale test: every expectation was met")  # noqa: T201
    return 0


def run(*, is_short: bool, report: Path | None) -> None:
    """Play the scenario in a home of its own; everything is stopped in the end.

    Raises:
        AssertionError: an expectation was not met.
    """
    from coin_assets_tests.scale.scenario import FRESHNESS, Scale, play
    from coin_assets_tests.scale.stack import stack  # needs dagster-celery

    timeline = Timeline()
    receiver = Receiver(timeline)
    plan = Plan(is_short, FRESHNESS, cycle_seconds=10, repeat_cycles=30, escalate_cycles=300)
    with ExitStack() as cleanup:
        cleanup.callback(receiver.go_away)
        made = cleanup.enter_context(stack(live_variables(plan, receiver.port)))
        environment = made.installation.environment
        control = Path(environment["LIVE_CONTROL"])
        Control().write(control)
        os.environ.update(
            {name: text for name, text in environment.items() if name.startswith(_READ_HERE)}
        )
        instance = cleanup.enter_context(dg.DagsterInstance.get())
        home = made.installation.home
        observer = Observer(home / "published", SERIES_LIST, instance, timeline)
        rig = Rig(
            made.installation, receiver, timeline, observer, instance, ParquetStore(home), control
        )
        failed = True
        try:
            with observer:
                play(Scale(rig, made), is_short=is_short)
            failed = False
        finally:
            if failed:
                print(made.log())  # noqa: T201
            tell(rig, report, failed)


if __name__ == "__main__":
    sys.exit(main())
