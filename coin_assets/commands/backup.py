"""``make backup``: a copy of the home, which may be in use."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from coin_assets.commands.terminal import finished
from coin_assets.config.locks import choose_locks
from coin_assets.config.settings import Settings
from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.build import configured_store
from coin_assets.pipeline.backup import back_up


def main(arguments: Sequence[str] | None = None, now: datetime | None = None) -> int:
    """Back up the home; 0 if all of it was sound, 1 if something in it is damaged, 2 if not."""
    parser = argparse.ArgumentParser(
        prog="make backup",
        description="Copies the home to a new folder, while make up may be running: each series "
        "under its locks, databases by SQLite's own backup. Published files and downloads are made "
        "again and left out. Exit code 0: done; 1: done, but something in the home is damaged; 2: "
        "nothing was saved.",
    )
    parser.add_argument("--to", required=True, help="a folder that is new or empty (make: TO=)")
    wanted = parser.parse_args(arguments)
    return finished(
        "make backup", lambda: _back_up(Settings(), wanted.to, now or datetime.now(UTC))
    )


def _back_up(settings: Settings, to: str, now: datetime) -> int:
    if not to.strip():
        raise ConfigurationError("TO: names no folder; as in make backup TO=/backups/today.")
    choose_locks(settings)
    target, began = Path(to).absolute(), datetime.now(UTC)
    store = configured_store(settings).client() if settings.store == "parquet" else None
    made = back_up(settings.home, target, store, settings.series_list, now, _progress)
    seconds = (datetime.now(UTC) - began).total_seconds()
    rows = sum(each.rows for each in made.tables)
    print(
        f"make backup: {len(made.files)} files, {made.bytes / 1e6:.1f} MB, {rows:,} rows of "
        f"{len(settings.series_list)} series in {target}, {seconds:.1f} s. "
        f"Examine it with make restore-check FROM={target}"
    )
    if store is None:
        print(
            "Candles and forecasts are in InfluxDB: docs/operations/influxdb.md saves its bucket."
        )
    for each in made.damaged:
        print(f"make backup: damaged, saved as it is: {each}", file=sys.stderr)
    return 1 if made.damaged else 0


def _progress(line: str) -> None:
    print(f"  saved {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
