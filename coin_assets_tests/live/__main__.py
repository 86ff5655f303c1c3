"""``python -m coin_assets_tests.live``: the platform live, for minutes, on loopback alone.

The exit code tells whether every expectation was met. The timeline is printed in any case.
"""

import os
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from coin_assets.domain.timeframes import month_start
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.live.boundaries import (
    as_documents,
    boundaries,
    note_runs,
    run_times,
    table,
)
from coin_assets_tests.live.command import played
from coin_assets_tests.live.installation import installation
from coin_assets_tests.live.market import Control
from coin_assets_tests.live.observer import Observer
from coin_assets_tests.live.receiver import HEARTBEAT, Receiver
from coin_assets_tests.live.rig import SERIES_LIST, SYMBOLS, Rig
from coin_assets_tests.live.scenario import SHORT, WHOLE, Plan, play
from coin_assets_tests.live.timeline import Timeline

SETTLE_SECONDS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    return played(
        "live",
        __doc__,
        "the cut that CI runs",
        arguments,
        lambda is_short, report: run(SHORT if is_short else WHOLE, report),
    )


def run(plan: Plan, report: Path | None) -> None:
    """Play a scenario in a home of its own; everything is stopped in the end.

    Raises:
        AssertionError: an expectation was not met.
    """
    timeline = Timeline()
    receiver = Receiver(timeline)
    with ExitStack() as stack:
        stack.callback(receiver.go_away)
        made = stack.enter_context(installation("live-", variables(plan, receiver.port)))
        control = Path(made.environment["LIVE_CONTROL"])
        Control().write(control)
        os.environ.update(  # for the instance that is read here
            {name: made.environment[name] for name in ("DAGSTER_HOME", "COIN_DAGSTER_HOME")}
        )
        instance = stack.enter_context(dg.DagsterInstance.get())
        observer = Observer(made.home / "published", SERIES_LIST, instance, timeline)
        store = ParquetStore(made.home)
        rig = Rig(made, receiver, timeline, observer, instance, store, control)
        failed = True
        try:
            with observer:
                play(rig, plan)
            failed = False
        finally:
            tell(rig, report, failed)


def variables(plan: Plan, port: int) -> dict[str, str]:
    """Settings of the installation; `Installation` adds its folders."""
    hooks = f"http://127.0.0.1:{port}"
    start = month_start(month_start(datetime.now(UTC)) - timedelta(days=1))
    return {
        "COIN_SYMBOLS": ",".join(SYMBOLS),
        "COIN_SOURCE_TIMEFRAMES": "1m",
        "COIN_DERIVED_TIMEFRAMES": "5m",
        "COIN_HISTORY_START": f"{start:%Y-%m-%d}",
        "COIN_SETTLE_SECONDS": str(SETTLE_SECONDS),
        "COIN_RETENTION": "1m:2d",
        "COIN_ALERT_WEBHOOKS": f"json+{hooks}/json,discord+{hooks}/discord",
        "COIN_ALERT_CYCLE_SECONDS": str(plan.cycle_seconds),
        "COIN_ALERT_REPEAT_CYCLES": str(plan.repeat_cycles),
        "COIN_ALERT_ESCALATE_CYCLES": str(plan.escalate_cycles),
        "COIN_HEARTBEAT_URL": f"{hooks}/{HEARTBEAT}",
        "LIVE_FRESHNESS": plan.freshness,
    }


def tell(rig: Rig, report: Path | None, failed: bool) -> None:
    """Print the timeline and the boundaries; with ``report``, write them as JSON."""
    runs = run_times(rig.instance)
    note_runs(rig.timeline, runs, rig.instance)
    first = datetime.fromtimestamp(rig.timeline.started, UTC)
    found = boundaries(
        rig.observer.published,
        runs,
        SERIES_LIST,
        SETTLE_SECONDS,
        first,
        datetime.now(UTC),
        rig.timeline.is_calm,
    )
    lines = ["", "Timeline", rig.timeline.text(), "", "Boundary to published, seconds"]
    lines.append(table(found))
    if totals := sorted(each.total for each in found if each.calm):
        median = statistics.median(totals)
        lines.append(
            f"median {median:.1f} s, longest {totals[-1]:.1f} s of {len(totals)} calm ones"
        )
    if failed:
        lines += ["", f"Log of make up ({rig.installation.log})", rig.installation.log_tail()]
    print("\n".join(lines), flush=True)  # noqa: T201
    if report is not None:
        rig.timeline.write(report, boundaries=as_documents(found), passed=not failed)


if __name__ == "__main__":
    sys.exit(main())
