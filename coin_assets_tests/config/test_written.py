"""Settings written in the notation of their variables are read back as the same settings.

Every setting is written, or a secret that is not.
"""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from coin_assets.config.addresses import Webhook
from coin_assets.config.settings import Settings, variable_of
from coin_assets.config.settings_file import SETTINGS_FILE
from coin_assets.config.written import secrets_given, text_of, written

SECRETS = {
    "COIN_ARCHIVE": "https://hush@archive.example/hush",
    "COIN_ALERT_WEBHOOKS": "json+https://j.example/hush,slack+https://s.example/hush",
    "COIN_HEARTBEAT_URL": "https://h.example/hush",
    "INFLUXDB_V2_TOKEN": "hush",
}
# Each value differs from its default, and is as written.
OPEN = {
    "COIN_HOME": "/srv/it's $HOME é",
    "COIN_SYMBOLS": "ETH/USDT:USDT,BTC/USDT,SOL/USDT,XRP/USDT",
    "COIN_SHARDS": "2",
    "COIN_SHARD": "0",
    "COIN_MARKET": "ccxt:binance",
    "COIN_STORE": "influxdb",
    "COIN_LOCKS": "postgres",
    "COIN_SOURCE_TIMEFRAMES": "1m,1h",
    "COIN_DERIVED_TIMEFRAMES": "",
    "COIN_HISTORY_START": "2020-02-01",
    "COIN_SETTLE_SECONDS": "0",
    "COIN_REREAD_CANDLES": "7",
    "COIN_RETENTION": "1m:90m,1h:36h",
    "COIN_RECORDS_RETENTION": "8w",
    "COIN_HISTORY_WINDOW": "1m:1d,1M:3w",
    "COIN_FRESHNESS": "1m:4/6,5m:12/24,15m:30/60,1h:65/130,4h:250/500,1d:1500/3000,"
    "1w:11520/23040,1M:5000000/10000000",
    "COIN_EXOGENOUS": "implied_volatility,funding_rate",
    "COIN_METHODS": "har,naive,har_exogenous",
    "COIN_PUBLISH_DIR": "/srv/www",
    "COIN_SITE_PORT": "0",
    "COIN_SITE_URL": "https://coins.example/page",
    "COIN_DAGSTER_URL": "https://dagster.example",
    "COIN_PATHS": "100",
    "COIN_ALERT_CYCLE_SECONDS": "30",
    "COIN_ALERT_REPEAT_CYCLES": "2",
    "COIN_ALERT_ESCALATE_CYCLES": "9",
    "COIN_DISK_LIMITS": "1/2/100",
    "COIN_METRICS_PORT": "9464",
    "COIN_METRICS_TEXTFILE": "/srv/coin_assets.prom",
    "COIN_UI_HOSTS": "coins.example.org,[fd00::1]:3000",
    "INFLUXDB_V2_URL": "https://influx.example:8086",
    "INFLUXDB_V2_ORG": "our house",
    "COIN_INFLUXDB_BUCKET": "candles",
}
POSTGRES = {f"DAGSTER_POSTGRES_{end}": "there" for end in ("HOST", "USER", "PASSWORD", "DB")}


def test_every_setting_is_written_as_given_or_is_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (OPEN | SECRETS | POSTGRES).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert {*OPEN, *SECRETS} == set(map(variable_of, Settings.model_fields))
    assert written(settings) == OPEN
    assert set(secrets_given(settings)) == SECRETS.keys()


def test_what_was_not_given_is_written_on_request_alone(folder: Path) -> None:
    (folder / SETTINGS_FILE).write_text("COIN_PATHS = 7\nCOIN_SHARD = ''\n")
    settings = Settings(methods="har,naive", heartbeat_url="")
    assert written(settings, always=("history_start", "archive")) == {
        "COIN_SHARD": "",
        "COIN_HISTORY_START": "2017-08-01",
        "COIN_METHODS": "har,naive",
        "COIN_PATHS": "7",
    }
    assert secrets_given(settings) == []


@pytest.mark.parametrize(
    ("span", "text"), [("24h", "1d"), ("14d", "2w"), ("25h", "25h"), ("61m", "61m")]
)
def test_a_duration_has_the_largest_unit_that_it_is_a_multiple_of(span: str, text: str) -> None:
    settings = Settings(retention=f"1m:{span}")
    assert written(settings) == {"COIN_RETENTION": f"1m:{text}"}
    assert Settings(retention=f"1m:{text}") == settings


@pytest.mark.parametrize(
    "value", [SecretStr("hush"), (Webhook("json", "https://j.example/hush"),), object(), 1.5]
)
def test_what_no_setting_or_a_secret_has_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no notation of a") as caught:
        text_of(value)
    assert "hush" not in str(caught.value)
    assert text_of(timedelta(hours=1)) == "1h"
