"""``doctor``: reports each problem of the store with its remedy."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from coin_assets_tests.influx.database import Rights
from coin_assets_tests.influx.in_use import influx_in_use
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.platform import Platform

NOW = "2024-05-10T12:30"
ALL = [
    "reachable",
    "version",
    "clock",
    "token reads",
    "bucket",
    "retention",
    "market",
    "token writes",
    "tags",
]
WITH_TOKEN = ALL[3:]


@pytest.fixture
def influx(monkeypatch: pytest.MonkeyPatch) -> Iterator[InfluxServer]:
    with influx_in_use(monkeypatch) as influx:
        yield influx


def lines(platform: Platform, result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What was logged of each thing, ``OK ...`` or ``FAILED ...``."""
    lines = [entry.user_message for entry in platform.instance.all_logs(result.run_id)]
    found = [line for line in lines if line.startswith(("OK ", "FAILED "))]
    return {line.partition(" ")[2].partition(":")[0]: line for line in found}


def failed(platform: Platform, result: dg.ExecuteInProcessResult) -> dict[str, str]:
    found = lines(platform, result)
    return {about: line for about, line in found.items() if line.startswith("FAILED")}


def test_a_healthy_server_is_all_ok(tmp_path: Path, influx: InfluxServer) -> None:
    platform = Platform(tmp_path, now=NOW, store="influxdb")
    for _ in range(2):
        result = platform.run("doctor")
        assert result.success
        assert list(lines(platform, result)) == ALL
        assert failed(platform, result) == {}
    assert platform.materialise(["BTC_USDT/ohlcv_1h"], "2024-05-01").success
    assert platform.run("doctor").success
    [output] = [each for each in result.all_events if each.is_successful_output]
    metadata = output.step_output_data.metadata
    assert list(metadata) == ALL
    assert influx.token not in str(metadata)


def no_bucket(influx: InfluxServer) -> None:
    influx.database.remove(influx.database.bucket(influx.bucket).id)


def short_retention(influx: InfluxServer) -> None:
    influx.database.bucket(influx.bucket).retention = 30 * 86_400


def extra_tag(influx: InfluxServer) -> None:
    influx.database.write(
        influx.bucket, "ohlcv,host=a,symbol=BTC/USDT,timeframe=1h close=1 1714521600", "s"
    )


def other_market(influx: InfluxServer) -> None:
    influx.database.write(influx.bucket, 'installation market="ccxt:kraken" 4102444800', "s")


def wrong_clock(influx: InfluxServer) -> None:
    influx.clock_ahead = timedelta(minutes=5)


def only_reading(influx: InfluxServer) -> None:
    influx.accept(rights=Rights(writes=frozenset()))


PROBLEMS: dict[str, tuple[Callable[[InfluxServer], None], dict[str, str]]] = {
    # what is wrong -> what fails, with the words of a remedy
    "gone": (
        InfluxServer.down,
        dict.fromkeys(ALL, "not checked, because the server does not answer")
        | {"reachable": "INFLUXDB_V2_URL"},
    ),
    "token revoked": (
        InfluxServer.revoke,
        dict.fromkeys(WITH_TOKEN, "not checked, because the token is refused")
        | {"token reads": "Set INFLUXDB_V2_TOKEN"},
    ),
    "token only reads": (only_reading, {"token writes": "read and write access"}),
    "no bucket": (
        no_bucket,
        dict.fromkeys(WITH_TOKEN, "COIN_INFLUXDB_BUCKET"),
    ),
    "short retention": (short_retention, {"retention": "COIN_HISTORY_START"}),
    "extra tag": (extra_tag, {"tags": "ohlcv: host"}),
    "other market": (
        other_market,
        {"market": "COIN_MARKET=ccxt:kraken", "token writes": "another market"},
    ),
    "wrong clock": (wrong_clock, {"clock": "NTP"}),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_each_problem_is_reported_with_a_remedy_and_hides_no_other(
    tmp_path: Path, influx: InfluxServer, problem: str
) -> None:
    spoil, expected = PROBLEMS[problem]
    spoil(influx)
    platform = Platform(tmp_path, now=NOW, store="influxdb")
    result = platform.run("doctor")
    assert not result.success
    assert list(lines(platform, result)) == ALL
    found = failed(platform, result)
    assert found.keys() == expected.keys()
    assert {about: words for about, words in expected.items() if words not in found[about]} == {}
    [failure] = [event for event in result.all_events if event.is_step_failure]
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert list(data.metadata) == ALL
    named = ", ".join(about for about in ALL if about in expected)
    summary = f"{len(expected)} of {len(ALL)} things failed: {named}. "
    assert (data.description or "").startswith(summary)
    assert len(data.description or "") < 200
    assert influx.token not in str(result.all_events)


@pytest.mark.usefixtures("influx")
def test_a_wrong_organisation_is_reported_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUXDB_V2_ORG", "noorg")
    platform = Platform(tmp_path, now=NOW, store="influxdb")
    found = failed(platform, platform.run("doctor"))
    assert list(found) == WITH_TOKEN
    assert "(HTTP 400): " in found["token reads"]
    for line in found.values():
        assert "noorg" in line
        assert "correct INFLUXDB_V2_ORG" in line or "Create it" in line


def test_on_files_the_folder_is_looked_at(tmp_path: Path) -> None:
    platform = Platform(tmp_path, now=NOW)
    result = platform.run("doctor")
    assert result.success
    assert list(lines(platform, result)) == ["folder", "layout"]
    stray = platform.settings.home / "candles/symbol=BTC_USDT/timeframe=1h/month=2024-05.bak"
    stray.mkdir(parents=True)
    result = platform.run("doctor")
    assert not result.success
    assert str(stray) in failed(platform, result)["layout"]
