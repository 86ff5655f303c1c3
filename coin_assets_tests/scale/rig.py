"""What the scale test looks at: the published files of each shard, the store, records, alerts."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from unittest.mock import patch

import dagster as dg

from coin_assets.domain.json_format import parse_time
from coin_assets.domain.series import Series
from coin_assets.domain.shards import Shard
from coin_assets.domain.timeframes import Timeframe, month_start
from coin_assets.orchestration.locations import labelled, location_of
from coin_assets.store.base import Store
from coin_assets.store.parquet import ParquetStore
from coin_assets.up import WORKSPACE
from coin_assets_tests.live import invariants
from coin_assets_tests.live.observer import Observer
from coin_assets_tests.live.receiver import Receiver
from coin_assets_tests.live.timeline import NotesWaits, Timeline
from coin_assets_tests.scale.stack import SHARDS, Stack, stack
from coin_assets_tests.webui import ROOT

MINUTE, FIVE = Timeframe("1m"), Timeframe("5m")
SETTLE_SECONDS = 2
_LEAST_HISTORY = timedelta(days=3)
_READ_HERE = ("DAGSTER_", "COIN_DAGSTER_HOME")
OF_RECEIVER = "json"  # the channel


@dataclass(frozen=True)
class ShardView:
    """One shard: its series, its published folder, and who watches it."""

    shard: Shard
    series: tuple[Series, ...]
    folder: Path
    observer: Observer

    @property
    def runs(self) -> dg.RunsFilter:
        """The runs of its location."""
        return dg.RunsFilter(tags=labelled(f"__repository__@{location_of(self.shard)}"))

    def behind(self, boundary: datetime) -> list[str]:
        """Series whose published data ends before the last close at or before ``boundary``."""
        entries = self.observer.entries()
        late = []
        for series in self.series:
            entry = entries.get((series.symbol, series.timeframe.name))
            as_of = parse_time(entry["as_of"]) if entry and entry["as_of"] else None
            if as_of is None or as_of < series.timeframe.floor(boundary):
                late.append(f"{series} {as_of or 'never'}")
        return late

    def not_fresh(self, *, trained: bool) -> list[str]:
        """Series that are not fresh, with their status.

        Args:
            trained: whether those that have no model yet are among them.
        """
        entries = self.observer.entries()
        words = {
            series: entries.get((series.symbol, series.timeframe.name), {}).get("status", "hidden")
            for series in self.series
        }
        good = ("fresh",) if trained else ("fresh", "missing")
        return [f"{series} {word}" for series, word in words.items() if word not in good]


@dataclass(frozen=True)
class Scale(NotesWaits):
    """The installation under test with all that is beneath it, and all that is seen of it."""

    stack: Stack
    timeline: Timeline
    receiver: Receiver
    instance: dg.DagsterInstance
    store: Store
    shards: tuple[ShardView, ...]

    @property
    def series(self) -> list[Series]:
        return [series for each in self.shards for series in each.series]

    def has_published(self, boundary: datetime) -> bool:
        """Whether nothing that was due at ``boundary`` is missing."""
        return not self._behind(boundary)

    def await_boundary(self, seconds: float) -> datetime:
        """Wait until both shards have published the next minute; returns it."""
        boundary = MINUTE.next(datetime.now(UTC))
        left = (boundary - datetime.now(UTC)).total_seconds() + seconds
        self.until(
            f"both shards have published {boundary:%H:%M}",
            lambda: not self._behind(boundary),
            left,
            lambda: self._behind(boundary)[:5],
        )
        return boundary

    def await_fresh(self, seconds: float, *, trained: bool = False) -> None:
        """Wait until no series is behind; with ``trained``, until each has forecasts, too."""
        self.until(
            f"all {len(self.series)} series are fresh{' and have forecasts' if trained else ''}",
            lambda: not self._not_fresh(trained),
            seconds,
            lambda: self._not_fresh(trained)[:5],
        )

    def disagreements(self) -> list[str]:
        """Published files that differ from store and manifest; one that is missing is named."""
        found = []
        for each in self.shards:
            try:
                found += invariants.published_disagreements(self.store, each.folder, each.series)
            except (OSError, ValueError) as error:
                found.append(str(error))
        return found

    def _behind(self, boundary: datetime) -> list[str]:
        return [text for each in self.shards for text in each.behind(boundary)]

    def _not_fresh(self, trained: bool) -> list[str]:
        return [text for each in self.shards for text in each.not_fresh(trained=trained)]

    def unfinished_alerts(self) -> list[str]:
        """Incidents of series that stand, and messages that came twice."""
        messages = self.receiver.accepted(OF_RECEIVER)
        _, status = invariants.told_wrongly(messages)
        names = {str(series) for series in self.series}
        standing = [f"{each}: {title}" for each, title in status.items() if each in names]
        return standing + invariants.doubled_or_lost({OF_RECEIVER: messages})


@contextmanager
def assembled(
    symbols: int, more: Mapping[str, str] | None = None, shards: int = SHARDS
) -> Iterator[Scale]:
    """An installation that is not started yet; everything is stopped in the end.

    Args:
        symbols: of each shard.
        more: settings besides.
        shards: 1 is an installation without shards.
    """
    timeline = Timeline()
    receiver = Receiver(timeline)
    owned = {
        shard: _symbols_of(shard, symbols)
        for shard in (Shard(number, shards) for number in range(shards))
    }
    every = [symbol for own in owned.values() for symbol in own]
    with ExitStack() as cleanup:
        cleanup.callback(receiver.go_away)
        settings = {**_variables(every, receiver.port, shards), **(more or {})}
        made = cleanup.enter_context(stack(settings, shards))
        if shards == 1:  # the market of the live test is not wanted here
            workspace = (ROOT / WORKSPACE).read_text()
            (made.installation.folder / WORKSPACE).write_text(workspace)
        environment, home = made.installation.environment, made.installation.home
        here = {name: environment[name] for name in environment if name.startswith(_READ_HERE)}
        cleanup.enter_context(patch.dict(os.environ, here))
        instance = cleanup.enter_context(dg.DagsterInstance.get())
        views = []
        for shard, own in owned.items():
            series = tuple(Series(symbol, each) for symbol in own for each in (MINUTE, FIVE))
            folder = home / "published" / shard.folder
            observer = Observer(folder, list(series), instance, timeline, sees_dagster=False)
            views.append(ShardView(shard, series, folder, cleanup.enter_context(observer)))
        yield Scale(made, timeline, receiver, instance, ParquetStore(home), tuple(views))


def _variables(symbols: Sequence[str], port: int, shards: int) -> dict[str, str]:
    """Settings of the installation; `stack` adds folders and servers."""
    return {
        "COIN_SYMBOLS": ",".join(symbols),
        "COIN_SHARDS": str(shards),
        "COIN_SOURCE_TIMEFRAMES": "1m",
        "COIN_DERIVED_TIMEFRAMES": "5m",
        "COIN_HISTORY_START": f"{month_start(datetime.now(UTC) - _LEAST_HISTORY):%Y-%m-%d}",
        "COIN_RETENTION": "1m:2d",
        "COIN_SETTLE_SECONDS": str(SETTLE_SECONDS),
        "COIN_ALERT_WEBHOOKS": f"json+http://127.0.0.1:{port}/json",
        "COIN_ALERT_CYCLE_SECONDS": "10",
        "COIN_ALERT_REPEAT_CYCLES": "60",
        "COIN_ALERT_ESCALATE_CYCLES": "600",
        "FRESHNESS_DAEMON_INTERVAL_SECONDS": "30",
    }


def _symbols_of(shard: Shard, most: int) -> list[str]:
    """The first symbols that the shard owns."""
    names = (f"C{number}/USDT" for number in count())
    return list(islice(filter(shard.owns, names), most))
