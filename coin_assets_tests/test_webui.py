"""An operator's day: the documented command lines as written, and the web UI in a browser.

One installation serves all tests here: a demo of one symbol, then ``make up`` over its home.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from coin_assets.models.registry import ModelRegistry
from coin_assets.orchestration.partitions import partition_of
from coin_assets_tests.browser import page, requires_browser
from coin_assets_tests.platform import files_of, series
from coin_assets_tests.webui import ROOT, WebUi, environment, run, up

COMMANDS = (ROOT / "docs/commands.md").read_text()
SENSORS = ("candles_due", "publish_due", "late_candles", "health_alerts")
HISTORY_START = "2026-06-01"  # the documented lines name months from 2026-08 on


@dataclass
class Installation:
    home: Path
    env: dict[str, str]
    ui: WebUi

    def shell(self, line: str) -> str:
        done = run(f'eval "$(make -s env)" && {line}', self.env)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    env = environment(folder / "home", COIN_SYMBOLS="BTC/USDT", COIN_HISTORY_START=HISTORY_START)
    demo = run("make -s demo", env)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    with up(env, folder / "up.log") as ui:
        yield Installation(folder / "home", env, ui)


def settled_candles(home: Path) -> dict[str, bytes]:
    """Candle files of all months but the running one."""
    running = f"month={datetime.now(UTC):%Y-%m}"
    found = files_of(home / "candles")
    return {name: content for name, content in found.items() if running not in name}


def documented_lines(command: str) -> list[str]:
    lines = re.findall(rf"^{command} .*$", COMMANDS, re.MULTILINE)
    assert lines, f"docs/commands.md shows no {command}"
    return lines


@pytest.mark.parametrize("line", documented_lines("dagster asset materialize"))
def test_a_documented_line_materialises(installation: Installation, line: str) -> None:
    before = settled_candles(installation.home)
    assert " 0 changed" in installation.shell(line)  # said by a step that has succeeded
    assert settled_candles(installation.home) == before


# Commands take seconds each to start; test_documented_commands checks all of them without a run.
@pytest.mark.slow
def test_the_documented_lines_launch_jobs_that_succeed(installation: Installation) -> None:
    for line in documented_lines("dagster job launch"):
        already = len(installation.ui.wait_for_runs(0))
        installation.shell(line)
        newest = installation.ui.wait_for_runs(already + 1)[0]
        name = re.search(r"-j (\w+)", line)
        assert name is not None
        assert (newest["jobName"], newest["status"]) == (name[1], "SUCCESS")
    for timeframe in ("1h", "1d"):
        # The anchors of the demo and of the launched update, and the version trained now.
        assert len(ModelRegistry(installation.home).versions(series(timeframe))) >= 2


def test_environment_for_direct_commands_is_printed(installation: Installation) -> None:
    printed = run("make -s env", installation.env).stdout
    for name in ("COIN_HOME", "DAGSTER_HOME", "COIN_DAGSTER_HOME"):
        assert f"export {name}=" in printed


def test_a_second_server_on_the_home_or_the_port_is_refused(
    installation: Installation, tmp_path: Path
) -> None:
    same_home = run("make -s up PORT=1", installation.env)
    assert same_home.returncode == 2
    assert str(installation.home) in same_home.stderr
    assert "another make up" in same_home.stderr
    port = installation.ui.url.rsplit(":", 1)[1]
    same_port = run(f"make -s up PORT={port}", environment(tmp_path / "other"))
    assert same_port.returncode == 2
    assert f"PORT: {port}" in same_port.stderr


@requires_browser
def test_months_chosen_in_the_web_ui_are_materialised_in_one_run(
    installation: Installation,
) -> None:
    already = len(installation.ui.wait_for_runs(0))
    before = settled_candles(installation.home)
    with page() as tab:
        tab.goto(f"{installation.ui.url}/assets/BTC_USDT/ohlcv_1h?view=partitions")
        tab.get_by_role("button", name="Materialize").first.click()
        tab.get_by_text("Show all partitions").click()
        dialog = tab.get_by_role("dialog")
        dialog.locator("input[type=text]").first.fill("[2026-07-01...2026-08-01]")
        dialog.locator("input[type=text]").first.press("Enter")
        tab.get_by_role("button", name="Launch").last.click()
    ended = installation.ui.wait_for_runs(already + 1)
    assert len(ended) == already + 1
    assert ended[0]["status"] == "SUCCESS"
    assert settled_candles(installation.home) == before


@requires_browser
def test_the_web_ui_shows_graph_months_and_forecast(installation: Installation) -> None:
    with page() as tab:
        tab.goto(f"{installation.ui.url}/locations/coin_assets.definitions/asset-groups/BTC_USDT")
        tab.get_by_text("ohlcv_1h").first.wait_for()
        tab.goto(f"{installation.ui.url}/assets/BTC_USDT/ohlcv_1h?view=partitions")
        tab.get_by_text("Missing (0)").wait_for()
        month = partition_of(datetime.now(UTC))
        tab.goto(
            f"{installation.ui.url}/assets/BTC_USDT/prediction_1h?view=partitions&partition={month}"
        )
        tab.get_by_text("[Show Markdown]").click()
        plot = tab.get_by_alt_text("BTC/USDT 1h forecast")
        plot.wait_for()
        assert plot.evaluate("image => image.naturalWidth") > 400


@requires_browser
def test_the_web_ui_shows_freshness_checks_and_what_runs_by_itself(
    installation: Installation,
) -> None:
    with page() as tab:
        tab.goto(f"{installation.ui.url}/assets/BTC_USDT/published_1h")
        tab.get_by_text("Fails if more than 2 hours since last materialization").first.wait_for()
        tab.get_by_text("Passing", exact=True).first.wait_for()
        checks = "?view=checks&checkDetail"
        tab.goto(f"{installation.ui.url}/assets/BTC_USDT/ohlcv_1h{checks}=contract")
        for text in ("gaps", "suspicious_bars", "data_time", "Evaluation result", "Passed"):
            tab.get_by_text(text, exact=True).first.wait_for()
        tab.goto(f"{installation.ui.url}/assets/BTC_USDT/published_1h{checks}=data_time")
        tab.get_by_text("Execution history", exact=True).click()
        tab.get_by_text("published data ends").first.wait_for()
        tab.goto(f"{installation.ui.url}/automation")
        for kind, name in (
            *(("sensors", name) for name in SENSORS),
            *(("schedules", name) for name in ("retrain", "retention")),
        ):
            expect(switch(tab, f"{kind}/{name}")).to_be_checked(timeout=60_000)
        expect(switch(tab, "sensors/training_events")).not_to_be_checked()


def switch(tab: Page, what: str) -> Locator:
    """What turns a sensor or schedule on and off; the box before it selects the row."""
    row = tab.locator(f"a[href$='/{what}']").locator("..")
    return row.get_by_role("checkbox").last


def test_the_servers_listen_on_localhost_only(installation: Installation) -> None:
    port = installation.ui.url.rsplit(":", 1)[1]
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    addresses = {
        line.split()[1].split(":")[0]
        for line in listening.splitlines()
        if f":{int(port):04X} " in line and line.split()[3] == "0A"
    }
    assert addresses == {"0100007F"}
