"""Waiting for a state, never for a time: the deadline only ends a wait that is in vain."""

import time
from collections.abc import Callable
from typing import TypeVar

_POLL_SECONDS = 0.25
Found = TypeVar("Found")


class NotMet(AssertionError):
    """An expectation was not met within its deadline."""


def until(
    what: str,
    probe: Callable[[], Found],
    seconds: float,
    seen: Callable[[], object] = lambda: "",
) -> Found:
    """What ``probe`` returns as soon as that is true.

    Args:
        seen: tells what was there instead, for the message.

    Raises:
        NotMet: it was not within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotMet(f"not within {seconds:g} s: {what}. Instead: {seen()}")
        time.sleep(_POLL_SECONDS)
