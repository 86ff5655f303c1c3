"""Contract of the settings: notation, precedence, and what stops the load.

Every refusal is a `ConfigurationError` that names the variable, the value and the remedy, lists
all problems, and shows no secret. Loading creates nothing.
"""

import os
import re
import subprocess
import sys
import traceback
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from coin_assets.config.addresses import Webhook
from coin_assets.config.settings import (
    Settings,
    settings_table,
    variable_of,
)
from coin_assets.config.settings_file import SETTINGS_FILE
from coin_assets.domain.limits import DiskLimits, FreshnessLimits
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import ConfigurationError
from coin_assets_tests.realdata import REPOSITORY

INFLUXDB = {
    "INFLUXDB_V2_URL": "http://localhost:8086",
    "INFLUXDB_V2_TOKEN": "hush-token",
    "INFLUXDB_V2_ORG": "house",
    "COIN_INFLUXDB_BUCKET": "candles",
}
SECRET = "s3cr3t-path"  # noqa: S105


def timeframes(*names: str) -> tuple[Timeframe, ...]:
    return tuple(Timeframe.parse(name) for name in names)


def from_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings()


def problems_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        from_environment(monkeypatch, **variables)
    return str(caught.value).splitlines()


# --- defaults and typed values


def test_defaults_are_those_of_the_contract(folder: Path) -> None:
    settings = Settings()
    assert settings.home == folder / "var"
    assert settings.symbols == ("BTC/USDT", "ETH/USDT", "XRP/USDT", "SOL/USDT", "DOGE/USDT")
    assert (settings.market, settings.store) == ("sandbox", "parquet")
    assert settings.archive == SecretStr("")
    assert settings.source_timeframes == timeframes("1h")
    assert settings.derived_timeframes == timeframes("4h", "1d", "1w", "1M")
    assert settings.history_start == datetime(2017, 8, 1, tzinfo=UTC)
    assert (settings.settle_seconds, settings.reread_candles) == (2, 3)
    assert settings.retention == {Timeframe("1m"): timedelta(days=14)}
    assert settings.records_retention == timedelta(days=30)
    assert settings.history_window == {
        Timeframe("1m"): timedelta(days=1),
        Timeframe("5m"): timedelta(days=3),
        Timeframe("15m"): timedelta(days=7),
        Timeframe("1h"): timedelta(days=90),
        Timeframe("4h"): timedelta(days=365),
    }
    assert {str(name): str(limits) for name, limits in settings.freshness.items()} == {
        "1m": "3/6",
        "5m": "12/24",
        "15m": "30/60",
        "1h": "65/130",
        "4h": "250/500",
        "1d": "1500/3000",
        "1w": "11520/23040",
        "1M": "50400/100800",
    }
    assert settings.methods == ("har",)
    assert settings.publish_dir == folder / "var" / "published"
    assert settings.alert_webhooks == ()
    assert settings.alert_cycle_seconds == 60
    assert settings.alert_repeat_cycles == 3
    assert settings.alert_escalate_cycles == 60
    assert settings.heartbeat_url == SecretStr("")
    assert settings.disk_limits == DiskLimits(70, 85, 90)
    assert settings.influxdb_v2_url == settings.influxdb_v2_org == settings.influxdb_bucket == ""
    assert settings.influxdb_v2_token == SecretStr("")
    assert settings.model_fields_set == set()


PARSED: list[tuple[str, str, Any]] = [
    ("home", "/srv/coins", Path("/srv/coins")),
    ("home", "/srv/my é 'data' 5% #(1) $HOME:a", Path("/srv/my é 'data' 5% #(1) $HOME:a")),
    ("symbols", " BTC/USDT , ETH/USDT:USDT ,", ("BTC/USDT", "ETH/USDT:USDT")),
    ("symbols", "1INCH/USD-T,kPEPE/U.S", ("1INCH/USD-T", "kPEPE/U.S")),
    ("symbols", "币安人生/USDT,$PAC/USDT,X_A/USDT", ("币安人生/USDT", "$PAC/USDT", "X_A/USDT")),
    ("market", "ccxt:binance", "ccxt:binance"),
    ("source_timeframes", "1m,1h", timeframes("1m", "1h")),
    ("derived_timeframes", "1d", timeframes("1d")),
    ("derived_timeframes", "", ()),
    ("history_start", "2020-02-01", datetime(2020, 2, 1, tzinfo=UTC)),
    ("settle_seconds", "0", 0),
    ("reread_candles", " 7 ", 7),
    ("retention", "1m:30d", {Timeframe("1m"): timedelta(days=30)}),
    ("retention", "", {}),
    ("records_retention", " 24h ", timedelta(days=1)),
    ("records_retention", "8w", timedelta(weeks=8)),
    (
        "history_window",
        "1m:90m, 1h:36h, 1d:52w",
        {
            Timeframe("1m"): timedelta(minutes=90),
            Timeframe("1h"): timedelta(hours=36),
            Timeframe("1d"): timedelta(weeks=52),
        },
    ),
    ("methods", " naive , har", ("har", "naive")),
    ("methods", "har", ("har",)),
    ("publish_dir", "/srv/www", Path("/srv/www")),
    ("metrics_port", "9464", 9464),
    ("paths", "1000", 1000),
    ("metrics_textfile", "/srv/coin_assets.prom", Path("/srv/coin_assets.prom")),
    ("ui_hosts", "Coins.example.org, [fd00::1]:3000", ("coins.example.org", "[fd00::1]:3000")),
    ("disk_limits", "1/2/100", DiskLimits(1, 2, 100)),
    ("alert_cycle_seconds", "5", 5),
    ("alert_repeat_cycles", "1", 1),
    ("alert_escalate_cycles", "1", 1),
    ("heartbeat_url", f"http://ping.example/{SECRET}", SecretStr(f"http://ping.example/{SECRET}")),
    (
        "alert_webhooks",
        "discord+https://d.example/a, slack+https://s.example/b,json+http://127.0.0.1:9/c,"
        "json+http://localhost/d,json+http://[::1]:80/e",
        (
            Webhook("discord", "https://d.example/a"),
            Webhook("slack", "https://s.example/b"),
            Webhook("json", "http://127.0.0.1:9/c"),
            Webhook("json", "http://localhost/d"),
            Webhook("json", "http://[::1]:80/e"),
        ),
    ),
]


