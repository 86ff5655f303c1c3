"""Commands of the documentation: each is run, or checked, or not run for a reason."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
import yaml  # type: ignore[import-untyped]

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.alerts.incidents import Rules
from coin_assets.alerts.outbox import AlertBook
from coin_assets.commands import ack, launch
from coin_assets.commands.run_config import require_valid
from coin_assets.config.settings import Settings
from coin_assets.orchestration.build import build_definitions, series_specs
from coin_assets_tests.documented_commands import (
    NOT_RUN,
    TESTED,
    Command,
    bash,
    blocks_of,
    commands_of,
    documented,
    is_variable,
    script_of,
)
from coin_assets_tests.test_makefile import checkout_at, make
from coin_assets_tests.test_release_home import RELEASE_HOME
from coin_assets_tests.webui import ROOT, environment

COMMANDS = documented()
STORAGE, SYMBOLS, BACKUP = (
    f"docs/operations/{name}.md" for name in ("storage", "symbols", "backup")
)
# Writes the words of a program into a file instead of starting it.
STAND_IN = """{name}() {{ printf '%s\\0' {name} "$@" >> "$WORDS"; echo >> "$WORDS"; }}
"""


# ------------------------------------------------------------------------------------- the tables


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: f"{each.page} {each.text[:40]}")
def test_each_command_is_tested_or_not_run_for_a_reason(command: Command) -> None:
    found = [each for each in (*TESTED, *NOT_RUN) if re.fullmatch(each, command.text, re.DOTALL)]
    assert len(found) == 1, (
        f"{command.page} shows a command that one row of documented_commands.py must match: add a "
        f"test that runs it, or the reason why none does. It matches {found}: {command.text}"
    )


def test_the_tables_name_commands_of_the_documentation_and_tests_that_exist() -> None:
    for pattern in (*TESTED, *NOT_RUN):
        shown = [each for each in COMMANDS if re.fullmatch(pattern, each.text, re.DOTALL)]
        assert shown, f"no page shows {pattern}"
    for name in TESTED.values():
        file, _, function = name.partition("::")
        text = (ROOT / "coin_assets_tests" / file).read_text()
        assert f"\ndef {function}(" in text, f"{file} has no {function}"


# ------------------------------------------------------------------------ commands of the platform


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dg.Definitions]:
    """Settings that have the symbols of the documentation, and their definitions."""
    home = tmp_path_factory.mktemp("documented") / "home"
    settings = Settings(home=home, symbols="BTC/USDT,ADA/USDT,XRP/USDT")
    return settings, build_definitions(settings)


def words_of(folder: Path, *programs: str) -> list[list[str]]:
    """Words of each documented command that starts with one of ``programs``, as bash reads them."""
    begins = tuple(f"{each} " for each in programs)
    lines = [
        text
        for page in dict.fromkeys(each.page for each in COMMANDS)
        for block in blocks_of(ROOT / page)
        for text in commands_of(block)
        if is_variable(text) or f"{text} ".startswith(begins)
    ]
    stand_ins = "".join(STAND_IN.format(name=each) for each in {one.split()[0] for one in programs})
    bash(stand_ins + "\n".join(lines), folder, folder, WORDS=str(folder / "words"))
    read = (folder / "words").read_text().split("\0\n")[:-1]
    return [each.split("\0") for each in read]


def options_of(words: list[str]) -> dict[str, str]:
    """Options by name, of ``--name value``."""
    return {name: value for name, value in pairwise(words) if name.startswith("-")}


def launched(words: list[str]) -> list[str]:
    """Arguments of `launch` that queue the run of a documented command."""
    if words[0] == "make":
        given = dict(word.split("=", 1) for word in words[2:])
        job, config, month = (given.get(name, "") for name in ("JOB", "CONFIG", "PARTITION"))
    else:
        options = options_of(words)
        job, config = options["-j"], options.get("--config-json", "")
        month = json.loads(options.get("--tags", "{}")).get("dagster/partition", "")
    return [f"--job={job}", f"--config={config}", f"--partition={month}"]


def test_launches_are_accepted(
    tmp_path: Path,
    platform: tuple[Settings, dg.Definitions],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Job, settings and month are right; then only the running ``make up`` is missing."""
    settings, definitions = platform
    monkeypatch.setattr(launch, "Settings", lambda: settings)
    monkeypatch.setattr(launch, "build_definitions", lambda _: definitions)
    found = words_of(tmp_path, "make launch", "dagster job launch")
    assert len(found) > 20
    for words in found:
        assert launch.main(launched(words)) == 2
        assert "no make up runs on the home" in capsys.readouterr().err, words


