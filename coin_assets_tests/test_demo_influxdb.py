"""``COIN_STORE=influxdb make demo``: the same published files as on Parquet, apart from times.

The demo and the stand-in run as processes of their own on the real clock. The market is an archive
that has ended, so that no candle closes between two demos.
"""

import re
from pathlib import Path

import pandas as pd
import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient

from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.influx.process import stand_in_process
from coin_assets_tests.platform import BTC, ETH, files_of, series, utc
from coin_assets_tests.test_demo import DEMO, demo_environment, table
from coin_assets_tests.webui import run

START, END = utc("2024-01-01"), utc("2024-05-03T07:00")
# Times of writing, and the hashes and objects of files that contain one.
TIMES = re.compile(rb'("(?:updated_at|generated_at|last_success_at|sha256|object)": ?)"[^"]*"')
OBJECT = re.compile(r"objects/[0-9a-f]{64}")
EVERYTHING = 'from(bucket: "{}") |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)'


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Hours of two symbols, with an outage in each."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for number, symbol in enumerate((BTC, ETH)):
        hourly = series("1h", symbol)
        pages = SandboxMarket().pages(hourly, START, END, END)
        candles = pd.concat([page.candles for page in pages], ignore_index=True)
        candles = candles.drop(index=range(1000 + 50 * number, 1005 + 60 * number))
        candles.to_parquet(folder / f"{hourly.symbol_name}_1h.parquet")
    return folder


def published(home: Path) -> dict[str, set[bytes]]:
    """Contents by name, without their times; of objects, which outlive a publication, as one."""
    found = dict[str, set[bytes]]()
    for name, content in files_of(home / "published").items():
        timeless = TIMES.sub(rb'\1"then"', content)
        found.setdefault(OBJECT.sub("objects/*", name), set()).add(timeless)
    return found


def points(server: dict[str, str]) -> str:
    """All that the bucket holds."""
    url, token = server["INFLUXDB_V2_URL"], server["INFLUXDB_V2_TOKEN"]
    with InfluxDBClient(url, token, org=server["INFLUXDB_V2_ORG"]) as client:
        question = EVERYTHING.format(server["COIN_INFLUXDB_BUCKET"])
        return str(client.query_api().query_raw(question).data.decode())


@pytest.mark.slow  # orchestration/assets/test_influxdb.py compares the same files of a job
def test_the_demo_on_influxdb_publishes_what_it_does_on_parquet(
    tmp_path: Path, archive: Path
) -> None:
    settings = {
        "COIN_MARKET": f"archive:{archive}",
        "COIN_SYMBOLS": f"{BTC},{ETH}",
        "COIN_HISTORY_START": f"{START:%Y-%m-%d}",
        "COIN_DERIVED_TIMEFRAMES": "4h,1d",
    }
    parquet, influx = tmp_path / "parquet", tmp_path / "influx"
    with stand_in_process() as server:
        usual = run(DEMO, demo_environment(parquet, **settings))
        assert usual.returncode == 0, usual.stdout + usual.stderr
        env = demo_environment(influx, COIN_STORE="influxdb", **settings, **server)
        first = run(DEMO, env)
        assert first.returncode == 0, first.stdout + first.stderr
        assert published(influx) == published(parquet)
        assert {"manifest.json", "prediction_ETH_USDT_1d.json"} <= published(influx).keys()
        assert table(first.stdout) == table(usual.stdout)
        assert not (influx / "candles").exists()
        assert first.stdout.rstrip().endswith("make up (INFLUXDB_V2_TOKEN must be set as well)")
        assert server["INFLUXDB_V2_TOKEN"] not in first.stdout + first.stderr

        stored = points(server)
        assert stored.count("\n") > 10_000
        second = run(DEMO, env)
        assert second.returncode == 0, second.stdout + second.stderr
        assert points(server) == stored
        assert published(influx) == published(parquet)
