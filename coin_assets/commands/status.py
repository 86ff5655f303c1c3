"""``make status``: what readers get of each series now, from the published manifest."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from coin_assets.commands.terminal import finished, print_json, shortened
from coin_assets.config.settings import Settings
from coin_assets.domain.durations import duration_text
from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.domain.future_data import why_ahead
from coin_assets.domain.json_format import Document, parse_time, time_text
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.documents import published_market
from coin_assets.domain.publishing.manifest import CORRUPT, FRESH, MISSING, status_of
from coin_assets.domain.publishing.manifest_entries import HIDDEN
from coin_assets.domain.publishing.manifest_reading import (
    ListedEntries,
    entries_of_manifest,
    merged_entries,
)
from coin_assets.domain.publishing.root import MANIFEST
from coin_assets.domain.series import Series
from coin_assets.errors import ConfigurationError, CorruptArtefact
from coin_assets.files.checksummed_json import require_same
from coin_assets.files.strict_json import CONTENT_ERRORS, shown
from coin_assets.foreign_text import visible
from coin_assets.orchestration.progress import text_table
from coin_assets.publish.manifests import manifests_in
from coin_assets.store.home import require_market
from coin_assets.supervision.home_lock import address_of

_MOST_ERROR, _MOST_WHOLE = 70, 10  # characters in the table; troubles below it
_REWRITTEN = "A running make up writes it anew within a minute."
_HEAD = ("symbol", "timeframe", "status", "age", "newest candle", "forecast to", "trouble")


@dataclass(frozen=True)
class Line:
    """One series as readers get it now.

    Attributes:
        as_of: data time of the older of its files.
        newest_candle: close of the newest published candle.
        forecast_to: close of the last forecast candle.
        trouble: why it is degraded, or not complete; empty if nothing is wrong.
    """

    series: Series
    status: str
    as_of: datetime | None
    newest_candle: datetime | None
    forecast_to: datetime | None
    degraded: bool
    trouble: str

    def cells(self, now: datetime) -> tuple[str, ...]:
        """The line's columns for a terminal."""
        age = "" if self.as_of is None else duration_text(now - self.as_of)
        return (
            self.series.symbol,
            self.series.timeframe.name,
            self.status,
            age,
            _minute(self.newest_candle),
            _minute(self.forecast_to),
            shortened(self.trouble, _MOST_ERROR),
        )

    def document(self) -> Document:
        """For programs."""
        times = {
            "as_of": self.as_of,
            "newest_candle": self.newest_candle,
            "forecast_to": self.forecast_to,
        }
        return {
            "symbol": self.series.symbol,
            "timeframe": self.series.timeframe.name,
            "status": self.status,
            **{name: None if time is None else time_text(time) for name, time in times.items()},
            "degraded": self.degraded,
            "trouble": self.trouble,
        }


def main(arguments: Sequence[str] | None = None, now: datetime | None = None) -> int:
    """Print a line a series; 0 if all are fresh, 1 if not, 2 if the settings are wrong."""
    parser = argparse.ArgumentParser(
        prog="make status",
        description="One line a series, by the clock of this machine. Needs no running make up. "
        "Exit code 0: every series is served fresh; 1: not; 2: wrong settings.",
    )
    parser.add_argument("--json", action="store_true", help="for programs (make: JSON=1)")
    wanted = parser.parse_args(arguments)
    return finished("make status", lambda: _show(Settings(), now or datetime.now(UTC), wanted.json))