@pytest.mark.parametrize(("field", "given", "expected"), PARSED)
def test_notation_becomes_typed_values(
    monkeypatch: pytest.MonkeyPatch, field: str, given: str, expected: object
) -> None:
    settings = from_environment(monkeypatch, **{variable_of(field): given})
    assert getattr(settings, field) == expected
    assert settings.model_fields_set == {field}


def test_freshness_given_overrides_its_timeframes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = from_environment(monkeypatch, COIN_FRESHNESS="1h:70/140,2h:1/2").freshness
    assert limits[Timeframe("1h")] == FreshnessLimits(timedelta(minutes=70), timedelta(minutes=140))
    assert limits[Timeframe("2h")] == FreshnessLimits(timedelta(minutes=1), timedelta(minutes=2))
    assert str(limits[Timeframe("4h")]) == "250/500"


def test_history_window_given_replaces_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    window = from_environment(monkeypatch, COIN_HISTORY_WINDOW="4h:1d").history_window
    assert window == {Timeframe("4h"): timedelta(days=1)}


def test_typed_values_are_accepted_as_they_are(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    (folder / "files").mkdir()
    monkeypatch.setenv("INFLUXDB_V2_TOKEN", "hush")
    first = Settings(
        home=folder / "home",
        market="ccxt:kraken",
        archive="files",
        store="influxdb",
        freshness="2h:150/300",
        derived_timeframes="2h,1d",
        alert_webhooks="json+https://j.example/x",
        heartbeat_url="https://h.example/x",
        influxdb_v2_url="https://i.example",
        influxdb_v2_token="hush",  # noqa: S106
        influxdb_v2_org="o",
        influxdb_bucket="b",
    )
    again = Settings(**{name: getattr(first, name) for name in Settings.model_fields})
    assert again == first
    assert again.archive == SecretStr(str(folder / "files"))


@pytest.mark.parametrize("day", [date(2021, 5, 1), datetime(2021, 5, 1, tzinfo=UTC)])
def test_history_start_may_be_a_date(day: date) -> None:
    assert Settings(history_start=day).history_start == datetime(2021, 5, 1, tzinfo=UTC)


def test_settings_are_immutable() -> None:
    with pytest.raises(ValidationError):
        Settings().market = "other"  # type: ignore[misc]  # this is the point


# --- where values come from


def test_code_beats_environment_beats_file_beats_default(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    (folder / SETTINGS_FILE).write_text(
        'COIN_SYMBOLS = "A/X"\nCOIN_SETTLE_SECONDS = 9\nCOIN_REREAD_CANDLES = 8\n'
    )
    monkeypatch.setenv("COIN_SYMBOLS", "B/X")
    monkeypatch.setenv("COIN_SETTLE_SECONDS", "7")
    settings = Settings(symbols="C/X")
    assert settings.symbols == ("C/X",)
    assert settings.settle_seconds == 7
    assert settings.reread_candles == 8
    assert settings.market == "sandbox"
    assert settings.model_fields_set == {"symbols", "settle_seconds", "reread_candles"}


def test_mapping_from_code_is_not_mixed_with_another_source(folder: Path) -> None:
    (folder / SETTINGS_FILE).write_text('COIN_RETENTION = "5m:10d"\n')
    given = {Timeframe("1m"): timedelta(days=1)}
    assert Settings(retention=given).retention == given


def test_file_may_use_lists_numbers_and_dates(folder: Path) -> None:
    (folder / SETTINGS_FILE).write_text(
        """
        COIN_SYMBOLS = ["BTC/USDT", "ETH/USDT"]
        COIN_DERIVED_TIMEFRAMES = ["4h", "1d"]
        COIN_RETENTION = ["1m:7d", "5m:60d"]
        COIN_FRESHNESS = ["1h:61/62"]
        COIN_ALERT_WEBHOOKS = ["json+https://j.example/x"]
        COIN_HISTORY_START = 2022-03-01
        COIN_ALERT_CYCLE_SECONDS = 30
        INFLUXDB_V2_ORG = "house"
        """
    )
    settings = Settings()
    assert settings.symbols == ("BTC/USDT", "ETH/USDT")
    assert settings.derived_timeframes == timeframes("4h", "1d")
    assert settings.retention == {
        Timeframe("1m"): timedelta(days=7),
        Timeframe("5m"): timedelta(days=60),
    }
    assert str(settings.freshness[Timeframe("1h")]) == "61/62"
    assert settings.alert_webhooks == (Webhook("json", "https://j.example/x"),)
    assert settings.history_start == datetime(2022, 3, 1, tzinfo=UTC)
    assert settings.alert_cycle_seconds == 30
    assert settings.influxdb_v2_org == "house"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("COIN_SYMBOL = 'A/X'", "COIN_SYMBOL: .* did you mean COIN_SYMBOLS"),
        ("home = '/srv'", "home: there is no such setting; did you mean COIN_HOME"),
        ("[tool]\nx = 1", "tool: there is no such setting; remove it"),
        ("COIN_DAGSTER_HOME = '/x'", "COIN_DAGSTER_HOME: there is no such setting"),
        (
            "COIN_HOME = ",
            r"coin_assets\.toml: cannot be read \(Invalid value .*\); correct the file",
        ),
        ("COIN_SETTLE_SECONDS = true", "COIN_SETTLE_SECONDS: True is not a whole number"),
        ("COIN_SETTLE_SECONDS = 1.5", r"COIN_SETTLE_SECONDS: 1\.5 is not a whole number"),
        ("COIN_MARKET = 5", "COIN_MARKET: 5 is not text; write it in quotes"),
        ("COIN_SYMBOLS = ['A/X', 5]", "COIN_SYMBOLS: 5 is not text"),
        ("[COIN_RETENTION]\n1m = '1d'", "COIN_RETENTION: .* is a table; write text"),
        (
            "COIN_HISTORY_START = 2022-03-01T00:00:00",
            "COIN_HISTORY_START: .* needs the time zone UTC; or write a day, as in 2022-03-01",
        ),
        ("COIN_HISTORY_START = 2022-03-01T05:00:00Z", "COIN_HISTORY_START: .* start of a month"),
    ],
)
def test_file_with_mistakes_stops_the_load(folder: Path, content: str, message: str) -> None:
    (folder / SETTINGS_FILE).write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        Settings()


