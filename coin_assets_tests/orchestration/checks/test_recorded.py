"""What of the checks on the clock is recorded: changes at once, the rest once in a while.

- Applying the rule again and again records a result when its verdict changes, its asset was
  materialised, or after the interval.
- What an instance has recorded is read back in one query, whoever recorded it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.orchestration.checks.clock import clock_evaluations
from coin_assets.orchestration.checks.recorded import (
    RecordedResult,
    changed_evaluations,
    last_materialised,
    recorded_checks,
)
from coin_assets_tests.orchestration.checks.statuses import NOW, in_order, spec_for
from coin_assets_tests.platform import series

EVERY = timedelta(hours=1)
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
ASSET = dg.AssetKey(["BTC_USDT", "ohlcv_1h"])
VERDICTS = {
    "fresh": (True, WARN),
    "stale": (False, WARN),
    "hard_stale": (False, ERROR),
    "missing": (False, ERROR),
}


def result(status: str) -> dg.AssetCheckEvaluation:
    passed, severity = VERDICTS[status]
    return dg.AssetCheckEvaluation(
        asset_key=ASSET,
        check_name="data_time",
        passed=passed,
        severity=severity,
        metadata={"status": status},
    )


def recorded_result(status: str, at: datetime) -> dict[dg.AssetCheckKey, RecordedResult]:
    return {dg.AssetCheckKey(ASSET, "data_time"): RecordedResult(*VERDICTS[status], status, at, at)}


def test_what_was_never_recorded_is() -> None:
    assert changed_evaluations([result("fresh")], {}, {}, NOW, EVERY) == [result("fresh")]


@pytest.mark.parametrize("before", VERDICTS)
@pytest.mark.parametrize("after", VERDICTS)
def test_changes_are_recorded_at_once_and_the_rest_later(before: str, after: str) -> None:
    last = recorded_result(before, NOW)
    soon, due = NOW + timedelta(seconds=30), NOW + EVERY
    assert bool(changed_evaluations([result(after)], last, {}, soon, EVERY)) == (before != after)
    assert changed_evaluations([result(after)], last, {}, due, EVERY) == [result(after)]


@given(st.lists(st.sampled_from(sorted(VERDICTS)), min_size=1, max_size=300))
def test_the_log_holds_every_change_and_little_more(statuses: list[str]) -> None:
    """A tick a minute: what was recorded last is always what is so."""
    recorded: dict[dg.AssetCheckKey, RecordedResult] = {}
    count = 0
    for minute, status in enumerate(statuses):
        now = NOW + timedelta(minutes=minute)
        if changed_evaluations([result(status)], recorded, {}, now, EVERY):
            recorded, count = recorded_result(status, now), count + 1
        (last,) = recorded.values()
        assert last.status == status
        assert now - last.at < EVERY
    changes = sum(one != next_ for one, next_ in pairwise(statuses))
    assert 1 + changes <= count <= 1 + changes + len(statuses) // 60


def evaluations(home: Path, now: datetime) -> list[dg.AssetCheckEvaluation]:
    return clock_evaluations(spec_for(home), in_order(series("1h")), now)


def record(instance: dg.DagsterInstance, events: Sequence[dg.AssetCheckEvaluation]) -> None:
    for event in events:
        instance.report_runless_asset_event(event)


def test_an_instance_returns_what_was_recorded_last(tmp_path: Path) -> None:
    with dg.instance_for_test() as instance:
        early, late = (evaluations(tmp_path, NOW + timedelta(hours=hours)) for hours in (0, 3))
        series_list = [each.asset_check_key for each in early]
        assert recorded_checks(instance, series_list) == {}
        assert recorded_checks(instance, []) == {}
        record(instance, early)
        record(instance, late[:3])
        found = recorded_checks(instance, series_list)
        assert set(found) == set(series_list)
        for new, old in zip(late, early, strict=True):
            last = found[new.asset_check_key]
            is_new = new in late[:3]
            assert last.at == NOW + timedelta(hours=3 if is_new else 0)
            shown = new if is_new else old
            assert (last.passed, last.severity) == (shown.passed, shown.severity)
            assert last.status == shown.metadata["status"].value
        assert changed_evaluations(late[:3], found, {}, NOW + timedelta(hours=3.5), EVERY) == []


def test_a_materialisation_makes_the_results_of_its_asset_due_again(tmp_path: Path) -> None:
    """Until then Dagster shows them as not evaluated."""
    with dg.instance_for_test() as instance:
        every = evaluations(tmp_path, NOW)
        assets, series_list = (
            {each.asset_key for each in every},
            [each.asset_check_key for each in every],
        )
        record(instance, every)
        assert last_materialised(instance, assets) == {}
        instance.report_runless_asset_event(dg.AssetMaterialization(ASSET, partition="2024-01-01"))
        materialised = last_materialised(instance, assets)
        assert set(materialised) == {ASSET}
        due = changed_evaluations(
            every, recorded_checks(instance, series_list), materialised, NOW, EVERY
        )
        assert due == [each for each in every if each.asset_key == ASSET] != []
        record(instance, due)
        found = recorded_checks(instance, series_list)
        assert changed_evaluations(every, found, materialised, NOW, EVERY) == []


def test_checks_of_other_keys_and_makers_do_not_disturb(tmp_path: Path) -> None:
    with dg.instance_for_test() as instance:
        (first, *_) = evaluations(tmp_path, NOW)
        plain = dg.AssetCheckEvaluation(
            asset_key=ASSET, check_name="contract", passed=False, severity=ERROR
        )
        record(instance, [first, plain])
        assert set(recorded_checks(instance, [first.asset_check_key])) == {first.asset_check_key}
        (other,) = recorded_checks(instance, [plain.asset_check_key]).values()
        assert (other.passed, other.severity, other.status) == (False, ERROR, None)
        assert other.at.tzinfo is not None
