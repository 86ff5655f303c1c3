"""The computed size of an installation: its arithmetic, its inputs, and the page that shows it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
import yaml  # type: ignore[import-untyped]

from benchmarks.installation_plan import EXTRAPOLATED, HOURS, MINUTES, SETTINGS, Plan
from benchmarks.installation_size import INPUTS, INTERVALS, Figures, connections, line, rows
from benchmarks.report import document, read_results
from benchmarks.size_tables import size_tables
from coin_assets.config.settings import Settings
from coin_assets.orchestration.sensors import candles_due, late_candles, publish_due
from coin_assets_tests.webui import ROOT

_DAY = 86_400.0
SMALL = Plan(symbols=100, seconds=(3600.0, _DAY), symbols_a_shard=40, slots=3, months=10)
ALL_TWO = dict.fromkeys(INPUTS, 2.0)


class Noting(Mapping[tuple[str, str], float]):
    """Figures that are all the same, and note which were read."""

    def __init__(self) -> None:
        self.read: set[tuple[str, str]] = set()

    def __getitem__(self, name: tuple[str, str]) -> float:
        self.read.add(name)
        return 1.0

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.read)

    def __len__(self) -> int:
        return len(self.read)


def values(plan: Plan, figures: Figures) -> dict[str, float | None]:
    return {row.name: row.value for row in rows(plan, figures)}


def test_what_follows_from_the_settings_is_counted() -> None:
    found = values(SMALL, {})
    assert found["series"] == 200
    assert found["shards"] == 3
    assert found["assets"] == 803
    assert found["runs at a close of the source"] == 6  # 34 symbols a shard, 25 a run
    assert found["tasks a day"] == 100 * 25 * 3
    assert found["requests at a close of the source"] == 106
    assert found["requests a minute, mean"] == pytest.approx(106 / 60)
    share = found["share of the exchange's limit, if sent within a minute"]
    assert share == pytest.approx(100 * (2 * 100 + 20 * 6) / 6000)
    assert found["processes that stay"] == 2 * 3 + 2 * 3 + 6
    assert found["processes of runs, at most"] == 15


def test_what_was_measured_is_taken_to_the_size() -> None:
    found = values(SMALL, ALL_TWO)
    ticks = 2 / 5 + 2 / 15 + 2 / 30 + 2 / 60
    assert found["CPU of all sensors"] == pytest.approx(ticks * 200 / 1250)
    assert found["CPU of a close of the source"] == pytest.approx(300 * 0.002)
    assert found["cores for a day's tasks, mean"] == pytest.approx(7500 * 0.002 / _DAY)
    assert found["CPU to load all code locations"] == pytest.approx(200 * 0.002)
    assert found["memory of all code locations"] == pytest.approx(3 * 2 / 1024)
    assert found["memory of workers and runs"] == pytest.approx((3 * 4 + 3 * 2) / 1024)
    assert found["memory of daemon and web UI"] == pytest.approx(4 / 1024)
    assert found["events a day"] == 15_000
    assert found["records a day"] == pytest.approx(15_000 / 1e6)
    assert found["records that stay"] == pytest.approx(30 * 15_000 / 1e6)
    a_month = 100 * 25 * 365.25 / 12
    assert found["candles"] == pytest.approx(10 * a_month * 2 / 1e9)
    assert found["forecasts of a year"] == pytest.approx(12 * a_month * 2 / 1e9)


def test_a_source_that_is_not_kept_takes_no_more() -> None:
    short = replace(SMALL, source_days=14.0)
    assert short.closes_kept(10) == 10 * 24 + 10
    assert short.closes_kept(100) == 14 * 24 + 100
    assert SMALL.closes_kept(100) == 100 * 25


def test_connections_are_the_most_of_each_process() -> None:
    figures = ALL_TWO | {("workers", "2 x 25 symbols: connections of a run"): 7.0}
    # 3 locations, daemon, web UI, watcher, 3 workers; and each slot has a run and a lease
    assert connections(SMALL, figures) == 2 * (3 + 1 + 1 + 1 + 3) + 3 * (7 + 1)


def test_a_line_goes_through_both_points() -> None:
    points = {1250: 900.0, 250: 500.0}
    assert [line(points, at) for at in (250, 1250, 1500)] == [500.0, 900.0, 1000.0]


def test_a_figure_that_is_missing_leaves_its_rows_open_and_no_others() -> None:
    missing = ("shards", "stored: a candle")
    found = values(SMALL, {name: 1.0 for name in INPUTS if name != missing})
    assert [name for name, value in found.items() if value is None] == ["candles"]


def test_the_inputs_that_the_page_lists_are_those_that_are_read() -> None:
    figures = Noting()
    rows(SMALL, figures)
    assert figures.read == set(INPUTS)


@pytest.mark.parametrize("basis", [SETTINGS, EXTRAPOLATED])
def test_both_installations_have_the_same_rows(basis: str) -> None:
    hours, minutes = (
        [(row.name, row.unit, row.formula) for row in rows(plan, ALL_TWO) if row.basis == basis]
        for plan in (HOURS, MINUTES)
    )
    names = [name for name, *_ in hours]
    assert names == [name for name, *_ in minutes]
    assert len(names) == len(set(names)) > 5


def test_the_plan_has_the_numbers_of_the_platform() -> None:
    assert {
        "candles_due": candles_due.INTERVAL_SECONDS,
        "publish_due": publish_due.INTERVAL_SECONDS,
        "late_candles": late_candles.INTERVAL_SECONDS,
        "health_alerts": int(Settings.model_fields["alert_cycle_seconds"].default),
    } == INTERVALS
    instance = yaml.safe_load((ROOT / "deploy" / "dagster.celery.yaml").read_text())
    assert HOURS.slots == instance["concurrency"]["runs"]["max_concurrent_runs"]


def test_what_is_not_measured_says_so() -> None:
    text = size_tables({})
    assert "| series | 12,000 | 12,000 |" in text
    assert "| records a day | not measured yet | not measured yet |" in text


def test_the_page_is_what_the_results_say() -> None:
    results = read_results(ROOT / "benchmarks" / "results.json")
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    assert page == document(results), "write document(results) to docs/benchmarks.md"
