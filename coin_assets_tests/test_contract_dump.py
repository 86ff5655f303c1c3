"""The contract is that of the release before, and the ``dg`` commands work on it."""

import json
from pathlib import Path
from typing import Any

import pytest

from coin_assets_tests import contract_dump
from coin_assets_tests.contract_dump import RECORDED, as_text, dg

BEFORE: dict[str, Any] = json.loads(RECORDED.read_text())
LISTED = ("assets", "asset_checks", "jobs", "schedules", "sensors", "resources")


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = dg(tmp_path_factory.mktemp("home"), "list", "defs", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert set(LISTED) <= set(found)
    return contract_dump.dump(found)


@pytest.mark.parametrize("part", LISTED)
def test_definitions_are_those_of_the_release_before(now: dict[str, Any], part: str) -> None:
    assert now["definitions"][part] == BEFORE["definitions"][part]


def test_settings_have_the_names_and_defaults_of_the_release_before() -> None:
    assert contract_dump.settings() == BEFORE["settings"]


def test_published_files_keep_the_fields_and_words_of_the_release_before() -> None:
    """Fields may be added; none may go, become optional, or lose a word."""
    now = contract_dump.fields()
    assert set(BEFORE["fields"]) <= set(now)
    for schema, places in BEFORE["fields"].items():
        for place, names in places.items():
            assert set(names) <= set(now[schema].get(place, [])), f"{schema} {place}"


def test_the_record_is_written_as_it_is_read() -> None:
    assert as_text(BEFORE) == RECORDED.read_text()


def test_dg_checks_the_definitions(tmp_path: Path) -> None:
    done = dg(tmp_path, "check", "defs", COIN_SYMBOLS="BTC/USDT")
    assert done.returncode == 0, done.stderr
    assert "All definitions loaded successfully" in done.stdout + done.stderr


def test_dg_launches_an_asset(tmp_path: Path) -> None:
    settings = {"COIN_SYMBOLS": "BTC/USDT", "COIN_HISTORY_START": "2026-10-01"}
    chosen = ("--assets", "BTC_USDT/ohlcv_1h", "--partition", "2026-10-01")
    done = dg(tmp_path, "launch", *chosen, **settings)
    assert done.returncode == 0, done.stderr
    assert "744 candles in 2026-10" in done.stdout + done.stderr
    assert [path.name for path in tmp_path.glob("candles/*/*/m*")] == ["month=2026-10"]


def test_dg_launches_a_job(tmp_path: Path) -> None:
    done = dg(tmp_path, "launch", "--job", "doctor", COIN_SYMBOLS="BTC/USDT")
    assert done.returncode == 0, done.stderr
    assert "can be written" in done.stdout + done.stderr
