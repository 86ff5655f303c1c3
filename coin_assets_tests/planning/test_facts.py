"""Failures of a task: they count as far back as the longest delay needs."""

from datetime import UTC, datetime, timedelta

import pytest

from coin_assets.planning import facts

NOW = datetime(2026, 11, 22, 20, 40, tzinfo=UTC)


@pytest.mark.parametrize("longest", [timedelta(minutes=15), timedelta(hours=6)])
def test_the_planner_counts_failures_as_long_as_its_longest_delay_needs(
    longest: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "LONGEST_DELAY", longest)
    failures = facts.failures_look_back() // longest
    assert facts.Failures(failures, NOW).retry_at == NOW + longest
    assert failures >= facts.most_counted_failures()
