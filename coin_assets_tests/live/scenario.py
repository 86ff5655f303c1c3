"""What the live test does to a running installation, and what it expects then.

Every expectation is a wait for a state with a generous deadline; nothing depends on how fast the
machine is.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from coin_assets.domain.layers import CANDLES, PUBLISHED
from coin_assets.domain.timeframes import month_start
from coin_assets.orchestration.assets.candle_checks import CONTRACT, GAPS, SUSPICIOUS_BARS
from coin_assets.orchestration.assets.specs import asset_key
from coin_assets.orchestration.partitions import partition_of
from coin_assets_tests.live import invariants
from coin_assets_tests.live.market import Control
from coin_assets_tests.live.observer import DATA_TIME
from coin_assets_tests.live.rig import FIVES, MINUTES, SERIES_LIST, Rig, last_boundary
from coin_assets_tests.live.timeline import CALM, DISTURBED

BTC, ETH, XRP = MINUTES
BOUNDARY_SECONDS = 180.0  # until something due is published, at most, on a busy machine
HEALING_SECONDS = 600.0  # a back-off may have to end first
SENSORS = ("candles_due", "publish_due", "late_candles", "health_alerts")


@dataclass(frozen=True)
class Plan:
    """A scenario and the settings it needs.

    Attributes:
        freshness: soft and hard limits in seconds.
        repeat_cycles, escalate_cycles: as the settings of the same names.
    """

    is_short: bool
    freshness: str
    cycle_seconds: int
    repeat_cycles: int
    escalate_cycles: int


SHORT = Plan(True, "1m:90/120,5m:600/1200", 5, 3, 240)
WHOLE = Plan(False, "1m:90/150,5m:400/480", 10, 3, 12)


def play(rig: Rig, plan: Plan) -> None:
    """The scenario from the first start to the last check."""
    first_publication(rig)
    if plan.is_short:
        market_stops(rig, last_boundary())
        published_files_are_repaired(rig)
        hard_stale_is_told_once_and_again(rig)
        killed_in_an_incident(rig)
        market_returns(rig)
    else:
        boundaries_are_published(rig)
        market_stops(rig, last_boundary())
        native_freshness_follows(rig)
        hard_stale_is_told_once_and_again(rig)
        published_files_are_repaired(rig)
        old_months_make_nothing_fresh(rig)
        escalation_is_told(rig)
        killed_in_an_incident(rig)
        market_returns(rig)
        one_symbol_fails_while_nobody_takes_messages(rig)
        daemon_is_killed_in_a_run(rig)
        code_location_is_reloaded(rig)
        published_files_are_repaired(rig)
    everything_holds(rig)


def first_publication(rig: Rig) -> None:
    with rig.step("an empty home collects candles, trains and publishes by itself"):
        rig.installation.start()
        rig.timeline.note("up", "make up answers, every daemon is healthy")
        rig.until(
            "every key in the manifest, fresh",
            lambda: all(rig.observer.status(series) == "fresh" for series in SERIES_LIST),
            HEALING_SECONDS,
            lambda: {str(series): rig.observer.status(series) for series in SERIES_LIST},
        )
        rig.timeline.note(CALM, "everything was published")


def boundaries_are_published(rig: Rig) -> None:
    with rig.step("candles appear at each boundary and published files follow"):
        for _ in range(3):
            rig.await_next_boundary(MINUTES, BOUNDARY_SECONDS)
        rig.await_next_boundary(FIVES, BOUNDARY_SECONDS)
        for asset in (asset_key(BTC, CANDLES), asset_key(BTC, PUBLISHED)):
            rig.await_native(asset, "PASS", BOUNDARY_SECONDS)


def market_stops(rig: Rig, at: datetime) -> None:
    with rig.step(f"the market stops at {at:%H:%M}"):
        rig.set_market(f"no candle after {at:%H:%M}", Control(stopped_at=at))
        rig.await_status("stale", MINUTES, HEALING_SECONDS)


def native_freshness_follows(rig: Rig) -> None:
    with rig.step("Dagster's own freshness goes from PASS over WARN to FAIL"):
        for state in ("WARN", "FAIL"):
            for asset in (asset_key(BTC, CANDLES), asset_key(BTC, PUBLISHED)):
                rig.await_native(asset, state, HEALING_SECONDS)


def hard_stale_is_told_once_and_again(rig: Rig) -> None:
    with rig.step("hard stale by data time: one message for all symbols, then repeats"):
        rig.await_status("hard_stale", MINUTES, HEALING_SECONDS)
        check = dg.AssetCheckKey(asset_key(BTC, PUBLISHED), DATA_TIME)
        rig.until(
            "the data-time check says hard_stale",
            lambda: rig.observer.checks.get(check) == "hard_stale",
            HEALING_SECONDS,
            lambda: rig.observer.checks,
        )
        rig.until(
            "a message that tells of hard_stale",
            lambda: rig.messages_about(BTC, "alert", "worse", word="hard_stale"),
            HEALING_SECONDS,
            lambda: [each.body["title"] for each in rig.messages()],
        )
        rig.until(
            "a repeat of it",
            lambda: rig.messages_about(BTC, "repeat", word="hard_stale"),
            HEALING_SECONDS,
            lambda: [each.body["title"] for each in rig.messages()],
        )
        _require_one_message_for_all(rig)
        for series in MINUTES:
            entry = rig.observer.entries()[series.symbol, series.timeframe.name]
            assert not entry["serve_allowed"], f"{series} is hard stale, but may be served: {entry}"


def published_files_are_repaired(rig: Rig) -> None:
    with rig.step("a published file is deleted, another one damaged: both are repaired"):
        at = rig.damage(deleted=FIVES[1], damaged=FIVES[0])
        rig.until(
            "files as store and manifest say",
            lambda: not _disagreements(rig),
            HEALING_SECONDS,
            lambda: _disagreements(rig),
        )
        ticks = rig.installation.ticks("publish_due", at)
        requested = [number for number, tick in enumerate(ticks, 1) if tick["runIds"]]
        if requested:  # a run that was due anyway may have come first
            assert requested[-1] <= 2, f"publish_due repaired at ticks {requested}: {ticks}"
            rig.timeline.note("met", f"repair requested at tick {requested[-1]} of publish_due")


def old_months_make_nothing_fresh(rig: Rig) -> None:
    with rig.step("old months are materialised while the market stands still: hard stale stays"):
        old = partition_of(month_start(month_start(datetime.now(UTC)) - timedelta(days=1)))
        recoveries = rig.messages_about(BTC, "recovery")
        checks = dict.fromkeys(
            (asset_key(series, CANDLES) for series in MINUTES), (CONTRACT, GAPS, SUSPICIOUS_BARS)
        )
        run_id = rig.installation.launch("update", old, checks)
        rig.until(
            f"run {run_id[:8]} of {old} succeeds",
            lambda: rig.run_status(run_id) is dg.DagsterRunStatus.SUCCESS,
            HEALING_SECONDS,
            lambda: rig.run_status(run_id),
        )
        rig.await_native(asset_key(BTC, CANDLES), "PASS", BOUNDARY_SECONDS)
        rig.await_cycles(2, BOUNDARY_SECONDS)
        rig.await_status("hard_stale", MINUTES, 5)
        for series in MINUTES:
            check = dg.AssetCheckKey(asset_key(series, CANDLES), DATA_TIME)
            word = rig.observer.checks.get(check)
            assert word == "hard_stale", f"data time of {series} is {word} after an old month"
        told = [each for each in rig.messages_about(BTC, "recovery") if each not in recoveries]
        assert not told, f"told as recovered: {told}"


def escalation_is_told(rig: Rig) -> None:
    with rig.step("what stands for long is escalated, with a runbook; 5m becomes hard stale too"):
        # Nobody is answered any more: another cause, the same incidents.
        stopped = Control.read(rig.control).stopped_at
        rig.set_market("nobody is answered", Control(stopped_at=stopped, unavailable=True))
        rig.until(
            "an escalation",
            lambda: rig.messages_about(BTC, "escalation"),
            HEALING_SECONDS,
            lambda: [each.body["title"] for each in rig.messages()],
        )
        for each in rig.messages("escalation"):
            assert each.body["runbook"], f"an escalation without a runbook: {each.body}"
        rig.await_status("hard_stale", SERIES_LIST, HEALING_SECONDS)
        rig.until(
            "messages about 5m",
            lambda: all(rig.messages_about(series, word="hard_stale") for series in FIVES),
            HEALING_SECONDS,
        )


def killed_in_an_incident(rig: Rig) -> None:
    with rig.step("SIGKILL to the daemon and all that runs, in an incident; then a new start"):
        told = {each.id for each in rig.messages()}
        rig.installation.kill_everything()
        rig.timeline.note("kill", "daemon, web server, code server and runs are killed")
        rig.installation.start()
        rig.timeline.note("up", "make up answers again")
        rig.await_cycles(3, BOUNDARY_SECONDS)
        new = [each for each in rig.messages() if each.id not in told]
        for each in new:
            again = set(each.body["subjects"]) & {str(series) for series in MINUTES}
            known = each.body["kind"] in ("repeat", "escalation")
            assert known or not again, f"state lost: {each.body['kind']} of {again} after a start"


def market_returns(rig: Rig) -> None:
    with rig.step("the market returns: everything is caught up, recoveries are told once"):
        rig.set_market("all is well", Control())
        rig.await_status("fresh", SERIES_LIST, HEALING_SECONDS)
        rig.until(
            "recoveries",
            lambda: all(
                rig.messages_about(series, "recovery", word="hard_stale") for series in MINUTES
            ),
            HEALING_SECONDS,
            lambda: [each.body["title"] for each in rig.messages("recovery")],
        )
        rig.timeline.note(CALM, "everything is caught up")
        for series in MINUTES:
            reached = rig.observer.as_of(series)
            assert reached is not None
            rig.timeline.note("met", invariants.require_true_candles(rig.store, series, reached))


def one_symbol_fails_while_nobody_takes_messages(rig: Rig) -> None:
    with rig.step("ETH fails, and no message is taken; BTC and XRP go on"):
        before = len(rig.messages())
        rig.receiver.refuse()
        rig.timeline.note("receiver", "refuses everything")
        rig.set_market("no ETH/USDT", Control(failing=(ETH.symbol,)))
        rig.await_status("hard_stale", [ETH], HEALING_SECONDS)
        rig.until("a refused message", rig.receiver.refused, HEALING_SECONDS)
        rig.receiver.go_away()
        rig.timeline.note("receiver", "is not there")
        rig.await_next_boundary([BTC, XRP], BOUNDARY_SECONDS)
        for series in (BTC, XRP):
            word = rig.observer.status(series)
            assert word in ("fresh", "stale"), f"{series} is {word} because {ETH} fails"
        rig.receiver.accept()
        rig.receiver.come_back()
        rig.timeline.note("receiver", "is back")
        rig.until(
            "the message about ETH",
            lambda: [
                each
                for each in rig.messages()[before:]
                if str(ETH) in each.body["subjects"] and "hard_stale" in each.body["title"]
            ],
            HEALING_SECONDS,
            lambda: [each.body["title"] for each in rig.messages()[before:]],
        )
        told = [each for each in rig.messages()[before:] if str(ETH) in each.body["subjects"]]
        others = {subject for each in told for subject in each.body["subjects"]} & {
            str(BTC),
            str(XRP),
        }
        assert not others, f"{others} are told of together with {ETH}, but did not fail"
    with rig.step("ETH returns"):
        rig.set_market("all is well", Control())
        recoveries = len(rig.messages_about(ETH, "recovery"))
        rig.await_status("fresh", SERIES_LIST, HEALING_SECONDS)
        rig.until(
            "the recovery of ETH",
            lambda: len(rig.messages_about(ETH, "recovery")) > recoveries,
            HEALING_SECONDS,
        )
        rig.timeline.note(CALM, "everything is caught up")


def daemon_is_killed_in_a_run(rig: Rig) -> None:
    with rig.step("SIGKILL to the daemon alone while a run is in flight; it starts again"):
        rig.until("a run in flight", rig.run_is_in_flight, BOUNDARY_SECONDS)
        rig.timeline.note(DISTURBED, "the daemon is killed")
        rig.installation.kill_daemon()
        rig.timeline.note("up", "make up has started another daemon")
        rig.await_next_boundary(MINUTES, HEALING_SECONDS)
        rig.await_status("fresh", SERIES_LIST, HEALING_SECONDS)
        rig.timeline.note(CALM, "everything is caught up")


def code_location_is_reloaded(rig: Rig) -> None:
    with rig.step("the code location is reloaded: the work goes on"):
        rig.installation.reload()
        for _ in range(2):
            rig.await_next_boundary(MINUTES, BOUNDARY_SECONDS)


def everything_holds(rig: Rig) -> None:
    with rig.step("no gap, files as the store says, every message once, every incident closed"):
        end = rig.await_next_boundary(MINUTES, BOUNDARY_SECONDS)
        rig.until(
            "nothing stands any more, and every channel has every message",
            lambda: not _unfinished(rig),
            HEALING_SECONDS,
            lambda: _unfinished(rig),
        )
        for series in SERIES_LIST:
            rig.timeline.note("met", invariants.require_true_candles(rig.store, series, end))
        rig.until(
            "files as store and manifest say",
            lambda: not _disagreements(rig),
            BOUNDARY_SECONDS,
            lambda: _disagreements(rig),
        )
        wrong, _ = invariants.told_wrongly(rig.messages())
        assert not wrong, "\n".join(wrong)
        for sensor in SENSORS:
            failed = [
                tick
                for tick in rig.installation.ticks(sensor, rig.timeline.started)
                if tick["status"] == "FAILURE"
            ]
            assert not failed, f"{sensor} failed: {failed}"


def _require_one_message_for_all(rig: Rig) -> None:
    for word in ("alert", "worse"):
        for each in rig.messages_about(BTC, word, word="hard_stale"):
            missing = {str(series) for series in MINUTES} - set(each.body["subjects"])
            assert not missing, f"{missing} not in the {word} {each.body['title']}"
    told = rig.messages_about(BTC, "alert", "worse", word="hard_stale")
    assert len(told) == 1, f"hard_stale told {len(told)} times: {[each.body for each in told]}"


def _disagreements(rig: Rig) -> list[str]:
    """Of the published files; a file that is missing or unreadable is one."""
    try:
        return invariants.published_disagreements(rig.store, rig.published, SERIES_LIST)
    except (OSError, ValueError) as error:
        return [str(error)]


def _unfinished(rig: Rig) -> list[str]:
    """Incidents of keys that stand, and messages that a channel has not taken yet."""
    _, status = invariants.told_wrongly(rig.messages())
    names = {str(series) for series in SERIES_LIST}
    channels = {name: rig.receiver.accepted(name) for name in ("json", "discord")}
    return [
        *(f"{subject}: {title}" for subject, title in status.items() if subject in names),
        *invariants.doubled_or_lost(channels),
    ]