def test_file_that_is_not_utf8_stops_the_load(folder: Path) -> None:
    (folder / SETTINGS_FILE).write_bytes(b'COIN_HOME = "\xff"')
    with pytest.raises(ConfigurationError, match=r"coin_assets\.toml: cannot be read"):
        Settings()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("COIN_SYMBOL", "did you mean COIN_SYMBOLS?"),
        ("COIN_symbols", "did you mean COIN_SYMBOLS?"),
        ("COIN_ALERT_WEBHOOK", "did you mean COIN_ALERT_WEBHOOKS?"),
        ("COIN_XQZW", "remove it."),
    ],
)
def test_unknown_variables_stop_the_load_without_their_value(
    monkeypatch: pytest.MonkeyPatch, name: str, remedy: str
) -> None:
    [problem] = problems_of(monkeypatch, **{name: SECRET})
    assert problem == f"{name}: there is no such setting; {remedy}"


@pytest.mark.parametrize("name", ["COIN_DAGSTER_HOME", "COINS", "coin_home", "INFLUXDB_V2_TIMEOUT"])
def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert from_environment(monkeypatch, **{name: "x"}).model_fields_set == set()


def test_unknown_keyword_stops_the_load() -> None:
    with pytest.raises(ConfigurationError, match=r"COIN_SYMBOL: .* did you mean COIN_SYMBOLS"):
        Settings(symbol="BTC/USDT")


# --- what is refused

