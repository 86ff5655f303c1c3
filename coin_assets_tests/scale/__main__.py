"""``python -m coin_assets_tests.scale``: two shards of 25 symbols on workers, on loopback alone.

The exit code tells whether every expectation was met. The timeline is printed in any case.
"""

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coin_assets_tests.deploy.postgres import BINARIES
from coin_assets_tests.deploy.redis import PROGRAM

if TYPE_CHECKING:
    pass

SYMBOLS_OF_A_SHARD = 25


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m coin_assets_tests.scale", description=__doc__)
    parser.add_argument("--short", action="store_true", help="shorter outages, fewer boundaries")
    parser.add_argument("--json", type=Path, help="write timeline and figures to this file")
    given = parser.parse_args(arguments)
    missing = [
        name for name, found in (("postgresql", BINARIES), ("redis-server", PROGRAM)) if not found
    ]
    if missing:
        print(f"scale test: skipped, without Debian's {' and '.join(missing)}")  # noqa: T201
        return 0
    try:
        run(is_short=given.short, report=given.json)
    except Exception:  # noqa: BLE001 (whatever it is, the test has failed)
        traceback.print_exc()
        return 1
    print("scale test: every expectation was met")  # noqa: T201
    return 0


def run(*, is_short: bool, report: Path | None) -> None:
    """Play the scenario in a home of its own; everything is stopped in the end.

    Raises:
        AssertionError: an expectation was not met.
    """
    from coin_assets_tests.scale.report import tell  # these need dagster-celery
    from coin_assets_tests.scale.rig import assembled
    from coin_assets_tests.scale.scenario import SHORT, WHOLE, play

    with assembled(SYMBOLS_OF_A_SHARD) as scale:
        failed = True
        try:
            play(scale, SHORT if is_short else WHOLE)
            failed = False
        finally:
            tell(scale, report, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
