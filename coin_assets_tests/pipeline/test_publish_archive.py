"""The archive holds what the store holds, whatever happened in between, in few writes.

- Property: after any history of forecasts, redone forecasts and removals, archive = store.
- A month that changed is one file and the list; nothing changed is no write at all.
- What retention removed stays as it was archived; what was redone is replaced.
- A killed run, a lost list, a damaged file: the next run leaves the same bytes.
- Files of candles are the store's, byte for byte, from InfluxDB too.
"""

import resource
import shutil
import signal
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.domain.forecasting.frame import PRICE_COLUMNS, QUANTILES, STEPS
from coin_assets.domain.forecasting.paths import FEWEST_TRAJECTORIES
from coin_assets.domain.methods import CHALLENGER
from coin_assets.errors import CorruptArtefact, MachineFault
from coin_assets.pipeline.apply_retention import remove_old
from coin_assets.store.influxdb.store import InfluxStore
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.pipeline.archived import (
    COLUMNS,
    archive,
    archive_until,
    listed,
    rows_of,
    stored_as_archived,
)
from coin_assets_tests.pipeline.series_sandbox import (
    ALWAYS,
    START,
    SeriesSandbox,
    sandbox_with_challenger,
)
from coin_assets_tests.platform import files_of, utc
from coin_assets_tests.store.influxdb_buckets import a_server, new_bucket

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["coin_assets_tests.pipeline.archived"])
HOUR, NOW = timedelta(hours=1), "2024-02-03T06:00"
HEAD = ["symbol", "timeframe", "origin_time", "target_time", "horizon", "model_id", "role", "kind"]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of two months: both roles, live and backtest."""
    sandbox = sandbox_with_challenger(tmp_path_factory.mktemp("original"))
    sandbox.until(utc("2024-02-03T05:00"))
    sandbox.predict(START)
    sandbox.pass_candles(1)
    sandbox.predict()
    return sandbox.home


@pytest.fixture
def sandbox(tmp_path: Path, original: Path) -> SeriesSandbox:
    return copy_of(original, tmp_path / "home")


def copy_of(original: Path, home: Path) -> SeriesSandbox:
    shutil.copytree(original, home)
    return SeriesSandbox(home, now=NOW)


def published(sandbox: SeriesSandbox) -> Path:
    return sandbox.home / "published"


def run(sandbox: SeriesSandbox, **options: object) -> int:
    return archive(sandbox.store, sandbox.series, published(sandbox), sandbox.now, **options)  # type: ignore[arg-type]


def parquet_of(folder: Path) -> dict[str, bytes]:
    return {name: each for name, each in files_of(folder).items() if name.endswith(".parquet")}


def require_same(sandbox: SeriesSandbox) -> None:
    """Archive and store hold the same."""
    folder = published(sandbox)
    expected = stored_as_archived(sandbox.store, sandbox.series)
    pd.testing.assert_frame_equal(rows_of(folder, "forecasts"), expected, check_exact=True)
    candles = sandbox.store.read_candles(sandbox.series, *ALWAYS)
    pd.testing.assert_frame_equal(rows_of(folder, "candles"), candles, check_exact=True)


def test_forecasts_have_the_contract_columns_and_candles_are_the_stores_bytes(
    sandbox: SeriesSandbox,
) -> None:
    assert run(sandbox) == 4
    require_same(sandbox)
    forecasts = rows_of(published(sandbox), "forecasts")
    assert list(forecasts.columns) == COLUMNS
    assert set(forecasts["role"]) == {"champion", "challenger"}
    assert set(forecasts["kind"]) == {"live", "backtest"}
    assert sorted(set(forecasts["output_type_id"])) == list(QUANTILES)
    assert [file["month"] for file in listed(published(sandbox))] == ["2024-01", "2024-02"] * 2
    for month in ("2024-01", "2024-02"):
        place = f"candles/symbol=BTC_USDT/timeframe=1h/month={month}/candles.parquet"
        stored = (sandbox.home / place).read_bytes()
        assert (published(sandbox) / "archive" / place).read_bytes() == stored
    newest = max(file["as_of"] for file in listed(published(sandbox)))
    assert newest == "2024-02-03T06:00:00Z"


def test_nothing_changed_writes_nothing_and_reads_no_rows(sandbox: SeriesSandbox) -> None:
    run(sandbox)
    before = {path: path.stat().st_ino for path in published(sandbox).rglob("*.*")}
    sandbox.now += HOUR
    with patch.object(ParquetStore, "read_forecasts", side_effect=AssertionError):
        assert run(sandbox) == 0
    assert {path: path.stat().st_ino for path in published(sandbox).rglob("*.*")} == before


def test_a_month_that_changed_is_one_file_and_the_list(sandbox: SeriesSandbox) -> None:
    run(sandbox)
    before = files_of(published(sandbox))
    rows = sandbox.store.read_forecasts(sandbox.series, START, utc("2024-02-01"))
    changed = rows[rows["as_of"] == rows["as_of"].min()].copy()
    changed[PRICE_COLUMNS] *= 1.01
    sandbox.store.revise_forecasts(sandbox.series, changed)
    assert run(sandbox) == 1
    require_same(sandbox)
    after = files_of(published(sandbox))
    touched = {name for name in before if after[name] != before[name]}
    assert touched == {
        "archive/index.json",
        "archive/forecasts/symbol=BTC_USDT/timeframe=1h/month=2024-01/forecasts.parquet",
    }
    (made,) = after.keys() - before.keys()
    assert after[made] == after["archive/index.json"]  # its immutable name


CHANGES = st.lists(
    st.tuples(st.sampled_from(["pass", "revise", "remove", "archive"]), st.integers(0, 10**6)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES)
def test_archive_is_store_whatever_happened(
    original: Path, tmp_path: Path, changes: list[tuple[str, int]]
) -> None:
    home = tmp_path / "home"
    for path in tmp_path.glob("home*"):
        shutil.rmtree(path)
    sandbox = copy_of(original, home)
    store, own = sandbox.store, sandbox.series
    for what, number in changes:
        rows = store.read_forecasts(own, *ALWAYS)
        origins = sorted(set(rows["as_of"]))
        origin = origins[number % len(origins)].to_pydatetime()
        if what == "pass":
            sandbox.pass_candles(1 + number % 30)
            sandbox.predict(sandbox.now - HOUR * 40)
        elif what == "revise":
            chosen = rows[rows["as_of"] == origin].copy()
            chosen[PRICE_COLUMNS] *= 1 + number / 10**7
            store.revise_forecasts(own, chosen)
        elif what == "remove":
            store.delete_forecasts(own, origin, origin + HOUR * (number % 5))
        else:
            run(sandbox)
    run(sandbox)
    require_same(sandbox)
    at_once = home.with_name("home-at-once")
    archive(store, own, at_once, sandbox.now)
    assert parquet_of(at_once) == parquet_of(published(sandbox))


# -------------------------------------------------------------------------------------- retention


def test_what_retention_removed_stays_and_what_was_redone_is_replaced(
    sandbox: SeriesSandbox,
) -> None:
    keep = timedelta(days=14)
    run(sandbox, retention=keep)
    folder = published(sandbox)
    before = {kind: rows_of(folder, kind) for kind in ("forecasts", "candles")}
    cut = utc("2024-01-20")
    remove_old(sandbox.store, sandbox.series, cut)
    assert run(sandbox, retention=keep) == 0
    sandbox.pass_candles(1)
    sandbox.predict()
    rows = sandbox.store.read_forecasts(sandbox.series, cut, cut + HOUR).copy()
    rows[PRICE_COLUMNS] *= 1.01
    sandbox.store.revise_forecasts(sandbox.series, rows)
    assert run(sandbox, retention=keep) == 3
    after = {kind: rows_of(folder, kind) for kind in ("forecasts", "candles")}
    assert len(after["candles"]) == len(before["candles"]) + 1
    old = before["forecasts"][before["forecasts"]["origin_time"] < cut]
    kept = after["forecasts"][after["forecasts"]["origin_time"] < cut]
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), old.reset_index(drop=True))
    stored = stored_as_archived(sandbox.store, sandbox.series)
    new = after["forecasts"][after["forecasts"]["origin_time"] >= cut]
    pd.testing.assert_frame_equal(new.reset_index(drop=True), stored)


def test_a_file_that_an_operator_removed_is_listed_no_more(sandbox: SeriesSandbox) -> None:
    keep = timedelta(days=2)
    run(sandbox, retention=keep)
    remove_old(sandbox.store, sandbox.series, utc("2024-02-01"))
    shutil.rmtree(
        published(sandbox) / "archive/forecasts/symbol=BTC_USDT/timeframe=1h/month=2024-01"
    )
    run(sandbox, retention=keep)
    names = [(file["kind"], file["month"]) for file in listed(published(sandbox))]
    assert names == [("candles", "2024-01"), ("candles", "2024-02"), ("forecasts", "2024-02")]


# ----------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(("step", "kills"), [(6, 2), pytest.param(3, 4, marks=pytest.mark.slow)])
def test_a_killed_run_leaves_what_the_next_one_completes_to_the_same_bytes(
    sandbox: SeriesSandbox, original: Path, tmp_path: Path, step: int, kills: int
) -> None:
    whole = copy_of(original, tmp_path / "whole")
    run(whole, paths=5)
    expected, killed = files_of(published(whole)), 0
    for number in range(0, 60, step):
        child = PROCESSES.Process(target=archive_until, args=(sandbox.home, NOW, 5, number))
        child.start()
        child.join()
        killed += child.exitcode == -signal.SIGKILL
        found = files_of(published(sandbox))
        assert found.items() <= expected.items()  # never half a file
        if child.exitcode == 0:
            break
    assert killed >= kills
    run(sandbox, paths=5)
    assert files_of(published(sandbox)) == expected
    assert not list(published(sandbox).rglob(".*.partial"))


def test_a_lost_list_is_made_again_from_the_files(sandbox: SeriesSandbox) -> None:
    keep = timedelta(days=2)
    run(sandbox, retention=keep)
    remove_old(sandbox.store, sandbox.series, utc("2024-02-01"))
    before = files_of(published(sandbox))
    index = published(sandbox) / "archive/index.json"
    index.unlink()  # it may be a link of its object
    index.write_bytes(b"{")
    assert run(sandbox, retention=keep) == 0
    after = files_of(published(sandbox))
    assert {name for name in before if after[name] != before[name]} <= {"archive/index.json"}
    assert len(listed(published(sandbox))) == 4


@pytest.mark.parametrize("is_shorter", [True, False])
def test_a_damaged_file_is_written_again(sandbox: SeriesSandbox, is_shorter: bool) -> None:
    run(sandbox)
    path = published(sandbox) / listed(published(sandbox))[2]["file"]
    content = path.read_bytes()
    path.write_bytes(content[:-10] if is_shorter else content[:-10] + b"0123456789")
    assert run(sandbox, verify=not is_shorter) == 1
    assert path.read_bytes() == content


def test_a_damaged_month_of_the_store_leaves_the_archived_file(sandbox: SeriesSandbox) -> None:
    run(sandbox)
    before = files_of(published(sandbox))
    path = sandbox.home / "forecasts/symbol=BTC_USDT/timeframe=1h/month=2024-02/forecasts.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptArtefact, match="Remove the file"):
        run(sandbox)
    assert files_of(published(sandbox)) == before


def test_a_file_that_the_machine_cannot_write_leaves_the_archive_as_it_was(
    sandbox: SeriesSandbox,
) -> None:
    run(sandbox)
    before = files_of(published(sandbox))
    rows = sandbox.store.read_forecasts(sandbox.series, START, utc("2024-02-01")).copy()
    rows[PRICE_COLUMNS] *= 1.01
    sandbox.store.revise_forecasts(sandbox.series, rows)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, unlimited[1]))  # writes fail with EFBIG
    try:
        with pytest.raises(MachineFault, match="EFBIG"):
            run(sandbox)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert files_of(published(sandbox)) == before
    assert not list(published(sandbox).rglob(".*.partial"))
    assert run(sandbox) == 1
    require_same(sandbox)


# ---------------------------------------------------------------------------------- other stores


def test_from_influxdb_the_files_are_the_same(sandbox: SeriesSandbox, tmp_path: Path) -> None:
    run(sandbox)
    start, own = utc("2024-02-02"), sandbox.series
    candles = sandbox.store.read_candles(own, start, sandbox.now)
    forecasts = sandbox.store.read_forecasts(own, start, sandbox.now + HOUR)
    parquet = ParquetStore(tmp_path / "parquet")
    with a_server() as server, new_bucket(server) as bucket:
        influx = InfluxStore(bucket, "sandbox", tmp_path / "locks")
        found = []
        for store in (parquet, influx):
            store.write_candles(own, candles, start, utc("2024-03-01"))
            store.add_forecasts(own, forecasts)
            folder = tmp_path / type(store).__name__
            assert archive(store, own, folder, sandbox.now) == 2
            assert archive(store, own, folder, sandbox.now) == 0
            found.append(parquet_of(folder))
        influx.close()
    assert found[0] == found[1]


# ------------------------------------------------------------------------------------------- paths


def test_paths_of_each_forecast_have_its_identity_and_its_quantiles(
    sandbox: SeriesSandbox,
) -> None:
    run(sandbox, paths=8)
    require_same(sandbox)
    paths, forecasts = (rows_of(published(sandbox), kind) for kind in ("paths", "forecasts"))
    assert list(paths.columns) == COLUMNS
    assert set(paths["output_type"]) == {"sample"}
    assert set(paths["output_type_id"]) == set(range(8))
    assert set(paths["role"]) == {"champion", "challenger"}
    heads = forecasts.drop_duplicates(HEAD)[HEAD].reset_index(drop=True)
    with_paths = paths.drop_duplicates(HEAD)[HEAD].reset_index(drop=True)
    # The first forecasts have nothing to follow: no trajectory was complete.
    without = heads["origin_time"] < with_paths["origin_time"].min()
    assert 0 < without.sum() // STEPS <= 2 * (FEWEST_TRAJECTORIES + STEPS)
    pd.testing.assert_frame_equal(heads[~without].reset_index(drop=True), with_paths)
    median = forecasts[forecasts["output_type_id"] == 0.5].set_index(HEAD)["value"]
    below = paths["value"].to_numpy() <= median.reindex(pd.MultiIndex.from_frame(paths[HEAD]))
    shares = np.asarray(below).reshape(-1, 8).mean(axis=1)
    assert (shares == 0.5).all()


def test_paths_do_not_see_the_future(sandbox: SeriesSandbox, tmp_path: Path) -> None:
    """A store that ends at an origin gives the paths that a longer one gives."""
    until = utc("2024-01-25T12:00")
    run(sandbox, paths=8)
    own, ended = sandbox.series, ParquetStore(tmp_path / "ended")
    ended.write_candles(own, sandbox.store.read_candles(own, START, until), START, until)
    ended.add_forecasts(own, sandbox.store.read_forecasts(own, START, until + HOUR))
    archive(ended, own, tmp_path / "published", until, paths=8)
    longer = rows_of(published(sandbox), "paths")
    expected = longer[longer["origin_time"] <= until].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        rows_of(tmp_path / "published", "paths"), expected, check_exact=True
    )


def test_paths_follow_what_changed_and_go_when_they_are_switched_off(
    sandbox: SeriesSandbox,
) -> None:
    assert run(sandbox, paths=8) == 6
    assert run(sandbox, paths=8) == 0
    rows = sandbox.store.read_forecasts(sandbox.series, START, utc("2024-02-01"))
    changed = rows[(rows["as_of"] == rows["as_of"].max()) & (rows["role"] != CHALLENGER)].copy()
    changed[PRICE_COLUMNS] *= 1.01
    sandbox.store.revise_forecasts(sandbox.series, changed)
    assert run(sandbox, paths=8) == 3  # of the forecasts one month, of the paths both
    assert run(sandbox, paths=9) == 2
    assert {file["kind"] for file in listed(published(sandbox))} == {
        "candles",
        "forecasts",
        "paths",
    }
    assert run(sandbox) == 0
    assert {file["kind"] for file in listed(published(sandbox))} == {"candles", "forecasts"}
