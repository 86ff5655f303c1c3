"""Whoever lost a lock writes nothing, whatever it writes: store, registry, published folder.

The lease is a stand-in that says of itself that it is lost, as `PostgresLocks` does after a session
was ended (coin_assets_tests/deploy/test_postgres_locks.py).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.forecasting import exogenous
from coin_assets.domain.methods import CHAMPION, FUNDING
from coin_assets.errors import LockLost
from coin_assets.files.atomic import write_atomically
from coin_assets.files.leases import holding, require_leases
from coin_assets.files.locks import fence
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.store.exogenous import ExogenousTables
from coin_assets.store.influxdb.store import InfluxStore
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.models.test_registry import BTC, OCT, facts, model
from coin_assets_tests.platform import files_of
from coin_assets_tests.publish import test_publisher as publishing
from coin_assets_tests.store.contract import HOURLY, NOV, hours

DAY = timedelta(days=1)


class Lost:
    """The lease of a session that the server has ended."""

    def require(self) -> None:
        raise LockLost("The lock was lost.")


class Kept:
    """A lease that still holds."""

    def require(self) -> None:
        pass


def written(home: Path) -> dict[str, bytes]:
    """Contents of all files but objects: those never change, and readers follow a manifest."""
    return {name: text for name, text in files_of(home).items() if "/objects/" not in name}


def values(count: int) -> pd.DataFrame:
    times = pd.DatetimeIndex([NOV + timedelta(hours=hour) for hour in range(count)])
    return exogenous.published(times, timedelta(minutes=10), np.ones(count))


def writes(home: Path) -> dict[str, Callable[[], object]]:
    """What writers do in a home in which each of them has been before."""
    store, registry = ParquetStore(home), ModelRegistry(home)
    book, publisher = EvaluationBook(home), publishing.publisher_of(home / "published")
    forecaster = model()
    versions = [registry.add(BTC, forecaster, OCT + DAY * day, facts()) for day in range(3)]
    store.write_candles(HOURLY, hours(NOV, 3), NOV, NOV + DAY)
    book.write(BTC, {"champion": None})
    publishing.publish(publisher, publishing.BTC)
    later = publishing.AS_OF + timedelta(hours=1)
    tables = ExogenousTables(home)
    tables.begin(BTC.symbol, FUNDING, NOV, NOV + DAY)
    tables.add(BTC.symbol, FUNDING, values(3), NOV + DAY, seen=NOV + DAY)

    def appoint() -> None:
        registry.appoint(BTC, CHAMPION, versions[1], NOV, reason="why", by="who", recorded_at=NOV)

    return {
        "candles": lambda: store.write_candles(HOURLY, hours(NOV, 4), NOV, NOV + DAY),
        "deleted candles": lambda: store.delete_candles(HOURLY, NOV, NOV + DAY),
        "ledger": lambda: store.update_ledger(HOURLY, lambda known: replace(known, listed=NOV)),
        "exogenous values": lambda: tables.add(
            BTC.symbol, FUNDING, values(4), NOV + DAY, seen=NOV + DAY
        ),
        "exogenous ledger": lambda: tables.begin("ETH/USDT", FUNDING, NOV, NOV + DAY),
        "version": lambda: registry.add(BTC, forecaster, OCT + DAY * 9, facts()),
        "removed version": lambda: registry.remove(versions[0]),
        "roles": appoint,
        "evaluation": lambda: book.write(BTC, {"champion": {"versions": []}}),
        "published files": lambda: publishing.publish(publisher, publishing.BTC, as_of=later),
        "list of the archive": lambda: publisher.write_archive_index(b"{}"),
        "any file": lambda: write_atomically(home / "file", b"two"),
    }


NAMES = (
    "candles",
    "deleted candles",
    "ledger",
    "exogenous values",
    "exogenous ledger",
    "version",
    "removed version",
    "roles",
    "evaluation",
    "published files",
    "list of the archive",
    "any file",
)


@pytest.mark.parametrize("name", NAMES)
def test_whoever_lost_a_lock_writes_no_file(tmp_path: Path, name: str) -> None:
    found = writes(tmp_path)
    assert set(found) == set(NAMES)
    before = written(tmp_path)
    with holding(Lost()), pytest.raises(LockLost):
        found[name]()
    assert written(tmp_path) == before
    assert not list(tmp_path.rglob(".*.partial"))
    with holding(Kept()):
        found[name]()
    assert written(tmp_path) != before


def test_whoever_lost_a_lock_sends_no_point(store: InfluxStore, influx: InfluxServer) -> None:
    store.write_candles(HOURLY, hours(NOV, 3), NOV, NOV + DAY)
    changes = ("/api/v2/write", "/api/v2/delete")
    before = [len(influx.asked(path)) for path in changes]
    with holding(Lost()):
        with pytest.raises(LockLost):
            store.write_candles(HOURLY, hours(NOV, 4), NOV, NOV + DAY)
        with pytest.raises(LockLost):
            store.delete_candles(HOURLY, NOV, NOV + DAY)
    assert [len(influx.asked(path)) for path in changes] == before
    assert store.count_candles(HOURLY, NOV, NOV + DAY) == 3
    store.write_candles(HOURLY, hours(NOV, 4), NOV, NOV + DAY)
    assert store.count_candles(HOURLY, NOV, NOV + DAY) == 4


def test_a_fence_removes_what_a_former_holder_may_rename(tmp_path: Path) -> None:
    partial = tmp_path / ".file.17-abcd.partial"
    partial.write_text("one")
    fence(tmp_path)
    assert partial.exists()  # files are locked: a killed writer's remains are its successor's
    with holding(Kept()):
        fence(tmp_path)
    assert not partial.exists()


def test_every_lease_of_the_thread_counts() -> None:
    with holding(Kept()), holding(Lost()), pytest.raises(LockLost):
        require_leases()
    with holding(Lost()), holding(Kept()), pytest.raises(LockLost):
        require_leases()
    require_leases()
