"""Timeline and boundaries of a scale test, as text and as JSON."""

import statistics
from datetime import UTC, datetime
from pathlib import Path

from coin_assets_tests.live.boundaries import as_documents, boundaries, note_runs, run_times, table
from coin_assets_tests.scale.rig import SETTLE_SECONDS, Scale

# A line a series and minute, or a run; they are in the JSON.
_MANY = ("published", "status", "run", "step failure")


def tell(scale: Scale, report: Path | None, *, failed: bool) -> None:
    """Print the timeline and the boundaries of each shard; with ``report``, write them as JSON."""
    note_runs(scale.timeline, run_times(scale.instance), scale.instance)
    first = datetime.fromtimestamp(scale.timeline.started, UTC)
    found = {
        str(each.shard): boundaries(
            each.observer.published,
            run_times(scale.instance, each.runs),
            each.series,
            SETTLE_SECONDS,
            first,
            datetime.now(UTC),
            scale.timeline.is_calm,
        )
        for each in scale.shards
    }
    lines = ["", "Timeline", scale.timeline.text(without=_MANY)]
    for name, listed in found.items():
        lines += ["", f"Boundary to published, seconds, {name}", table(listed)]
        if totals := sorted(each.total for each in listed if each.calm):
            median = statistics.median(totals)
            lines.append(f"median {median:.1f} s, longest {totals[-1]:.1f} s, {len(totals)} calm")
    if failed:
        made = scale.stack.installation
        lines += ["", f"Log of make up ({made.log})", made.log_tail(), "", scale.stack.log()]
    print("\n".join(lines), flush=True)  # noqa: T201
    if report is not None:
        documents = {name: as_documents(listed) for name, listed in found.items()}
        scale.timeline.write(report, boundaries=documents, passed=not failed)