def test_selections_choose_assets_and_months(
    tmp_path: Path, platform: tuple[Settings, dg.Definitions]
) -> None:
    graph = platform[1].resolve_asset_graph()
    found = [each for each in words_of(tmp_path, "dagster asset") if "--select" in each]
    assert len(found) > 5
    for words in found:
        options = options_of(words)
        chosen = dg.AssetSelection.from_coercible(options["--select"].split(",")).resolve(graph)
        assert chosen, words
        months = options.get("--partition-range", options.get("--partition", ""))
        for asset in chosen if months else ():
            partitions = graph.get(asset).partitions_def
            assert partitions is not None
            assert set(months.split("...")) <= set(partitions.get_partition_keys()), words


def test_acknowledgements_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COIN_HOME", str(tmp_path))
    monkeypatch.setenv("COIN_SYMBOLS", "BTC/USDT")
    now = datetime.now(UTC)
    wrong = [
        Condition(subject, "stale", "", Severity.WARNING, now, "", "", "")
        for subject in ("BTC/USDT 1h", "disk")
    ]
    (tmp_path / "alerts").mkdir()
    book = AlertBook(tmp_path / "alerts" / "alerts.sqlite")
    book.advance(wrong, now, Rules(timedelta(minutes=1), 3, 60), [])
    for words in words_of(tmp_path, "make ack"):
        given = [word.partition("=") for word in words[2:]]
        flags = [
            f"--{name.lower()}" if name in ("MUTE", "LIFT") else f"--{name.lower()}={value}"
            for name, _, value in given
        ]
        assert ack.main(flags) == 0, capsys.readouterr().err


def test_commands_of_operators_run_on_a_home(tmp_path: Path) -> None:
    checkout = checkout_at(tmp_path / "main")
    shim = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
    (checkout / ".venv/bin/python").write_text(shim)
    home = shutil.copytree(RELEASE_HOME, tmp_path / "home")
    given = {"COIN_HOME": str(home), "COIN_SYMBOLS": "BTC/USDT", "PYTHONPATH": str(ROOT)}
    given |= {"COIN_SOURCE_TIMEFRAMES": "4h", "COIN_DERIVED_TIMEFRAMES": "1d"}
    # The data of the release is old.
    saved = str(tmp_path / "my backup")
    for words, code, printed in (
        (["status"], 2, "BTC/USDT"),
        (["alerts"], 0, "open"),
        (["alert-test"], 2, ""),
        (["doctor"], 2, "does not run on this home"),
        (["backup", f"TO={saved}"], 0, f"{saved}, "),
        (["restore-check", f"FROM={saved}"], 0, "0 failed"),
    ):
        done = make(checkout, *words, **given)
        assert (done.returncode, printed in done.stdout) == (code, True), done.stderr


def test_dagster_lists_the_sensors(tmp_path: Path) -> None:
    records = tmp_path / "dagster"
    records.mkdir()
    where = {"COIN_DAGSTER_HOME": str(records), "DAGSTER_HOME": str(ROOT), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "sensor", "list"],
        cwd=ROOT,
        env=environment(tmp_path, **where),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for _, _, word, *names in words_of(tmp_path, "dagster sensor"):
        assert word == "list" or all(name in done.stdout for name in names)


def test_webhooks_are_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COIN_HOME", str(tmp_path))
    for line in script_of("docs/operations/alerts.md", "test_webhooks_are_accepted").splitlines():
        _, assignment = shlex.split(line)
        monkeypatch.setenv(*assignment.split("=", 1))
        assert Settings().alert_webhooks


def test_settings_of_copy_store_are_accepted(
    tmp_path: Path, platform: tuple[Settings, dg.Definitions]
) -> None:
    settings, definitions = platform
    script = script_of("docs/operations/influxdb.md", "test_settings_of_copy_store_are_accepted")
    bash(script, tmp_path, tmp_path)
    files = list(tmp_path.glob("*.yaml"))
    assert len(files) == 2
    job = definitions.resolve_job_def("copy_store")
    for file in files:
        require_valid(job, yaml.safe_load(file.read_text()), series_specs(settings))
