"""The targets of the Makefile pass what was typed to the commands, to the letter."""

from pathlib import Path

import pytest

from coin_assets_tests.test_makefile import checkout_at, make

# Says the arguments that it was started with.
PYTHON = """#!/bin/sh
printf '%s\\0' "$@"
"""
ODD = [
    """{"note": "it's $5, \\"$HOME\\" `id` $(id) #1 %d \\\\ ; a=b"}""",
    "BTC/USDT 1h, 币安人生/USDT 4h",
    "-dash --and=more",
    "$$PATH $(shell id) ${HOME}",
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = checkout_at(tmp_path_factory.mktemp("checkout") / "main")
    (made / ".venv/bin/python").write_text(PYTHON)
    return made


def arguments(checkout: Path, *words: str, **variables: str) -> list[str]:
    done = make(checkout, *words, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("odd", ODD)
def test_values_arrive_as_they_were_typed(checkout: Path, odd: str) -> None:
    expected = ["-m", "coin_assets.commands.launch", f"--job={odd}", f"--config={odd}"]
    expected += ["--partition=2026-11", "--wait"]
    given = {"JOB": odd, "CONFIG": odd, "PARTITION": "2026-11", "WAIT": "1"}
    words = [f"{name}={value}" for name, value in given.items()]
    assert arguments(checkout, "launch", *words) == expected
    assert arguments(checkout, "launch", **given) == expected  # from the environment
    named = [f"SUBJECT={odd}", "HOURS=8", f"NOTE={odd}", "LIFT=1"]
    assert arguments(checkout, "ack", *named) == [
        "-m",
        "coin_assets.commands.ack",
        f"--subject={odd}",
        "--hours=8",
        f"--note={odd}",
        "--lift",
    ]


def test_nothing_is_needed(checkout: Path) -> None:
    names = ("status", "alerts", "alert-test", "ack", "launch")
    words = {name: arguments(checkout, name) for name in names}
    assert words["status"] == ["-m", "coin_assets.commands.status"]
    assert words["alerts"] == ["-m", "coin_assets.commands.alerts"]
    assert words["alert-test"] == ["-m", "coin_assets.commands.alert_test"]
    assert words["ack"][2:] == ["--subject=", "--hours=", "--note="]
    assert words["launch"][2:] == ["--job=", "--config=", "--partition="]
    assert arguments(checkout, "status", "JSON=1")[2:] == ["--json"]
    assert arguments(checkout, "up", "VERBOSE=1")[2:] == ["--port", "3000", "--verbose"]
    assert arguments(checkout, "up")[2:] == ["--port", "3000"]
