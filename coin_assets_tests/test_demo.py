"""``make demo``: the main job once, for a stranger; everything it prints is true.

The demo runs here as a process of its own on the real clock and the Dagster instance of the
project. `.ci/run` runs it once more as ``make demo`` with its defaults.
"""

import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.config.settings import Settings
from coin_assets.demo import Demo
from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.domain.timeframes import Timeframe, month_start
from coin_assets.models.registry import ModelRegistry
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.resources import Clock
from coin_assets_tests.platform import files_of, series
from coin_assets_tests.realdata import REAL_DATA, requires_real_data
from coin_assets_tests.schemas import assert_valid
from coin_assets_tests.webui import ROOT, environment, run

DEMO = f"{sys.executable} -m coin_assets.demo"
# Enough for forecasts of days, and little else: a month more takes seconds more.
TWO_SYMBOLS = {"COIN_SYMBOLS": "BTC/USDT,ETH/USDT", "COIN_HISTORY_START": "2026-05-01"}


def demo_environment(home: Path, **variables: str) -> dict[str, str]:
    """What the Makefile exports."""
    dagster = {"DAGSTER_HOME": str(ROOT), "COIN_DAGSTER_HOME": str(home / "dagster")}
    return environment(home, **dagster, **variables)


def table(output: str) -> dict[tuple[str, str], list[str]]:
    """Rows of the summary by symbol and timeframe."""
    rows = [
        re.split(r"  +", line) for line in output.splitlines() if re.match(r"[A-Z]+/USDT  ", line)
    ]
    return {(row[0], row[1]): row[2:] for row in rows}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


def test_a_first_and_a_second_demo(home: Path) -> None:
    env = demo_environment(home, **TWO_SYMBOLS)
    first = run(DEMO, env)
    assert first.returncode == 0, first.stderr
    assert "2026-05 to " in first.stdout
    assert re.search(r"\[ +1/10\] +\d+\.\d s  BTC/USDT 1h fetched: \d+ candles", first.stdout)
    rows = table(first.stdout)
    assert set(rows) == {
        (symbol, timeframe)
        for symbol in ("BTC/USDT", "ETH/USDT")
        for timeframe in ("1h", "4h", "1d", "1w", "1M")
    }
    for (_, timeframe), (candles, newest, model, horizon, status) in rows.items():
        assert int(candles) > 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00:00Z", newest)
        if timeframe in ("1h", "4h", "1d"):
            assert (model, status) == ("1", "fresh")
            assert horizon > newest
    listed = json.loads((home / "published/manifest.json").read_text())["public"]["entries"]
    # The close, as `make status` shows it.
    assert {name: row[1] for name, row in rows.items()} == {
        (each["symbol"], each["timeframe"]): each["history"]["as_of"] for each in listed
    }
    for kind in ("history", "prediction"):
        path = home / "published" / f"{kind}_ETH_USDT_4h.json"
        assert_valid(kind, json.loads(path.read_text()))
    assert_valid("manifest", json.loads((home / "published/manifest.json").read_text()))
    for name in ("1h", "4h", "1d"):  # no check on the age of models is red on the first day
        trained = ModelRegistry(home).versions(series(name))[-1]
        assert datetime.now(UTC) - trained.cutoff < timedelta(hours=36)

    require_scores_of_what_has_matured(home)

    before = files_of(home / "candles")
    second = run(DEMO, env)
    assert second.returncode == 0, second.stderr
    runs = re.findall(r"Run \w+: \d+ assets, (\S+) to (\S+)", second.stdout)
    assert all(start == end for start, end in runs)
    after = files_of(home / "candles")
    running_month = max(after).split("month=")[1][:7]
    settled = [name for name in before if running_month not in name]
    assert len(settled) >= 60  # files of two symbols, five timeframes and six months
    assert {name: after[name] for name in settled} == {name: before[name] for name in settled}


def require_scores_of_what_has_matured(home: Path) -> None:
    """Check the scores: forecasts begin with the month, and mature 24 candles later."""
    manifest = json.loads((home / "published/manifest.json").read_text())
    for entry in manifest["public"]["entries"]:
        if entry["prediction"] is None:
            assert (entry["quality"], entry["evaluation"]) == (None, None)
            continue
        own, as_of = Timeframe.parse(entry["timeframe"]), datetime.fromisoformat(entry["as_of"])
        first = own.ceil(month_start(as_of))
        matured = own.count(first, as_of) - STEPS + 1  # origins, of which the first is the month's
        content = (home / "published" / entry["evaluation"]["file"]).read_bytes()
        assert_valid("evaluation", json.loads(content))
        if matured <= 0:
            assert entry["quality"] is None
            continue
        quality = entry["quality"]
        assert (quality["origins"], quality["live"]) == (matured, 0)  # all made today
        assert quality["as_of"] == entry["as_of"]


