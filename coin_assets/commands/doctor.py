"""``make doctor``: everything that can be looked at from outside, a line each."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import product

import dagster as dg

from coin_assets.alerts.channels import channels_of
from coin_assets.alerts.heartbeat import heartbeat_age
from coin_assets.commands.status import line_of, read_manifest
from coin_assets.commands.terminal import finished, print_findings, print_json
from coin_assets.config.records import records_of
from coin_assets.config.settings import Settings
from coin_assets.domain.durations import duration_text
from coin_assets.domain.json_format import time_text
from coin_assets.domain.publishing.documents import published_market
from coin_assets.domain.publishing.manifest import FRESH, INSUFFICIENT_DATA
from coin_assets.domain.publishing.root import MANIFEST
from coin_assets.errors import CoinAssetsError
from coin_assets.market.base import RemoteMarket
from coin_assets.market.server_clock import ServerTime, time_of
from coin_assets.orchestration.assets.exogenous import FETCH_JOB
from coin_assets.orchestration.build import configured_resources
from coin_assets.orchestration.records.sizes import record_sizes
from coin_assets.orchestration.resources import Resources
from coin_assets.orchestration.sensors.alert_settings import alert_settings
from coin_assets.orchestration.sensors.conditions import MACHINERY_REMEDY
from coin_assets.orchestration.sensors.exogenous_runs import last_fetch_failures
from coin_assets.orchestration.sensors.health_alerts import WATCHED_JOBS
from coin_assets.orchestration.sensors.machinery import troubles
from coin_assets.orchestration.sensors.runs import job_failures
from coin_assets.pipeline.exchange_clock import REMEDY as CLOCK_REMEDY
from coin_assets.planning.facts import Failures
from coin_assets.store.base import Finding
from coin_assets.supervision.home_lock import address_of

_MOST_SERIES = 10
_LATE_CYCLES = 5
_FETCH_REMEDY = (
    "While make up runs, each of its series is tried again by itself; what else helps: "
    "docs/operations/exogenous.md"
)


def main(arguments: Sequence[str] | None = None, now: datetime | None = None) -> int:
    """Print a line a finding; 0 if all are fine, 1 if one is not, 2 if the settings are wrong."""
    parser = argparse.ArgumentParser(
        prog="make doctor",
        description="Looks at settings, home, file systems, exchange, store, sensors, runs, every "
        "series, Dagster's records and the alerts, and prints a line each with the remedy. Changes "
        "nothing; works with and without a running make up. Exit code 0: all fine; 1: something "
        "failed; 2: wrong settings.",
    )
    parser.add_argument("--json", action="store_true", help="for programs (make: JSON=1)")
    wanted = parser.parse_args(arguments)
    return finished("make doctor", lambda: _show(Settings(), now or datetime.now(UTC), wanted.json))


def _show(settings: Settings, now: datetime, as_json: bool) -> int:
    findings = found(settings, now)
    if not as_json:
        return print_findings(findings)
    rows = [{"about": each.about, "ok": each.is_fine, "detail": each.detail} for each in findings]
    print_json({"at": time_text(now), "findings": rows})
    return 0 if all(each.is_fine for each in findings) else 1


def found(settings: Settings, now: datetime) -> list[Finding]:
    """All findings; a part that cannot be looked at is one, and hides no other."""
    with ExitStack() as opened:
        parts: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
            ("settings", lambda: _of_settings(settings)),
            ("make up", lambda: _of_platform(settings)),
            ("file systems", lambda: _of_file_systems(settings)),
            ("exchange", lambda: _of_exchange(settings)),
            ("store", lambda: _of_store(settings, now)),
            ("series", lambda: _of_series(settings, now)),
            ("alerts", lambda: _of_alerts(settings, now)),
        ]
        findings = [each for name, look in parts for each in _looked_at(name, look)]
        if not any(records_of(settings.home).folder.glob("*")):
            return [*findings, Finding("records", "there are none yet; make up or demo makes them")]

        def of_records() -> Iterable[Finding]:
            return _of_records(opened.enter_context(dg.DagsterInstance.get()), settings)

        return [*findings, *_looked_at("records", of_records)]


def _looked_at(about: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except Exception as error:  # noqa: BLE001 (whatever fails is a finding, and the others follow)
        text = str(error) if isinstance(error, CoinAssetsError) else f"{error!r}"
        return [Finding(about, text, is_fine=False)]


def _of_settings(settings: Settings) -> Iterable[Finding]:
    yield Finding(
        "settings",
        f"valid: {len(settings.symbols)} symbols x {len(settings.timeframes)} timeframes from "
        f"{settings.market}, home {settings.home}",
    )


def _of_platform(settings: Settings) -> Iterable[Finding]:
    address = address_of(settings.home)
    if address is None:
        yield Finding(
            "make up", "does not run on this home; nothing is collected. Start it.", is_fine=False
        )
    else:
        yield Finding("make up", f"runs{f' at {address}' if address else ''}")


def _of_file_systems(settings: Settings) -> Iterable[Finding]:
    disk, limits = _resources(settings).disk, settings.disk_limits
    for space in disk.spaces():
        is_fine = space.percent < limits.warn
        remedy = "" if is_fine else f" (limits {limits}). Free space, or use a larger disk."
        yield Finding("file system", f"{space}{remedy}", is_fine)
    pause = disk.reason_to_pause()
    yield Finding("room for records and alerts", pause or "enough is free", pause is None)


def _resources(settings: Settings) -> Resources:
    return configured_resources(settings.of_shard(settings.shard or 0))


def _of_exchange(settings: Settings) -> Iterable[Finding]:
    market = _resources(settings).market.client()
    try:
        if not isinstance(market, RemoteMarket):
            yield Finding("exchange", f"{settings.market} is on this machine")
            return
        began = datetime.now(UTC)
        market.probe(settings.series_list[0])
        seconds = (datetime.now(UTC) - began).total_seconds()
        yield Finding("exchange", f"{settings.market} answered after {seconds:.1f} s")
        yield _of_clock(time_of(market), settings)
    finally:
        market.close()


def _of_clock(there: ServerTime | None, settings: Settings) -> Finding:
    if there is None:
        return Finding("clock", "the exchange does not tell its time")
    lead = there.lead_of(datetime.now(UTC)).total_seconds()
    if abs(lead) <= max(settings.settle_seconds, 1):
        return Finding("clock", "as that of the exchange")
    words = f"{abs(lead):.0f} s {'ahead of' if lead > 0 else 'behind'} the exchange's"
    return Finding("clock", f"{words}. {CLOCK_REMEDY}", is_fine=False)


def _of_store(settings: Settings, now: datetime) -> Iterable[Finding]:
    store = _resources(settings).store.client()
    try:
        for each in store.examine(settings.history_start, now):
            yield Finding(f"store: {each.about}", each.detail, each.is_fine)
    finally:
        store.close()


def _of_series(settings: Settings, now: datetime) -> Iterable[Finding]:
    path = settings.publish_dir / MANIFEST
    market = published_market(settings.market_kind, settings.market_argument)
    manifest = read_manifest(path, market)
    if manifest is None:
        text = f"nothing is published in {path.parent} yet. Start make up, and look at its runs."
        yield Finding("series", text, is_fine=False)
        return
    _, listed = manifest
    lines = [line_of(listed, each, settings, now) for each in settings.series_list]
    wrong = [each for each in lines if each.degraded or each.status not in _SOUND]
    for line in wrong[:_MOST_SERIES]:
        age = "" if line.as_of is None else f", data {duration_text(now - line.as_of)} old"
        trouble = f": {line.trouble}" if line.trouble else ""
        yield Finding(str(line.series), f"{line.status}{age}{trouble}", is_fine=False)
    counts = Counter(line.status for line in lines)
    text = ", ".join(f"{count} {word}" for word, count in counts.items())
    if degraded := sum(line.degraded for line in lines):
        text += f"; {degraded} degraded"
    more = len(wrong) - _MOST_SERIES
    text += f"; {more} more than listed" if more > 0 else ""
    text += ". What to do: docs/operations/stale.md" if wrong else ""
    yield Finding("series", text, not wrong)


_SOUND = {FRESH, INSUFFICIENT_DATA}


def _of_alerts(settings: Settings, now: datetime) -> Iterable[Finding]:
    alerts = alert_settings(settings)
    overview = alerts.book.overview(now)
    age = heartbeat_age(alerts.folder, now, settings.shards)
    names = [channel.name for channel in channels_of(alerts.webhooks)]
    yield Finding(
        "alert channels",
        ", ".join(names) or "none: nobody is alerted; set COIN_ALERT_WEBHOOKS",
        bool(names),
    )
    waiting = f"{overview.pending}. See which channel refuses them: make alerts"
    yield Finding(
        "undelivered messages", waiting if overview.pending else "0", overview.pending == 0
    )
    for each in overview.set_aside:
        what = f"{each.message.headline} ({each.message.id}) at {each.at:%Y-%m-%d %H:%M}"
        yield Finding("message set aside", f"{what}: {each.reason}", is_fine=False)
    subjects = list(overview.incidents)
    shown = ", ".join(subjects[:_MOST_SERIES]) or "none"
    yield Finding("open alerts", shown if len(subjects) <= _MOST_SERIES else f"{shown}, ...")
    late = age is None or age > _LATE_CYCLES * timedelta(seconds=settings.alert_cycle_seconds)
    text = "never" if age is None else f"{duration_text(age)} ago"
    remedy = ". Start make up; if it runs, switch the sensor health_alerts on in the web UI."
    yield Finding("health was checked", text + (remedy if late else ""), not late)


def _of_records(instance: dg.DagsterInstance, settings: Settings) -> Iterable[Finding]:
    now = datetime.now(UTC)
    names = {state.instigator_name for state in instance.all_instigator_state()}
    stopped = troubles(instance, names, now, shards=settings.shards)
    for each in stopped:
        yield Finding(each.subject, f"{each.detail} {MACHINERY_REMEDY}", is_fine=False)
    if not stopped:
        yield Finding("sensors and daemons", f"{len(names)} sensors and schedules on record")
    for job in WATCHED_JOBS:
        if failed := job_failures(instance, job):
            yield _failed_job(job, failed)
    collected = list(product(settings.symbols, settings.exogenous))
    if failed := last_fetch_failures(instance, collected):
        yield _failed_job(FETCH_JOB, failed, _FETCH_REMEDY)
    in_flight = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED])
    yield Finding("runs in flight", str(instance.get_runs_count(in_flight)))
    for kind in record_sizes(instance, now):
        yield Finding(f"records: {kind.name}", str(kind))


def _failed_job(job: str, failed: Failures, further_remedy: str = "") -> Finding:
    text = f"failed at {failed.last}: {failed.message} Read the run in the web UI."
    return Finding(f"job {job}", f"{text} {further_remedy}".rstrip(), is_fine=False)


if __name__ == "__main__":
    sys.exit(main())
