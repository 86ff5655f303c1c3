"""``python -m coin_assets_tests.scale``: two shards of symbols on workers, on loopback alone.

The exit code tells whether every expectation was met. The timeline is printed in any case.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from coin_assets_tests.deploy.postgres import BINARIES
from coin_assets_tests.deploy.redis import PROGRAM
from coin_assets_tests.live.command import played


def main(arguments: Sequence[str] | None = None) -> int:
    servers = (("postgresql", BINARIES), ("redis-server", PROGRAM))
    if missing := [name for name, found in servers if not found]:
        print(f"scale test: install Debian's {' and '.join(missing)}", file=sys.stderr)  # noqa: T201
        return 2
    return played("scale", __doc__, "fewer symbols and boundaries, shorter outages", arguments, run)


def run(is_short: bool, report: Path | None) -> None:
    """Play the scenario in a home of its own; everything is stopped in the end.

    Raises:
        AssertionError: an expectation was not met.
    """
    from coin_assets_tests.scale.report import tell  # these need dagster-celery
    from coin_assets_tests.scale.rig import assembled
    from coin_assets_tests.scale.scenario import SHORT, WHOLE, play

    plan = SHORT if is_short else WHOLE
    with assembled(plan.symbols) as scale:
        failed = True
        try:
            play(scale, plan)
            failed = False
        finally:
            tell(scale, report, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