def _show(settings: Settings, now: datetime, as_json: bool) -> int:
    require_market(settings.home, settings.market)
    path = settings.publish_dir / MANIFEST
    market = published_market(settings.market_kind, settings.market_argument)
    manifest = read_manifest(path, market)
    if manifest is None:
        print(
            f"make status: nothing is published in {path.parent} yet. {_remedy(settings.home)}",
            file=sys.stderr,
        )
        return 1
    generated_at, listed = manifest
    lines = [line_of(listed, series, settings, now) for series in settings.series_list]
    counts = Counter(line.status for line in lines)
    if as_json:
        print_json(
            {
                "at": time_text(now),
                "manifest_generated_at": time_text(generated_at),
                "summary": dict(counts),
                "series": [line.document() for line in lines],
            }
        )
    else:
        print(text_table([_HEAD, *(line.cells(now) for line in lines)]))
        words = ", ".join(f"{count} {word}" for word, count in counts.items())
        degraded = sum(line.degraded for line in lines)
        age = duration_text(now - generated_at)
        print(f"\n{len(lines)} series: {words}; {degraded} degraded. Published {age} ago.")
        _print_whole([line for line in lines if len(line.trouble) > _MOST_ERROR])
    # Each time a series is renewed, the manifest is written.
    if now - generated_at > min(settings.freshness[each].soft for each in settings.timeframes):
        age = duration_text(now - generated_at)
        print(
            f"make status: nothing was published for {age}. {_remedy(settings.home)}",
            file=sys.stderr,
        )
        return 1
    return 0 if set(counts) == {FRESH} else 1


def _print_whole(long: Sequence[Line]) -> None:
    """Print the troubles that the table cuts, with the paths and remedies in them."""
    for line in long[:_MOST_WHOLE]:
        print(f"\n{line.series}: {visible(' '.join(line.trouble.split()))}")
    if len(long) > _MOST_WHOLE:
        print(f"\n{len(long) - _MOST_WHOLE} more: make status JSON=1")


def line_of(listed: ListedEntries, series: Series, settings: Settings, now: datetime) -> Line:
    """What readers get of a series at ``now``."""
    entry = listed.by_name.get((series.symbol, series.timeframe.name))
    if entry is None:
        reason = listed.damage or "the manifest does not list it yet"
        return Line(
            series,
            CORRUPT if listed.damage else MISSING,
            None,
            None,
            None,
            degraded=False,
            trouble=reason,
        )
    limits: FreshnessLimits = settings.freshness[series.timeframe]
    status = status_of(entry, limits, now) if entry.is_public else HIDDEN
    origin = entry.prediction_as_of
    ahead = why_ahead(entry.newest_as_of, now)
    attempts, trouble = entry.attempts, entry.corrupt or entry.insufficient or ahead or ""
    if attempts.consecutive_failures:
        error = attempts.last_error or "unknown"
        trouble = f"failed {attempts.consecutive_failures} times: {error}"
    return Line(
        series,
        status,
        entry.as_of,
        entry.history_as_of,
        None if origin is None else series.timeframe.shift(origin, STEPS),
        entry.is_degraded,
        trouble,
    )


def read_manifest(path: Path, market: str) -> tuple[datetime, ListedEntries] | None:
    """Time and entries of the manifest of ``market``, of all shards; None if there is none.

    The time is that of the oldest one.

    Raises:
        ConfigurationError: it cannot be read, or is no manifest of this version or market.
    """
    try:
        documents = manifests_in(path.parent, _REWRITTEN)
        for document in documents:
            if "market" in document:
                require_same(path, document, {"market": market}, _REWRITTEN)
        times = [parse_time(document["generated_at"]) for document in documents]
        return min(times), merged_entries([entries_of_manifest(each) for each in documents])
    except FileNotFoundError:
        return None
    except CorruptArtefact as error:
        reason = str(error).removeprefix(f"{path} ")
        raise ConfigurationError(f"{path} is no manifest of this version: it {reason}") from error
    except CONTENT_ERRORS as error:
        raise ConfigurationError(
            f"{path} is no manifest of this version ({shown(error)}). {_REWRITTEN}"
        ) from error


def _remedy(home: Path) -> str:
    address = address_of(home)
    if address is None:
        return "make up does not run on this home: start it, or set COIN_HOME to another one."
    where = f" at {address}" if address else ""
    return f"make up runs{where}: look at its runs, at make alerts and docs/operations/stale.md."


def _minute(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}"


if __name__ == "__main__":
    sys.exit(main())
