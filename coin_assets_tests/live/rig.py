"""Everything the live test acts on and looks at, in one place."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from coin_assets.domain.publishing.documents import file_name
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.store.base import Store
from coin_assets_tests.live.installation import Installation
from coin_assets_tests.live.market import Control
from coin_assets_tests.live.observer import Observer
from coin_assets_tests.live.receiver import Delivery, Receiver
from coin_assets_tests.live.timeline import DISTURBED, NotesWaits, Timeline

SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT")
MINUTE, FIVE = Timeframe("1m"), Timeframe("5m")
MINUTES = [Series(symbol, MINUTE) for symbol in SYMBOLS]
FIVES = [Series(symbol, FIVE) for symbol in SYMBOLS]
SERIES_LIST = [*MINUTES, *FIVES]


@dataclass(frozen=True)
class Rig(NotesWaits):
    """The running installation, its market's control file, its receiver, and what is seen of it."""

    installation: Installation
    receiver: Receiver
    timeline: Timeline
    observer: Observer
    instance: dg.DagsterInstance
    store: Store
    control: Path

    @property
    def published(self) -> Path:
        return self.installation.home / "published"

    def step(self, what: str) -> AbstractContextManager[None]:
        """A part of the scenario; a failure says in which."""
        return self.timeline.step(what)

    def set_market(self, what: str, control: Control) -> None:
        control.write(self.control)
        self.timeline.note("market", what)
        if control != Control():
            self.timeline.note(DISTURBED, "the market does not do what it should")

    def messages(self, *kinds: str) -> list[Delivery]:
        """Accepted messages of these kinds (all, if none is named)."""
        found = self.receiver.accepted("json")
        return [each for each in found if not kinds or each.body["kind"] in kinds]

    def messages_about(self, series: Series, *kinds: str, word: str = "") -> list[Delivery]:
        """Those of `messages` that name the key, and ``word`` in their title."""
        found = self.messages(*kinds)
        return [
            each
            for each in found
            if str(series) in each.body["subjects"] and word in each.body["title"]
        ]

    def await_status(self, word: str, series_list: list[Series], seconds: float) -> None:
        """Wait until the manifest says ``word`` of all ``keys``."""
        self.until(
            f"{_names(series_list)} {word}",
            lambda: all(self.observer.status(series) == word for series in series_list),
            seconds,
            lambda: {str(series): self.observer.status(series) for series in series_list},
        )

    def await_published(
        self, series_list: list[Series], boundary: datetime, seconds: float
    ) -> None:
        """Wait until the manifest knows data of all ``keys`` up to ``boundary``."""

        def is_there() -> bool:
            times = [self.observer.as_of(series) for series in series_list]
            return all(time is not None and time >= boundary for time in times)

        self.until(
            f"{_names(series_list)} published as of {boundary:%H:%M}",
            is_there,
            seconds,
            lambda: {str(series): str(self.observer.as_of(series)) for series in series_list},
        )

    def await_next_boundary(self, series_list: list[Series], seconds: float) -> datetime:
        """Wait until the next close of all ``keys`` (of one timeframe) is published."""
        boundary = series_list[0].timeframe.next(datetime.now(UTC))
        self.await_published(
            series_list, boundary, (boundary - datetime.now(UTC)).total_seconds() + seconds
        )
        return boundary

    def await_native(self, asset: dg.AssetKey, state: str, seconds: float) -> None:
        """Wait until Dagster's own freshness of ``asset`` is ``state``."""
        self.until(
            f"{'/'.join(asset.path)} natively {state}",
            lambda: self.observer.native.get(asset) == state,
            seconds,
            lambda: self.observer.native.get(asset),
        )

    def await_cycles(self, count: int, seconds: float) -> None:
        """Wait until the alerting has looked ``count`` times more."""
        before = self.receiver.heartbeats
        self.until(
            f"{count} heartbeats",
            lambda: self.receiver.heartbeats >= before + count,
            seconds,
            lambda: f"{self.receiver.heartbeats - before} heartbeats",
        )

    def damage(self, deleted: Series, damaged: Series) -> float:
        """Delete the history file of one key and damage the prediction file of another; returns
        when both were done."""
        (self.published / file_name("history", deleted)).unlink()
        file = self.published / file_name("prediction", damaged)
        file.write_bytes(file.read_bytes().replace(b"1", b"2"))
        self.timeline.note(
            "damage", f"deleted {file_name('history', deleted)}, changed {file.name}"
        )
        return time.time()

    def run_is_in_flight(self) -> bool:
        started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
        return self.instance.get_runs_count(started) > 0

    def run_status(self, run_id: str) -> dg.DagsterRunStatus | None:
        run = self.instance.get_run_by_id(run_id)
        return None if run is None else run.status


def last_boundary() -> datetime:
    return MINUTE.floor(datetime.now(UTC))


def _names(series_list: list[Series]) -> str:
    return ", ".join(map(str, series_list))
