"""``python -m coin_assets_tests.deploy.lock_holder``: a process that locks as it is told.

Arguments: home, seconds of the lease, seconds of patience; the connection is in the environment.
Commands come as lines: ``take``, ``write TEXT``, ``drop``, ``increment TIMES``, and ``write-late
TEXT``, which stops the process between the last check and the rename, where it can be slowest.
Each is answered by a line: ``ok``, or the error's class and message.
"""

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from coin_assets.config.records import postgres_parameters
from coin_assets.errors import CoinAssetsError
from coin_assets.files import atomic, leases
from coin_assets.files.atomic import remove_partials, write_atomically
from coin_assets.files.locks import fence, locked, use_locks
from coin_assets.files.postgres_locks import PostgresLocks

FOLDER = "candles/symbol=BTC_USDT/timeframe=1h"


def main(home: Path, lease: float, patience: float) -> None:
    use_locks(PostgresLocks(postgres_parameters(), home, lease, patience))
    folder, held = home / FOLDER, ExitStack()
    for line in sys.stdin:
        command, _, text = line.strip().partition(" ")
        try:
            match command:
                case "take":
                    held.enter_context(locked(folder))
                    fence(folder)
                case "write" | "write-late":
                    if command == "write-late":
                        _stop_after_checks()
                    else:
                        remove_partials(folder)
                    write_atomically(folder / "file", text.encode())
                case "drop":
                    held.close()
                case "increment":
                    for _ in range(int(text)):
                        with locked(folder):
                            number = int((folder / "file").read_text())
                            write_atomically(folder / "file", str(number + 1).encode())
        except (CoinAssetsError, OSError) as error:
            answer = f"{type(error).__name__} {error}".replace("\n", " ")
        else:
            answer = "ok"
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _stop_after_checks() -> None:
    check = leases.require_leases

    def stopped() -> None:
        check()
        vars(atomic)["require_leases"] = check
        os.kill(os.getpid(), signal.SIGSTOP)

    vars(atomic)["require_leases"] = stopped


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
