"""``make restore-check``: a backup, restored elsewhere and compared with what was saved."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from coin_assets.commands.terminal import finished, print_findings
from coin_assets.config.settings import Settings
from coin_assets.errors import ConfigurationError
from coin_assets.pipeline.restore_check import examined


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine a backup; 0 if it restores the home that was saved, 1 if not, 2 if it is none."""
    parser = argparse.ArgumentParser(
        prog="make restore-check",
        description="Restores a backup to another folder, reads everything in it, and compares "
        "rows and fingerprints of all tables with those of the home that was saved. The home "
        "itself is not touched. Exit code 0: all the same; 1: not; 2: it could not be examined.",
    )
    parser.add_argument("--backup", required=True, help="made by make backup (make: FROM=)")
    parser.add_argument(
        "--into",
        default="",
        help="keep the restored home in this new or empty folder (make: INTO=); default: a "
        "temporary folder, removed afterwards",
    )
    wanted = parser.parse_args(arguments)
    return finished("make restore-check", lambda: _check(Settings(), wanted.backup, wanted.into))


def _check(settings: Settings, backup: str, into: str) -> int:
    if not backup.strip():
        raise ConfigurationError("FROM: names no folder; as in make restore-check FROM=/backups/x.")
    if into:
        folder = Path(into).absolute()
        if folder.exists() and any(folder.iterdir()):
            raise ConfigurationError(f"INTO: {into!r} is not empty; choose another folder.")
        return _examine(settings, Path(backup).absolute(), folder)
    with tempfile.TemporaryDirectory(prefix="coin_restore_") as folder_name:
        return _examine(settings, Path(backup).absolute(), Path(folder_name))


def _examine(settings: Settings, backup: Path, into: Path) -> int:
    return print_findings(examined(backup, into, settings.series_list, _progress))


def _progress(line: str) -> None:
    print(f"  examined {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
