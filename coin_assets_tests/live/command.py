"""The command line of a test that plays a scenario for minutes."""

import argparse
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path


def played(
    name: str,
    description: str | None,
    short: str,
    arguments: Sequence[str] | None,
    run: Callable[[bool, Path | None], None],
) -> int:
    """Run a scenario; 0 if every expectation was met, else 1.

    Args:
        name: of the package below ``coin_assets_tests``.
        short: what ``--short`` does.
        run: called with whether it is to be short, and with the file for its report.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m coin_assets_tests.{name}", description=description
    )
    parser.add_argument("--short", action="store_true", help=short)
    parser.add_argument("--json", type=Path, help="write timeline and figures to this file")
    given = parser.parse_args(arguments)
    try:
        run(given.short, given.json)
    except Exception:  # noqa: BLE001 (whatever it is, the test has failed)
        traceback.print_exc()
        return 1
    print(f"{name} test: every expectation was met")  # noqa: T201
    return 0
