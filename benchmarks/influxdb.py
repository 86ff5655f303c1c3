"""Benchmark ``influxdb``: the InfluxDB store beside the ways that influxdb-client offers itself."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.dataframe_serializer import data_frame_to_list_of_points
from influxdb_client.client.write_api import SYNCHRONOUS, PointSettings
from influxdb_client.domain.write_precision import WritePrecision

from benchmarks.harness import (
    FAIL,
    PASS,
    REAL_CANDLES,
    Bench,
    BenchmarkFailed,
    Figure,
    say,
    temporary_home,
    timed,
)
from benchmarks.influx_servers import measured_server, metered, repeater_of
from benchmarks.influx_tick import measure_tick, opened, sandbox_candles, traffic_figures
from coin_assets.domain.candles.frame import COLUMNS, VALUES
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, next_month
from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.lines import LINES_A_REQUEST, requests_of, series_tags
from coin_assets.store.influxdb.measurements import OHLCV
from coin_assets_tests.store.influxdb_buckets import new_bucket

# How many times as fast as the client's own way, at least.
LINES_BAR, READING_BAR = 2.2, 3.5
_START = datetime(2014, 1, 1, tzinfo=UTC)

_Way = Callable[[], object]


@dataclass(frozen=True)
class Sample:
    """Hourly candles of one series, without a gap."""

    series: Series
    candles: pd.DataFrame
    start: datetime
    end: datetime

    @property
    def client_frame(self) -> pd.DataFrame:
        """The same as influxdb-client wants it: by time, with the tags as columns."""
        return self.candles.set_index("timestamp").assign(**series_tags(self.series))

    def __len__(self) -> int:
        return len(self.candles)


def measure(bench: Bench) -> list[Figure]:
    """The InfluxDB store beside influxdb-client's own ways, on the same candles in the same run.

    100,000 1h candles of one series: real values of BTC and then of ETH, put at hours without a gap
    (the sandbox's if there are no real ones). Both ways take turns, and a ratio is the median of
    the ratios of the turns, so that a busy machine slows down both. All of it happens in this
    process but for the servers, which are processes of their own on this machine: the stand-in of
    the tests, or the InfluxDB that ``INFLUXDB_V2_URL``, ``INFLUXDB_V2_TOKEN``,
    ``INFLUXDB_V2_ORG`` and ``COIN_INFLUXDB_BUCKET`` name, in buckets that are removed again.

    *Line building*: `requests_of` (checks included) against ``DataframeSerializer``, which
    ``write_api.write(record=frame)`` uses, given a frame that has the time as its index and the
    tags as columns already; each as far as the text of its requests, which must be equal byte for
    byte. *Reading*: `InfluxStore.read_candles`, which joins the fields here, against
    ``query_api.query_data_frame`` of the same range with a pivot, only the columns of a candle, and
    gzip, which the client offers; each from the question to its frame, whose values must be equal
    to the bit. *Reading, answers repeated* is the same calls to a process that only repeats the
    bytes that the server sent: what the client side takes, with a loopback in between; the bar is
    about this. The ratio on the server itself depends on how long it computes an answer.
    *Writing*: `InfluxStore.write_candles` into an empty bucket, which looks up what is stored and
    reads back all it wrote, against ``write_api.write(record=frame)`` in requests of as many rows,
    which does neither. *Requests and bytes* are counted by a relay; they hold on any server, while
    times of the stand-in say nothing about an InfluxDB.
    """
    sample = _sample(bench.pick(100_000, 5_000))
    figures = _line_building(sample, bench.pick(15, 3))
    with measured_server() as (server, name), temporary_home() as home:
        figures += _writing(server, name, sample, home.folder, bench.pick(3, 1))
        with new_bucket(server) as bucket:
            with opened(bucket, home.folder) as store:
                store.write_candles(sample.series, sample.candles, sample.start, sample.end)
            with repeater_of(bucket) as repeater:
                figures += _reading(
                    repeater, "answers repeated", sample, home.folder, bench.pick(9, 2), READING_BAR
                )
            figures += _reading(bucket, name, sample, home.folder, bench.pick(7, 2))
            figures += _traffic(bucket, sample, home.folder)
        with new_bucket(server) as bucket:
            figures += measure_tick(bucket, name, home.folder, bench)
    return figures


def _line_building(sample: Sample, turns: int) -> list[Figure]:
    say(f"{len(sample):,} lines")
    tags, frame = series_tags(sample.series), sample.client_frame
    points = {"data_frame_measurement_name": OHLCV.name, "data_frame_tag_columns": [*tags]}

    def ours() -> str:
        return "\n".join(requests_of(OHLCV, tags, sample.candles))

    def theirs() -> str:
        return "\n".join(
            data_frame_to_list_of_points(frame, PointSettings(), WritePrecision.S, **points)
        )

    if ours() != theirs():
        raise BenchmarkFailed("the lines are not those of influxdb-client's serialiser")
    how = f"{len(sample):,} candles to line protocol; the bytes are equal"
    return _compared("line building", ours, theirs, len(sample), turns, how, LINES_BAR)


def _writing(
    server: Connection, name: str, sample: Sample, folder: Path, turns: int
) -> list[Figure]:
    ours, theirs = [], []
    for turn in range(turns):
        say(f"writing to {name}, {turn + 1} of {turns}")
        with new_bucket(server) as bucket:
            theirs.append(len(sample) / timed(_write_by_client, bucket, sample)[0])
        with new_bucket(server) as bucket, opened(bucket, folder) as store:
            window = sample.start, sample.end
            ours.append(
                len(sample) / timed(store.write_candles, sample.series, sample.candles, *window)[0]
            )
    size = f"{len(sample):,} candles, {LINES_A_REQUEST:,} a request, gzip"
    return [
        Figure.median(
            f"writing to {name}, influxdb-client", theirs, "rows/s", f"{size}; nothing verified"
        ),
        Figure.median(
            f"writing to {name}, ours",
            ours,
            "rows/s",
            f"one `write_candles` of {size}; compared with what is stored, read back to the bit, "
            "months marked as fetched",
        ),
    ]


def _write_by_client(bucket: Connection, sample: Sample) -> None:
    frame = sample.client_frame
    with InfluxDBClient(bucket.url, bucket.token, org=bucket.org, enable_gzip=True) as client:
        writer = client.write_api(SYNCHRONOUS)
        for first in range(0, len(frame), LINES_A_REQUEST):
            writer.write(
                bucket.bucket,
                record=frame.iloc[first : first + LINES_A_REQUEST],
                write_precision=WritePrecision.S,
                data_frame_measurement_name=OHLCV.name,
                data_frame_tag_columns=[*series_tags(sample.series)],
            )


def _reading(
    server: Connection,
    name: str,
    sample: Sample,
    folder: Path,
    turns: int,
    bar: float | None = None,
) -> list[Figure]:
    say(f"reading, {name}")
    window = sample.start, sample.end
    script = _pivoted(server.bucket, sample.series, *window)
    with (
        opened(server, folder) as store,
        InfluxDBClient(server.url, server.token, org=server.org, enable_gzip=True) as client,
    ):

        def ours() -> pd.DataFrame:
            return store.read_candles(sample.series, *window)

        def theirs() -> pd.DataFrame:
            frame: pd.DataFrame = client.query_api().query_data_frame(script)
            return frame

        for found in (ours(), theirs()):
            if found[VALUES].to_numpy().tobytes() != sample.candles[VALUES].to_numpy().tobytes():
                raise BenchmarkFailed(f"{name}: what was read is not what was written")
        how = f"{len(sample):,} candles to a frame; the values are equal to the bit"
        return _compared(f"reading, {name}", ours, theirs, len(sample), turns, how, bar)


def _traffic(server: Connection, sample: Sample, folder: Path) -> list[Figure]:
    """Requests and bytes of reading a month and everything."""
    figures: list[Figure] = []
    with metered(server) as (relay, traffic), opened(relay, folder) as store:
        store.newest_candles([sample.series])  # asks for the market once
        reads = {"one month": next_month(sample.start), "the whole history": sample.end}
        for what, end in reads.items():
            read = partial(store.read_candles, sample.series, sample.start, end)
            script = _pivoted(server.bucket, sample.series, sample.start, end)
            with InfluxDBClient(relay.url, relay.token, org=relay.org, enable_gzip=True) as client:
                theirs = traffic.of(partial(client.query_api().query_data_frame, script))
            found = {"ours": traffic.of(read), "influxdb-client": theirs}
            how = f"{len(read()):,} candles"
            figures += traffic_figures(f"reading {what}", found, how)
    return figures


def _pivoted(bucket: str, series: Series, start: datetime, end: datetime) -> str:
    """Flux for candles as rows, which the server puts together."""
    fields = " or ".join(f'r._field == "{name}"' for name in VALUES)
    columns = ", ".join(f'"{name}"' for name in ("_time", *VALUES))
    return (
        f'from(bucket: "{bucket}")'
        f" |> range(start: {start:%Y-%m-%dT%H:%M:%SZ}, stop: {end:%Y-%m-%dT%H:%M:%SZ})"
        f' |> filter(fn: (r) => r._measurement == "{OHLCV.name}"'
        f' and r.symbol == "{series.symbol}" and r.timeframe == "{series.timeframe.name}"'
        f" and ({fields}))"
        ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
        f" |> keep(columns: [{columns}])"
    )


def _compared(
    name: str, ours: _Way, theirs: _Way, rows: int, turns: int, how: str, bar: float | None
) -> list[Figure]:
    """Both ways in turns, and how many times as fast ours is."""
    taken = [(timed(theirs)[0], timed(ours)[0]) for _ in range(turns)]
    ratio = Figure.median(
        f"{name}, ours to influxdb-client",
        [slow / fast for slow, fast in taken],
        "times as fast",
        "no bar: the server's own time is in both",
    )
    if bar is not None:
        word = PASS if float(ratio.value) >= bar else FAIL
        say(f"{word} {ratio.name}: {ratio.value:.2f}, at least {bar:g}")
        ratio = replace(ratio, how=f"{word}, the bar is at least {bar:g}")
    return [
        Figure.median(
            f"{name}, influxdb-client", [rows / each for each, _ in taken], "rows/s", how
        ),
        Figure.median(f"{name}, ours", [rows / each for _, each in taken], "rows/s", how),
        ratio,
    ]


def _sample(rows: int) -> Sample:
    series = Series("BTC/USDT", Timeframe("1h"))
    end = series.timeframe.shift(_START, rows)
    candles = _real_candles() if REAL_CANDLES.is_dir() else sandbox_candles(series, _START, end)
    opens = series.timeframe.opens(_START, end)
    return Sample(series, candles.head(rows).assign(timestamp=opens)[COLUMNS], _START, end)


def _real_candles() -> pd.DataFrame:
    files = [REAL_CANDLES / f"{coin}_USDT_1h.parquet" for coin in ("BTC", "ETH")]
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
