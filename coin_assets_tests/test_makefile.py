"""``make`` where the home or the checkout has a path that neither make nor a shell likes.

Everything lands in the folder that was named, to the letter, or the command stops and says why. A
copy of the checkout is used, whose ``.venv`` is a stand-in, so that nothing is installed.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coin_assets_tests.schemas import assert_valid
from coin_assets_tests.test_demo import demo_environment
from coin_assets_tests.webui import ROOT, environment, run

ODD = [
    "my data",
    "sp ace  twice",
    "é ü 币安",
    "it's",
    'say "hi"',
    "$HOME",
    "a$(id)`id`",
    "a#b",
    "(1) & [2]; {x} | <y>",
    "back\\slash",
    "100%",
    "a=b,c*",
    "~tilde",
    "-dash",
]
# Says what it was started with and where, as a shell reads it back.
PYTHON = """#!/bin/sh
printf '%s\\n' "$PWD" "$COIN_HOME" "$DAGSTER_HOME" "$COIN_DAGSTER_HOME" "$*"
"""


def checkout_at(folder: Path) -> Path:
    """A checkout with everything that its commands need but the packages, which count as there."""
    for name in ("Makefile", "pyproject.toml", *(path.name for path in ROOT.glob("*.lock"))):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    for mark in ("runtime", "dev", "bench"):
        (folder / f".venv/.{mark}").touch()
    return folder


def make(checkout: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    of_this_shell = {"COIN_HOME", "MAKEFLAGS", "MAKELEVEL", "PYTHON"}
    clean = {
        name: text for name, text in environment(checkout).items() if name not in of_this_shell
    }
    env = clean | variables
    return subprocess.run(
        ["make", "-s", *words], cwd=checkout, env=env, capture_output=True, text=True, check=False
    )


def started(checkout: Path, command: str, **variables: str) -> list[str]:
    """Working folder, COIN_HOME, DAGSTER_HOME, COIN_DAGSTER_HOME and arguments of a command."""
    done = make(checkout, command, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def evaluated(printed: str, *names: str) -> list[str]:
    """Values of variables after a shell has evaluated what ``make env`` printed."""
    shown = "".join(f"\nprintf '%s\\0' \"${name}\"" for name in names)
    script = f"{printed}{shown}"
    done = subprocess.run(
        ["/bin/sh", "-euc", script], capture_output=True, text=True, check=True, env={"PATH": "/p"}
    )
    return done.stdout.split("\0")[:-1]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout_at(tmp_path_factory.mktemp("plain") / "main")


VARIABLES = ("COIN_HOME", "COIN_DAGSTER_HOME", "DAGSTER_HOME", "VIRTUAL_ENV", "PATH")


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_home_is_the_one_that_is_used(plain: Path, tmp_path: Path, odd: str) -> None:
    home = tmp_path / odd / "live"
    printed = make(plain, "env", COIN_HOME=str(home)).stdout
    assert evaluated(printed, *VARIABLES) == [
        str(home),
        f"{home}/dagster",
        str(plain),
        f"{plain}/.venv",
        f"{plain}/.venv/bin:/p",
    ]
    assert [path.name for path in tmp_path.iterdir()] == [odd]
    for command in ("demo", "up"):
        folder, *homes, arguments = started(plain, command, COIN_HOME=str(home))
        assert folder == str(plain)
        assert homes == [str(home), str(plain), f"{home}/dagster"]
        assert arguments.startswith(f"-m coin_assets.{command}")


@pytest.mark.parametrize("odd", ODD)
def test_a_checkout_in_an_odd_folder_works_like_any_other(tmp_path: Path, odd: str) -> None:
    checkout = checkout_at(tmp_path / odd / "ma in")
    default = f"{checkout}/var"
    assert evaluated(make(checkout, "env").stdout, *VARIABLES) == [
        default,
        f"{default}/dagster",
        str(checkout),
        f"{checkout}/.venv",
        f"{checkout}/.venv/bin:/p",
    ]
    demo = f"{default}/demo"
    assert started(checkout, "demo")[1:4] == [demo, str(checkout), f"{demo}/dagster"]
    assert started(checkout, "up")[1:4] == [default, str(checkout), f"{default}/dagster"]
    for command in ("test", "lint", "bench", "format"):
        assert started(checkout, command)[0] == str(checkout)
    assert "make demo" in make(checkout, "help").stdout
    make(checkout, "clean")
    assert not (checkout / ".venv").exists()
    assert {path.name for path in tmp_path.iterdir()} == {odd}


@pytest.mark.parametrize(
    ("given", "home"),
    [("rel ative/é", "rel ative/é"), ("./x y", "x y"), ("x/", "x"), ("../o ther", "../o ther")],
)
def test_a_relative_home_is_relative_to_the_current_folder(
    tmp_path: Path, given: str, home: str
) -> None:
    checkout = checkout_at(tmp_path / "sp ace")
    printed = make(checkout, "env", COIN_HOME=given).stdout
    assert evaluated(printed, "COIN_HOME", "COIN_DAGSTER_HOME") == [
        f"{checkout}/{home}",
        f"{checkout}/{home}/dagster",
    ]
    assert (checkout / home / "dagster").is_dir()


@pytest.mark.parametrize(
    ("home", "reason"),
    [
        ("", "'' names no folder"),
        ("/srv/a?b", "Dagster would misread"),
        ("/srv/my%20data", "Dagster would misread"),
        ("/srv/a\nb", "holds a line break"),
        ("/srv/data ", "begins or ends with a blank"),
    ],
)
def test_a_home_that_cannot_work_stops_the_command(plain: Path, home: str, reason: str) -> None:
    for command in ("env", "demo", "up"):
        done = make(plain, command, COIN_HOME=home)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("COIN_HOME: '")
        assert reason in done.stderr
        assert "choose another folder" in done.stderr


def test_a_checkout_that_path_cannot_hold_prints_no_environment(tmp_path: Path) -> None:
    done = make(checkout_at(tmp_path / "a:b"), "env")
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds a colon" in done.stderr


def test_settings_come_back_as_they_were_given(plain: Path, tmp_path: Path) -> None:
    given = {
        "COIN_SYMBOLS": "币安人生/USDT,$PAC/USDT",
        "COIN_MARKET": 'archive:/it\'s "my" $HOME `data`\n\nCOIN_SETTLE_SECONDS=9',
        "COIN_PUBLISH_DIR": "/srv/WEBHOOKS and HEARTBEAT",
    }
    hidden = {
        "COIN_ALERT_WEBHOOKS": "hush",
        "COIN_HEARTBEAT_URL": "hush",
        "COIN_ARCHIVE": "https://me:hush@data.example/vision",
    }
    printed = make(plain, "env", COIN_HOME=str(tmp_path), **given, **hidden).stdout
    assert evaluated(printed, *given) == list(given.values())
    assert "hush" not in printed
    assert "export COIN_SETTLE_SECONDS" not in printed


def of_env(checkout: Path, *names: str, **variables: str) -> list[str]:
    return evaluated(make(checkout, "env", **variables).stdout, *names)


def test_the_sandbox_begins_thirty_months_ago_unless_settings_say_otherwise(
    tmp_path: Path,
) -> None:
    checkout = checkout_at(tmp_path / "main")
    now = datetime.now(UTC)
    months = now.year * 12 + now.month - 30
    start = f"{months // 12}-{months % 12 + 1:02}-01"
    assert of_env(checkout, "COIN_HISTORY_START") == [start]
    given = {"COIN_HISTORY_START": "2025-01-01"}
    assert of_env(checkout, "COIN_HISTORY_START", **given) == ["2025-01-01"]
    assert "COIN_HISTORY_START" not in make(checkout, "env", COIN_MARKET="ccxt:binance").stdout
    for line in ('COIN_MARKET = "ccxt:binance"', 'COIN_HISTORY_START = "2020-01-01"'):
        (checkout / "coin_assets.toml").write_text(f"{line}\n")
        assert "COIN_HISTORY_START" not in make(checkout, "env").stdout


def test_the_home_of_the_demo_is_used_until_there_is_another_one(tmp_path: Path) -> None:
    checkout = checkout_at(tmp_path / "main")
    assert of_env(checkout, "COIN_HOME") == [f"{checkout}/var"]
    demo = checkout / "var" / "demo"
    demo.mkdir(parents=True)
    (demo / "market.json").write_text('{"market": "sandbox"}')
    assert of_env(checkout, "COIN_HOME") == [str(demo)]
    assert started(checkout, "up")[1] == str(demo)
    assert of_env(checkout, "COIN_HOME", COIN_MARKET="ccxt:binance") == [f"{checkout}/var"]
    assert of_env(checkout, "COIN_HOME", COIN_HOME="./mine") == [f"{checkout}/mine"]
    (checkout / "var" / "market.json").write_text('{"market": "sandbox"}')
    assert of_env(checkout, "COIN_HOME") == [f"{checkout}/var"]


def test_an_interpreter_may_have_an_odd_path(tmp_path: Path) -> None:
    checkout = checkout_at(tmp_path / "main")
    shutil.rmtree(checkout / ".venv")
    python = tmp_path / "my $python's/python3"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    refused = make(checkout, "demo", PYTHON=str(python)).stderr
    assert "coin_assets needs Python 3.11 or newer" in refused
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "made $2 $3" >&2\nexit 1\n')
    assert "made venv .venv" in make(checkout, "demo", PYTHON=str(python)).stderr


def test_a_demo_in_an_odd_home_with_odd_symbols(tmp_path: Path) -> None:
    """With the real program; what it prints to copy names the same home."""
    home = tmp_path / "my data é" / "it's $HOME"
    env = demo_environment(
        home,
        COIN_SYMBOLS="币安人生/USDT,BTC/USDT:USDT",
        COIN_DERIVED_TIMEFRAMES="",
        COIN_HISTORY_START="2026-09-01",
        PYTHONIOENCODING="ascii",  # a terminal that has no sign of the symbol
    )
    python = shlex.quote(sys.executable)
    done = run(f"{python} -m coin_assets.demo", env)
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = json.loads((home / "published/manifest.json").read_bytes())
    assert_valid("manifest", manifest)
    assert manifest["public"]["symbols"] == ["币安人生/USDT", "BTC/USDT:USDT"]
    assert (home / "published/prediction______USDT_1h.json").is_file()
    assert (home / "dagster/history/runs.db").is_file() or list((home / "dagster").rglob("*.db"))
    assert [path.name for path in tmp_path.iterdir()] == ["my data é"]
    command = done.stdout.rsplit("web UI: ", 1)[1].strip().removesuffix(" make up")
    shown = subprocess.run(
        ["/bin/sh", "-c", f"{command} sh -c 'printf %s \"$COIN_HOME\"'"],
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert shown.stdout.decode() in (str(home), str(home).replace("é", "\\xe9"))
