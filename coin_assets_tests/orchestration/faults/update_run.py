"""Updates of an installation into a new month; `recorded_calls` records them."""

import sys
from pathlib import Path

from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.orchestration.faults.watched import NEXT_MONTH, cycles, platform_at

if __name__ == "__main__":
    with Receiver() as receiver:
        cycles(platform_at(Path(sys.argv[1]), receiver), 3, NEXT_MONTH)
