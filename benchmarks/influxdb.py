"""Benchmark ``influxdb``: the InfluxDB store beside the ways that influxdb-client offers itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
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
from benchmarks.influx_servers import measured_server, repeater_of
from benchmarks.influx_tick import measure_tick, sandbox_candles
from coin_assets.domain.candles.frame import COLUMNS, VALUES
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.store.influxdb import flux
from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.lines import LINES_A_REQUEST, requests_of, series_tags
from coin_assets.store.influxdb.measurements import OHLCV
from coin_assets.store.influxdb.store import InfluxStore
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
    byte. *Reading*: `InfluxStore.read_candles` against ``query_api.query_data_frame`` with the same
    Flux (same range, same pivot, only the columns of a candle) and the same client settings (gzip);
    each from the question to its frame, whose values must be equal to the bit. *Reading, answers
    repeated* is the same calls to a process that only repeats the bytes that the server sent: what
    the client side takes, with a loopback in between; the bar is about this. The ratio on the
    server itself depends on how long it computes an answer, which both wait for alike.
    *Writing*: `InfluxStore.write_candles` into an empty bucket, which looks up what is stored and
    reads back all it wrote, against ``write_api.write(record=frame)`` in requests of as many rows,
    which does neither.
    """
    sample = _sample(bench.pick(100_000, 5_000))
    figures = _line_building(sample, bench.pick(15, 3))
    with measured_server() as (server, name), temporary_home() as home:
        figures += _writing(server, name, sample, home.folder, bench.pick(3, 1))
        with new_bucket(server) as bucket:
            with _opened(bucket, home.folder) as store:
                store.write_candles(sample.series, sample.candles, sample.start, sample.end)
            with repeater_of(bucket) as repeater:
                figures += _reading(
                    repeater, "answers repeated", sample, home.folder, bench.pick(9, 2), READING_BAR
                )
            figures += _reading(bucket, name, sample, home.folder, bench.pick(7, 2))
        with new_bucket(server) as bucket, _opened(bucket, home.folder) as store:
            figures += measure_tick(store, name, bench)
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
        with new_bucket(server) as bucket, _opened(bucket, folder) as store:
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
    script = flux.rows(server.bucket, OHLCV, series_tags(sample.series), *window)
    with (
        _opened(server, folder) as store,
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


@contextmanager
def _opened(bucket: Connection, folder: Path) -> Iterator[InfluxStore]:
    store = InfluxStore(bucket, "sandbox", folder / "locks")
    try:
        yield store
    finally:
        store.close()


def _sample(rows: int) -> Sample:
    series = Series("BTC/USDT", Timeframe("1h"))
    end = series.timeframe.shift(_START, rows)
    candles = _real_candles() if REAL_CANDLES.is_dir() else sandbox_candles(series, _START, end)
    opens = series.timeframe.opens(_START, end)
    return Sample(series, candles.head(rows).assign(timestamp=opens)[COLUMNS], _START, end)


def _real_candles() -> pd.DataFrame:
    files = [REAL_CANDLES / f"{coin}_USDT_1h.parquet" for coin in ("BTC", "ETH")]
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
