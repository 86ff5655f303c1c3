"""Two simulated years of 50 symbols in minutes, and a few weeks of some at every test run."""

from datetime import UTC, datetime, timedelta

import pytest

from coin_assets_tests.planning.simulation import SOURCES, Simulation

START = datetime(2024, 1, 1, tzinfo=UTC)
# Failing again and again is possible; the more often, the longer the waits between the tries.
LONGEST = {0.0: 60, 0.01: 600, 0.05: 1800, 0.2: 4 * 3600}


def simulated(symbols: int, days: int, rate: float, outages: int) -> None:
    outcome = Simulation(symbols, START, START + timedelta(days=days), rate, outages).run()
    print(f"\n{symbols} symbols, {days} days, {rate:.0%} of steps fail: {outcome.report()}")  # noqa: T201
    assert set(outcome.heal_seconds) == set(SOURCES)
    for name in SOURCES:
        median, most, _, longest = outcome.quantiles(name)
        assert longest <= LONGEST[rate], name
        assert median <= 60, name
        assert most <= 300, name
    assert outcome.most_requests <= 200
    assert outcome.requests / outcome.boundaries <= 20


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.2])
def test_weeks_with_faults_and_outages_end_up_to_date(rate: float) -> None:
    simulated(4, 45, rate, outages=3)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_two_years_of_fifty_symbols_end_up_to_date(rate: float) -> None:
    simulated(50, 731, rate, outages=24)
