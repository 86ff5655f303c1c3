"""The alerts' book in a process of its own, for tests to kill.

python -m coin_assets_tests.alerts.book_process deliver PATH URL MINUTE
python -m coin_assets_tests.alerts.book_process advance PATH
"""

import sys
from datetime import timedelta
from itertools import count
from pathlib import Path

from coin_assets.alerts.channels import channels_of
from coin_assets.alerts.outbox import AlertBook
from coin_assets.config.addresses import Webhook
from coin_assets_tests.alerts.cycles import BTC, ETH, NOW, RULES, stale


def deliver(book: AlertBook, url: str, minute: int) -> None:
    """Deliver once, with a clock that stands still."""
    now = NOW + timedelta(minutes=minute)
    book.deliver(channels_of((Webhook("json", url),)), lambda: now, 60, print)


def advance_for_ever(book: AlertBook) -> None:
    """Minute after minute: two subjects fail together, then they are well; prints each minute."""
    for minute in count():
        wrong = [stale(BTC), stale(ETH)] if minute % 2 == 0 else []
        book.advance(wrong, NOW + timedelta(minutes=minute), RULES, ["channel"])
        sys.stdout.write(f"{minute}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    what, path, *rest = sys.argv[1:]
    if what == "deliver":
        deliver(AlertBook(Path(path)), rest[0], int(rest[1]))
    else:
        advance_for_ever(AlertBook(Path(path)))
