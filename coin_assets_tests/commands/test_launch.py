"""``make launch``: what it refuses, and runs in a real ``make up``."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coin_assets.commands import launch
from coin_assets.supervision.home_lock import hold, note_address
from coin_assets_tests.test_up import Up, environment_of, up
from coin_assets_tests.webui import ROOT, free_port

BOTH = '{"symbols": ["BTC/USDT"], "timeframes": ["4h", "1d"]}'


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--job", "train_model"],
            "JOB: there is no job 'train_model'; did you mean train_models?",
        ),
        ([], "JOB: there is no job ''; The jobs are acknowledge_alert, backfill, "),
        (["--job", "evaluate", "--config", "{depth: 1}"], "CONFIG: is no JSON (Expecting "),
        (["--job", "evaluate", "--config", "[1]"], "CONFIG: must be a JSON object"),
        (
            ["--job", "train_models", "--config", '{"symbol": ["BTC/USDT"]}'],
            "CONFIG: train_models: there is no setting symbol; did you mean symbols?",
        ),
        (
            ["--job", "train_models", "--config", '{"symbols": ["BTCUSDT"]}'],
            "symbols ['BTCUSDT'] are not configured. Use some of ['BTC/USDT'].",
        ),
        (["--job", "train_models", "--config", '{"dry_run": 3}'], "CONFIG: train_models: "),
        (
            ["--job", "rollback_champion"],
            "CONFIG: rollback_champion: the setting reason is required",
        ),
        (["--job", "update"], "PARTITION: update needs a month; choose one from 2026-06-01 to "),
        (["--job", "update", "--partition", "2020-01"], "update has no month '2020-01'"),
        (["--job", "doctor", "--partition", "2026-11"], "doctor has no partitions; leave it out"),
        (["--job", "train_models", "--config", BOTH], "no make up runs on the home "),
    ],
)
@pytest.mark.usefixtures("home")
def test_nothing_is_queued_and_one_line_says_why(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert launch.main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("make launch: ")
    assert message in line
    assert len(line) < 500


def test_a_code_server_and_a_server_that_does_not_answer_are_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = hold(home)
    assert launch.main(["--job", "doctor"]) == 2
    assert "no web UI is known on the home" in capsys.readouterr().err
    note_address(lock, f"http://127.0.0.1:{free_port()}")
    assert launch.main(["--job", "doctor"]) == 2
    assert "does not answer (ConnectionError). If make up has just started" in (
        capsys.readouterr().err
    )
    os.close(lock)


def run(made: Up, *words: str) -> tuple[int, list[str], list[str]]:
    """Exit code, output and errors of ``make launch`` on the home of a ``make up``."""
    done = subprocess.run(
        [sys.executable, "-m", "coin_assets.commands.launch", *words],
        cwd=ROOT,
        env=environment_of(made.log.parent),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def test_runs_are_launched_followed_and_their_failures_explained(tmp_path: Path) -> None:
    with up(tmp_path) as made:
        code, (queued, ended), errors = run(
            made, "--job", "train_models", "--config", '{"dry_run": true}', "--wait"
        )
        assert (code, errors) == (0, [])
        run_id = queued.split()[2]
        assert queued.endswith(f"is queued, see {made.ui.url}/runs/{run_id}")
        assert ended.startswith("train_models: success after ")

        code, (_, ended), (cause,) = run(
            made, "--job", "reconcile", "--config", '{"depth": "depp"}', "--wait"
        )
        assert code == 1
        assert ended.startswith("reconcile: failure after ")
        assert "depth 'depp' is unknown. Use one of" in cause

        month = f"{datetime.now(UTC):%Y-%m}"
        code, (queued,), errors = run(made, "--job", "update", "--partition", month)
        assert (code, errors) == (0, [])
        assert queued.split()[2] in {each["runId"] for each in made.ui.runs()}