REFUSED: list[tuple[str, str, str]] = [
    ("COIN_HOME", "", "'' names no folder; write one"),
    (
        "COIN_HOME",
        "/srv/a?b",
        r"'/srv/a\?b' holds '\?', which Dagster would misread; choose another",
    ),
    ("COIN_HOME", "/srv/my%20data", "'/srv/my%20data' holds '%20', which Dagster would misread"),
    ("COIN_HOME", "/srv/a\nb", r"'/srv/a\\nb' holds '\\n', which Dagster would misread"),
    ("COIN_HOME", "/srv/\udce9", r"'/srv/\\udce9' is not UTF-8; choose another folder"),
    ("COIN_METRICS_PORT", "65536", "'65536' is no port; write a number up to 65535, as in 9464"),
    ("COIN_METRICS_PORT", "-1", "'-1' is no port"),
    ("COIN_SITE_PORT", "65536", "'65536' is no port; write a number up to 65535, as in 8088"),
    ("COIN_SITE_PORT", "http", "'http' is no port; .* as in 8088, or 0 for none"),
    ("COIN_SITE_URL", "ftp://host/", "ftp://host/... is not a valid http or https address"),
    ("COIN_DAGSTER_URL", "https://me:pw@host/", "https://host/... has a user, a query or a"),
    ("COIN_DAGSTER_URL", "https://host/?token=x", "https://host/... has a user, a query or a"),
    ("COIN_METRICS_TEXTFILE", "/srv/metrics", "write a name that ends with .prom"),
    ("COIN_UI_HOSTS", "https://a.example", "'https://a.example' is not a host; write it without"),
    ("COIN_UI_HOSTS", "a.example,*", r"'\*' is not a host"),
    ("COIN_SYMBOLS", "", "'' names no symbol; write at least one, as in BTC/USDT"),
    ("COIN_SYMBOLS", " , ", "names no symbol"),
    ("COIN_SYMBOLS", "btcusdt", "'btcusdt' is not BASE/QUOTE; write it as in BTC/USDT"),
    ("COIN_SYMBOLS", "BTC/", "'BTC/' is not BASE/QUOTE"),
    ("COIN_SYMBOLS", "BTC/USDT/EUR", "is not BASE/QUOTE"),
    ("COIN_SYMBOLS", "币安/人生", "leaves nothing readable .* remove it"),
    (
        "COIN_SYMBOLS",
        "币安人生/X,测试测试/X",
        "'币安人生/X' and '测试测试/X' would share .* COIN_HOME",
    ),
    ("COIN_SYMBOLS", "../USDT", "is not BASE/QUOTE"),
    ("COIN_SYMBOLS", "BTC/USDT:", "is not BASE/QUOTE"),
    ("COIN_SYMBOLS", "A/X,B/X,A/X", "'A/X' is given 2 times; write it once"),
    ("COIN_SYMBOLS", "A-B/X,A.B/X", "'A-B/X' and 'A.B/X' would share the name A_B_X .* keep one"),
    ("COIN_SOURCE_TIMEFRAMES", "", "names no timeframe; write at least one, as in 1h"),
    ("COIN_SOURCE_TIMEFRAMES", "60m", "Unknown timeframe '60m'. Use one of"),
    ("COIN_SOURCE_TIMEFRAMES", "1h,1h", "'1h' is given 2 times"),
    ("COIN_DERIVED_TIMEFRAMES", "4H", "Unknown timeframe '4H'"),
    ("COIN_DERIVED_TIMEFRAMES", "4h,4h", "'4h' is given 2 times"),
    ("COIN_DERIVED_TIMEFRAMES", "1h", "'1h' is in COIN_SOURCE_TIMEFRAMES too; keep"),
    ("COIN_DERIVED_TIMEFRAMES", "15m", r"'15m' is not made of .* \(1h\); remove it, or add one"),
    (
        "COIN_MARKET",
        "",
        "'' is not a market; write sandbox, ccxt:<exchange id> or archive:<folder>",
    ),
    ("COIN_MARKET", "binance", "'binance' is not a market"),
    ("COIN_MARKET", "sandbox:", "'sandbox:' is not a market"),
    ("COIN_MARKET", "ccxt:", "'ccxt:' is not a market"),
    ("COIN_MARKET", "archive:", "'archive:' is not a market"),
    ("COIN_MARKET", "archive:gone", "'gone' is not an existing folder .*; correct the path"),
    (
        "COIN_MARKET",
        "ccxt:binanse",
        "'ccxt:binanse' names no exchange .* did you mean binance",
    ),
    (
        "COIN_MARKET",
        "ccxt:xqzw",
        "names no exchange of ccxt .* listed in docs/operations/exchanges",
    ),
    ("COIN_ARCHIVE", ".", "is of no use to COIN_MARKET=sandbox; leave it empty, or use ccxt:<id>"),
    ("COIN_ARCHIVE", "gone", "'gone' is not an existing folder"),
    ("COIN_ARCHIVE", "ftp://a.example", "ftp://a.example/... is not a valid http or https"),
    ("COIN_STORE", "postgres", "'postgres' is not known; write parquet or influxdb"),
    ("COIN_HISTORY_START", "2020-01-02", "'2020-01-02' is not the start of .* write 2020-01-01"),
    ("COIN_HISTORY_START", "01.02.2020", "is not a day YYYY-MM-DD; write it as in 2017-08-01"),
    ("COIN_HISTORY_START", "20200101", "is not a day YYYY-MM-DD"),
    ("COIN_HISTORY_START", "2020-13-01", "'2020-13-01' is not in the calendar"),
    ("COIN_HISTORY_START", "2999-01-01", "'2999-01-01' is in the future; write a month that"),
    ("COIN_SETTLE_SECONDS", "-1", "'-1' is not a whole number of at least 0; write one"),
    ("COIN_SETTLE_SECONDS", "2s", "'2s' is not a whole number"),
    ("COIN_REREAD_CANDLES", "-1", "at least 0"),
    ("COIN_REREAD_CANDLES", "", "'' is not a whole number"),
    ("COIN_RETENTION", "1m", "'1m' is not TIMEFRAME:VALUE; write it as in 1m:14d"),
    ("COIN_RETENTION", "7m:1d", "Unknown timeframe '7m'"),
    ("COIN_RETENTION", "1m:1d,1m:2d", "'1m' is given 2 times"),
    ("COIN_RETENTION", "1m:0d", r"'0d' is not a duration; .* \(minutes m, .* weeks w\), as in 14d"),
    ("COIN_RETENTION", "1m:14", "'14' is not a duration"),
    ("COIN_RETENTION", "1m:-3d", "'-3d' is not a duration"),
    ("COIN_RETENTION", "1h:999999w", "'999999w' is not a duration"),
    ("COIN_RETENTION", "1m:31d", "'1m' for 31 days is more .* write 1m:30d or less"),
    ("COIN_RECORDS_RETENTION", "", "'' is not a duration; .* as in 14d"),
    ("COIN_RECORDS_RETENTION", "1h:30d", "'1h:30d' is not a duration"),
    (
        "COIN_RECORDS_RETENTION",
        "23h",
        "'23h' is shorter than .* write 1d or more",
    ),
    ("COIN_HISTORY_WINDOW", "1h:1y", "'1y' is not a duration"),
    ("COIN_METHODS", "naive", "har is missing; .* Write har,naive"),
    ("COIN_METHODS", "", "har is missing"),
    (
        "COIN_METHODS",
        "har,prophet",
        "'prophet' is not known; write har, naive or har_exogenous, with commas between",
    ),
    ("COIN_METHODS", "har,har", "'har,har' names a method twice"),
    ("COIN_METHODS", "har,har_exogenous", "har_exogenous reads exogenous .* set COIN_EXOGENOUS"),
    (
        "COIN_EXOGENOUS",
        "gossip",
        "'gossip' is not known; write implied_volatility, funding_rate or",
    ),
    ("COIN_EXOGENOUS", "funding_rate,funding_rate", "names a series twice"),
    ("COIN_EXOGENOUS", "funding_rate", "of no use to COIN_MARKET=sandbox; leave it empty, or use"),
    ("COIN_FRESHNESS", "1h:65", "'65' is not made of 2 whole numbers .* as in 65/130"),
    ("COIN_FRESHNESS", "1h:130/65", "'130/65' is not a pair of limits; .* as in 65/130"),
    ("COIN_FRESHNESS", "1h:65/65", "is not a pair of limits"),
    ("COIN_FRESHNESS", "1h:0/65", "at least 1 minute"),
    ("COIN_FRESHNESS", "1h:-1/65", "'-1/65' is not made of"),
    ("COIN_DISK_LIMITS", "70/85", "'70/85' is not made of 3 whole numbers"),
    ("COIN_DISK_LIMITS", "85/70/90", "'85/70/90' does not ascend"),
    ("COIN_DISK_LIMITS", "0/70/90", "does not ascend within 0 to 100"),
    ("COIN_DISK_LIMITS", "70/85/101", "as in 70/85/90"),
    ("COIN_ALERT_WEBHOOKS", "https://d.example/x", "write discord.https://"),
    ("COIN_ALERT_WEBHOOKS", "teams+https://d.example/x", "does not begin with a kind of webhook"),
    ("COIN_ALERT_WEBHOOKS", "json+ftp://d.example/x", "not a valid http or https address"),
    ("COIN_ALERT_WEBHOOKS", "json+https://", "not a valid http or https address"),
    ("COIN_ALERT_WEBHOOKS", "json+https://d.example:99999/x", "not a valid http or https"),
    ("COIN_ALERT_WEBHOOKS", "json+http://d.example/x", "in the clear; write json.https://"),
    ("COIN_ALERT_WEBHOOKS", "json+http://10.0.0.1/x", "http is for loopback hosts only"),
    ("COIN_ALERT_CYCLE_SECONDS", "4", "'4' is not a whole number of at least 5"),
    ("COIN_ALERT_REPEAT_CYCLES", "0", "'0' is not a whole number of at least 1"),
    ("COIN_ALERT_ESCALATE_CYCLES", "0", "at least 1"),
    ("COIN_HEARTBEAT_URL", "ping.example", "not a valid http or https address; write https://"),
    ("COIN_HEARTBEAT_URL", "ftp://ping.example/x", "ftp://ping.example/... is not a valid"),
    ("COIN_HEARTBEAT_URL", "file:///etc/passwd", "not a valid http or https address"),
    ("COIN_ALERT_WEBHOOKS", "json+file:///etc/passwd", "not a valid http or https address"),
    ("COIN_ALERT_WEBHOOKS", "json+unix:///run/x.sock", "not a valid http or https address"),
    ("INFLUXDB_V2_URL", "localhost:8086", "'localhost:8086' is not a valid http or https address"),
    ("INFLUXDB_V2_URL", "a:b@localhost:8086", r"the value \(hidden\) is not a valid"),
    ("INFLUXDB_V2_URL", "localhost:8086/path", r"the value \(hidden\) is not a valid"),
]