@pytest.mark.slow
def test_a_killed_demo_heals_and_leaves_no_run_behind(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the demo above: the same demo in another home, killed twice on its way."""
    env = demo_environment(tmp_path, **TWO_SYMBOLS)
    for steps in (4, 15):
        killed = subprocess.Popen(
            ["/bin/bash", "-c", DEMO],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert killed.stdout is not None
        finished = 0
        while finished < steps:
            finished += next(killed.stdout).startswith("[")
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
    healed = run(DEMO, env)
    assert healed.returncode == 0, healed.stdout
    monkeypatch.setenv("DAGSTER_HOME", env["DAGSTER_HOME"])
    monkeypatch.setenv("COIN_DAGSTER_HOME", env["COIN_DAGSTER_HOME"])
    with dg.DagsterInstance.get() as instance:
        statuses = [run.status for run in instance.get_runs()]
    assert statuses.count(dg.DagsterRunStatus.FAILURE) == 2
    assert dg.DagsterRunStatus.STARTED not in statuses
    for folder in ("candles", "forecasts"):
        there, undisturbed = files_of(tmp_path / folder), files_of(home / folder)
        assert set(there) == set(undisturbed)
        running_month = max(there).split("month=")[1][:7]
        settled = [name for name in there if running_month not in name]
        assert {name: there[name] for name in settled} == {
            name: undisturbed[name] for name in settled
        }
    assert not list(tmp_path.rglob("*.partial"))


def test_a_candle_that_closes_meanwhile_is_left_to_the_next_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    env = demo_environment(
        tmp_path,
        COIN_SYMBOLS="BTC/USDT",
        COIN_DERIVED_TIMEFRAMES="",
        COIN_HISTORY_START=f"{month_start(now - timedelta(days=31)):%Y-%m-%d}",
    )
    for name, value in env.items():
        if name.startswith(("COIN_", "DAGSTER_")):
            monkeypatch.setenv(name, value)
    boundary = now.replace(minute=0, second=0, microsecond=0)
    times = [boundary - timedelta(seconds=5)]
    monkeypatch.setattr(Clock, "now", lambda _clock: times[-1])
    demo = Demo(Settings())
    forecast_runs = demo._forecast_runs

    def after_the_boundary() -> list[tuple[datetime, list[SeriesAssets]]]:
        times.append(boundary + timedelta(seconds=10))
        return forecast_runs()

    monkeypatch.setattr(demo, "_forecast_runs", after_the_boundary)
    with demo._instance:
        assert demo.run(), capsys.readouterr().out
    newest = f"{boundary - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    (row,) = table(demo.summary()).values()
    assert (row[1], row[-1]) == (newest, "fresh")


def test_a_method_that_is_added_later_is_tested_at_once_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a second demo with the same candles, whose newest forecasts have a score already."""
    env = demo_environment(
        tmp_path,
        COIN_SYMBOLS="BTC/USDT",
        COIN_DERIVED_TIMEFRAMES="",
        COIN_HISTORY_START="2026-05-01",
        COIN_ALERT_WEBHOOKS="json+http://127.0.0.1:9/secret",
    )
    for name, value in env.items():
        if name.startswith(("COIN_", "DAGSTER_")):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(Clock, "now", lambda _clock: datetime(2026, 6, 10, 12, 30, tzinfo=UTC))

    def printed(methods: str) -> str:
        monkeypatch.setenv("COIN_METHODS", methods)
        demo = Demo(Settings())
        with demo._instance:
            succeeded = demo.run()
        output = capsys.readouterr().out
        assert succeeded, output
        return output + demo.summary()

    first, second, third = printed("har"), printed("har,naive"), printed("har,naive")
    line = r"Scores of 1 series:\nBTC/USDT 1h: \d+ matured forecasts, .*"
    assert re.search(line + r"held \S+%; challenger 2: keep\n", first)
    assert re.search(line + r"; challenger 2: keep; challenger naive 3: keep\n", second)
    assert "Scores" not in third  # nothing could change
    # The command to go on with trains the same methods, and shows no secret.
    command = third.splitlines()[-1]
    assert " COIN_METHODS=har,naive " in command
    assert command.endswith(" make up (COIN_ALERT_WEBHOOKS must be set as well)")
    assert "secret" not in third


@requires_real_data
def test_a_missing_archive_file_fails_its_symbol_alone(tmp_path: Path) -> None:
    (tmp_path / "candles").mkdir()
    (tmp_path / "candles/XRP_USDT_1h.parquet").symlink_to(REAL_DATA / "candles/XRP_USDT_1h.parquet")
    env = demo_environment(
        tmp_path / "home",
        COIN_MARKET=f"archive:{tmp_path / 'candles'}",
        COIN_SYMBOLS="XRP/USDT,ETH/USDT",
        COIN_HISTORY_START="2025-01-01",
        COIN_DERIVED_TIMEFRAMES="1d",
    )
    done = run(DEMO, env)
    assert done.returncode == 1
    assert f"{tmp_path / 'candles/ETH_USDT_1h.parquet'} does not exist" in done.stdout
    rows = table(done.stdout)
    assert rows["XRP/USDT", "1h"][-1] == rows["XRP/USDT", "1d"][-1] == "hard_stale"
    assert rows["ETH/USDT", "1h"] == ["0", "-", "-", "-", "hidden_backfilling"]


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("COIN_SOURCE_TIMEFRAMES", "7h", "Use one of"),
        ("COIN_SYMBOLS", "BTCUSDT", "BTC/USDT"),
        ("COIN_DERIVED_TIMEFRAMES", "15m", "add one that divides it"),
        ("COIN_MARKET", "stocks", "sandbox"),
        ("COIN_HISTORY_STRAT", "2024-01-01", "COIN_HISTORY_START"),
    ],
)
def test_wrong_settings_end_it_with_variable_value_and_remedy(
    tmp_path: Path, variable: str, value: str, remedy: str
) -> None:
    done = run(DEMO, demo_environment(tmp_path, **{variable: value}))
    assert done.returncode == 2
    assert variable in done.stderr
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr
    assert value in done.stderr or variable == "COIN_HISTORY_STRAT"  # may hold a mistyped secret


def test_an_unwritable_home_ends_it() -> None:
    done = run(DEMO, demo_environment(Path("/proc/nowhere")))
    assert done.returncode == 2
    assert "COIN_HOME: '/proc/nowhere' cannot be written" in done.stderr


def test_help_helps() -> None:
    done = run(f"{sys.executable} -m coin_assets.demo --help", environment(Path("/nowhere")))
    assert done.returncode == 0
    assert "COIN_MARKET" in done.stdout
    assert "make demo" in run("make help", environment(Path("/nowhere"))).stdout
