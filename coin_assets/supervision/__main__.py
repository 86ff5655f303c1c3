"""``python -m coin_assets.supervision FILE``: what `coin_assets.up` becomes."""

import sys

from coin_assets.supervision.parts import Plan
from coin_assets.supervision.supervisor import Supervisor

if __name__ == "__main__":
    sys.exit(Supervisor(Plan.read(sys.argv[1])).run())
