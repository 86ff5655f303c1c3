"""A copy of one series in a process of its own, for tests to kill.

python -m coin_assets_tests.pipeline.copy_process SOURCE TARGET
"""

import os
import sys
from pathlib import Path

from coin_assets.pipeline.copy_store import MonthCopied, StoreCopy
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.store.contract import HOURLY


def report(month: MonthCopied) -> None:
    """One line a month, for the test that kills the process."""
    os.write(1, f"{month.label}\n".encode())


if __name__ == "__main__":
    source, target = (ParquetStore(Path(home)) for home in sys.argv[1:])
    StoreCopy(source, target, progress=report).copy(HOURLY)