@pytest.mark.parametrize(("variable", "value", "message"), REFUSED)
def test_invalid_value_stops_the_load(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    [problem] = problems_of(monkeypatch, **{variable: value})
    assert re.match(f"{variable}: .*{message}", problem), problem


@pytest.mark.parametrize("value", ["json+https://x.example/a b", "json+https://x.example/a\tb"])
def test_address_with_blanks_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert "not a valid http" in problems_of(monkeypatch, COIN_ALERT_WEBHOOKS=value)[0]


def test_every_configured_timeframe_needs_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = problems_of(
        monkeypatch, COIN_SOURCE_TIMEFRAMES="30m,1h", COIN_DERIVED_TIMEFRAMES="2h,4h"
    )
    assert problems == [
        "COIN_FRESHNESS: '30m' has no limits; add them, as in 30m:37/75.",
        "COIN_FRESHNESS: '2h' has no limits; add them, as in 2h:150/300.",
    ]


@pytest.mark.parametrize("retention", ["", "5m:60d"])
def test_minutes_are_never_kept_without_limit(
    monkeypatch: pytest.MonkeyPatch, retention: str
) -> None:
    [problem] = problems_of(monkeypatch, COIN_SOURCE_TIMEFRAMES="1m,1h", COIN_RETENTION=retention)
    assert problem == (
        "COIN_RETENTION: '1m' would be kept without limit; add 1m:14d, or up to 1m:30d."
    )


@pytest.mark.parametrize("absent", sorted(INFLUXDB))
def test_influxdb_needs_all_its_variables(monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    given = {name: value for name, value in INFLUXDB.items() if name != absent}
    [problem] = problems_of(monkeypatch, COIN_STORE="influxdb", **given)
    assert problem.startswith(f"{absent}: '' will not do with COIN_STORE=influxdb; set it")


@pytest.mark.parametrize("variable", ["COIN_HOME", "COIN_PUBLISH_DIR"])
@pytest.mark.parametrize("below", ["", "/sub/folder"])
def test_file_in_place_of_a_folder_stops_the_load(
    monkeypatch: pytest.MonkeyPatch, folder: Path, variable: str, below: str
) -> None:
    file = folder / "file"
    file.touch()
    problems = problems_of(monkeypatch, **{variable: f"{file}{below}"})
    expected = f"{variable}: '{file}{below}' cannot be a folder because {file} is a file; choose"
    assert problems[0].startswith(expected)


def test_path_that_cannot_be_looked_at_is_a_problem_of_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problems = problems_of(monkeypatch, COIN_PUBLISH_DIR="x" * 5000)
    assert problems[0].startswith("COIN_PUBLISH_DIR: ")
    assert "cannot be looked at" in problems[0]


def test_all_problems_are_listed_one_per_line(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = problems_of(
        monkeypatch,
        COIN_SYMBOL="x",
        COIN_SYMBOLS="btc,eth",
        COIN_SOURCE_TIMEFRAMES="5h",
        COIN_DISK_LIMITS="9",
        COIN_STORE="influxdb",
    )
    assert [problem.partition(":")[0] for problem in problems] == [
        "COIN_SYMBOL",
        "COIN_SYMBOLS",
        "COIN_SYMBOLS",
        "COIN_SOURCE_TIMEFRAMES",
        "COIN_DISK_LIMITS",
        "INFLUXDB_V2_URL",
        "INFLUXDB_V2_TOKEN",
        "INFLUXDB_V2_ORG",
        "COIN_INFLUXDB_BUCKET",
    ]


def test_line_breaks_in_a_value_stay_within_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(problems_of(monkeypatch, COIN_MARKET="a\nb")) == 1


# --- secrets


def test_valid_secrets_show_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = from_environment(
        monkeypatch,
        COIN_ALERT_WEBHOOKS=f"discord+https://user:{SECRET}@d.example/{SECRET}?k={SECRET}",
        COIN_HEARTBEAT_URL=f"https://h.example/{SECRET}",
        COIN_MARKET="ccxt:binance",
        COIN_ARCHIVE=f"https://user:{SECRET}@a.example/{SECRET}?k={SECRET}",
        INFLUXDB_V2_TOKEN=SECRET,
    )
    shown = f"{settings!r} {settings} {settings.alert_webhooks[0]}"
    assert SECRET not in shown
    assert "Webhook(discord+https://d.example/...)" in shown
    assert settings.alert_webhooks[0].url.endswith(f"?k={SECRET}")
    assert settings.heartbeat_url.get_secret_value().endswith(SECRET)
    assert settings.influxdb_v2_token.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COIN_ALERT_WEBHOOKS", f"https://d.example/{SECRET}"),
        ("COIN_ALERT_WEBHOOKS", f"d.example/{SECRET}"),
        ("COIN_ALERT_WEBHOOKS", f"json+https://d.example/a,{SECRET}"),
        ("COIN_ALERT_WEBHOOKS", f"json+http://d.example/{SECRET}"),
        ("COIN_ALERT_WEBHOOKS", f"json+https://d.example:{SECRET}/x"),
        ("COIN_ALERT_WEBHOOKS", f"json+https://[{SECRET}/x"),
        ("COIN_ALERT_WEBHOOKS", f"json+ftp://{SECRET}@d.example/x"),
        ("COIN_ALERT_WEBHOOKS", f"json+https://d.example/ {SECRET}"),
        ("COIN_ARCHIVE", f"ftp://me:{SECRET}@d.example/x"),
        ("COIN_ARCHIVE", f"https://me:{SECRET}@d.example/x"),  # of no use to the sandbox
        ("COIN_ARCHIVE", f"me:{SECRET}@d.example/x"),
        ("COIN_HEARTBEAT_URL", f"h.example/{SECRET}"),
        ("COIN_HEARTBEAT_URL", f"ftp://h.example/{SECRET}"),
    ],
)
def test_refused_secrets_show_in_no_message_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_environment(monkeypatch, **{variable: value, "INFLUXDB_V2_TOKEN": SECRET})
    shown = "".join(traceback.format_exception(caught.value))
    assert f"ConfigurationError: {variable}: " in shown
    assert SECRET not in shown


@pytest.mark.parametrize("variable", ["COIN_HEARTBEAT_URL", "COIN_ALERT_WEBHOOKS"])
@pytest.mark.parametrize("value", ["20250101", "{ x = 20250101 }", "[[20250101]]"])
def test_secret_of_the_wrong_type_is_hidden(folder: Path, variable: str, value: str) -> None:
    (folder / SETTINGS_FILE).write_text(f"{variable} = {value}")
    with pytest.raises(
        ConfigurationError, match=f"{variable}: the value .hidden. is not text"
    ) as e:
        Settings()
    assert "20250101" not in repr(e.value)


@pytest.mark.parametrize("store", ["parquet", "influxdb"])
@pytest.mark.parametrize("value", [f"'{SECRET}'", "20250101", "''"])
def test_a_token_in_the_file_is_refused_and_hidden(
    monkeypatch: pytest.MonkeyPatch, folder: Path, store: str, value: str
) -> None:
    (folder / SETTINGS_FILE).write_text(f"INFLUXDB_V2_TOKEN = {value}")
    [problem] = problems_of(monkeypatch, COIN_STORE=store, **INFLUXDB)
    assert problem.startswith("INFLUXDB_V2_TOKEN: a token does not belong into coin_assets.toml")
    assert "set the environment variable" in problem
    assert SECRET not in problem
    assert "20250101" not in problem


def test_a_token_from_code_must_be_the_one_that_runs_will_find(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in INFLUXDB.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=r"INFLUXDB_V2_TOKEN: .*environment") as caught:
        Settings(store="influxdb", influxdb_v2_token=SECRET)
    assert SECRET not in repr(caught.value)
    assert Settings(influxdb_v2_token=SECRET).store == "parquet"


@pytest.mark.parametrize("user", [f"{SECRET}@", f"me:{SECRET}@", f":{SECRET}@"])
def test_the_address_of_influxdb_carries_no_user(
    monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    [problem] = problems_of(monkeypatch, INFLUXDB_V2_URL=f"https://{user}i.example:8086")
    assert problem.startswith("INFLUXDB_V2_URL: https://i.example/... has a user")
    assert SECRET not in problem


def test_tags_that_the_client_would_add_stop_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    tags = {"INFLUXDB_V2_TAG_HOST": "a", "INFLUXDB_V2_TAG_RUN": "b"}
    problems = problems_of(monkeypatch, COIN_STORE="influxdb", **INFLUXDB, **tags)
    assert [problem.partition(":")[0] for problem in problems] == sorted(tags)
    assert all("unset the variable" in problem for problem in problems)
    monkeypatch.setenv("COIN_STORE", "parquet")
    assert Settings().store == "parquet"


def test_locks_of_several_machines_need_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {f"DAGSTER_POSTGRES_{end}": "x" for end in ("HOST", "PORT", "USER", "PASSWORD", "DB")}
    for name in given:
        monkeypatch.delenv(name, raising=False)
    (problem,) = problems_of(monkeypatch, COIN_LOCKS="postgres")
    assert problem.startswith("COIN_LOCKS: 'postgres' needs DAGSTER_POSTGRES_HOST")
    for name, text in given.items():
        monkeypatch.setenv(name, text)
    assert Settings().locks == "postgres"
    monkeypatch.delenv("DAGSTER_POSTGRES_PASSWORD")
    (problem,) = problems_of(monkeypatch, COIN_LOCKS="postgres")
    assert "needs DAGSTER_POSTGRES_PASSWORD," in problem
    assert Settings(locks="files").locks == "files"


def test_error_keeps_no_reference_to_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COIN_HEARTBEAT_URL", f"ftp://h.example/{SECRET}")
    with pytest.raises(ConfigurationError) as caught:
        Settings()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


# --- what is derived from the values


@pytest.mark.parametrize(
    ("market", "kind", "argument"),
    [("sandbox", "sandbox", ""), ("ccxt:kraken", "ccxt", "kraken")],
)
def test_market_is_split_into_kind_and_argument(market: str, kind: str, argument: str) -> None:
    settings = Settings(market=market)
    assert (settings.market_kind, settings.market_argument) == (kind, argument)


def test_archive_folder_stays_the_same_when_the_directory_changes(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    (folder / "files").mkdir()
    settings = Settings(market="archive:files")
    monkeypatch.chdir("/")
    assert settings.market == "archive:files"
    assert settings.market_kind == "archive"
    assert settings.market_argument == str((folder / "files").resolve())


@pytest.mark.parametrize("archive", ["https://data.example/vision", "files"])
def test_bulk_history_of_an_exchange_is_a_folder_or_an_address(folder: Path, archive: str) -> None:
    (folder / "files").mkdir()
    settings = Settings(market="ccxt:binance", archive=archive)
    expected = archive if "://" in archive else str(folder / "files")
    assert settings.archive.get_secret_value() == expected


@pytest.mark.parametrize(
    ("home", "publish_dir", "expected"),
    [
        ("a", None, "a/published"),
        ("a", "$COIN_HOME/www", "a/www"),
        ("a", "www", "www"),
    ],
)
def test_publish_dir_follows_home_unless_it_is_elsewhere(
    folder: Path, home: str, publish_dir: str | None, expected: str
) -> None:
    given = {"publish_dir": publish_dir} if publish_dir else {}
    assert Settings(home=home, **given).publish_dir == folder / expected


def test_timeframes_are_sorted_by_length_and_keys_cover_every_symbol() -> None:
    settings = Settings(
        symbols="B/X,A/X", source_timeframes="1h,1m", derived_timeframes="1d,5m", retention="1m:1d"
    )
    assert settings.timeframes == timeframes("1m", "5m", "1h", "1d")
    assert settings.series_list == tuple(
        Series(symbol, timeframe)
        for symbol in ("B/X", "A/X")
        for timeframe in timeframes("1m", "5m", "1h", "1d")
    )


@pytest.mark.parametrize(
    ("timeframe", "source"),
    [("1m", None), ("1h", None), ("5m", "1m"), ("4h", "1h"), ("1w", "1h"), ("1M", "1h")],
)
def test_source_is_the_coarsest_that_divides(timeframe: str, source: str | None) -> None:
    settings = Settings(source_timeframes="1m,1h", derived_timeframes="5m,4h,1w,1M")
    expected = None if source is None else Timeframe(source)
    assert settings.source_of(Timeframe(timeframe)) == expected


def test_source_need_not_be_finer_than_others_to_divide() -> None:
    settings = Settings(
        source_timeframes="2h,3h",
        derived_timeframes="6h,8h",
        freshness="2h:1/2,3h:1/2,6h:1/2,8h:1/2",
    )
    assert settings.source_of(Timeframe("6h")) == Timeframe("3h")
    assert settings.source_of(Timeframe("8h")) == Timeframe("2h")


# --- side effects and documentation


def test_loading_creates_nothing(folder: Path) -> None:
    Settings(home=folder / "home", publish_dir=folder / "www")
    assert list(folder.iterdir()) == []


def test_ccxt_is_imported_for_ccxt_markets_only() -> None:
    code = (
        "import sys, coin_assets.config.settings as s; s.Settings(); "
        "assert 'ccxt' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_table_has_one_row_a_variable_with_its_default() -> None:
    rows = [line.split(" | ") for line in settings_table().splitlines()[2:]]
    defaults = {row[0].strip("| `"): row[1].strip("`") for row in rows}
    assert len(rows) == len(Settings.model_fields) == 37
    assert list(defaults) == [variable_of(field) for field in Settings.model_fields]
    assert defaults["COIN_HOME"] == "./var"
    assert defaults["COIN_PUBLISH_DIR"] == "$COIN_HOME/published"
    assert defaults["COIN_DISK_LIMITS"] == "70/85/90"
    assert defaults["COIN_ARCHIVE"] == "empty"
    assert defaults["INFLUXDB_V2_TOKEN"] == ""
    assert all(len(row) == 3 and row[2].rstrip(" |") for row in rows)


def test_make_env_prints_where_the_store_is_and_no_secret(folder: Path) -> None:
    root = REPOSITORY
    secrets = {"COIN_ALERT_WEBHOOKS": "x" + SECRET, "COIN_HEARTBEAT_URL": "x" + SECRET}
    given = {
        **os.environ,
        **INFLUXDB,
        **secrets,
        "COIN_HOME": str(folder),
        "COIN_STORE": "influxdb",
    }
    done = subprocess.run(
        ["make", "-s", "env"], cwd=root, env=given, capture_output=True, text=True, check=True
    )
    assert INFLUXDB["INFLUXDB_V2_URL"] in done.stdout
    assert "COIN_STORE" in done.stdout
    assert SECRET not in done.stdout
    assert INFLUXDB["INFLUXDB_V2_TOKEN"] not in done.stdout
    assert "TOKEN" not in done.stdout
