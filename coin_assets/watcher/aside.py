"""Calls in threads of their own, which may hang: a dead disk or network answers nobody."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from threading import Thread
from typing import Any, Generic, TypeVar

ResultT = TypeVar("ResultT")


class Hangs(Exception):
    """The call has not ended in time; it goes on."""


class Aside(Generic[ResultT]):
    """A function that runs beside its caller, at most once at a time."""

    def __init__(self, function: Callable[[], ResultT]) -> None:
        self._function = function
        self._call: Future[ResultT] = Future()
        self._call.cancel()  # none was begun

    def begin(self) -> None:
        """Begin a call, unless the last one still hangs."""
        if self._call.done():
            self._call = Future()
            # Not a pool, whose threads would hold up the end of the process.
            Thread(target=self._run, args=[self._call], daemon=True).start()

    def result(self, deadline: float) -> ResultT:
        """What the call begun last has returned, awaited until a time of the monotonic clock.

        Raises:
            Hangs: it has not ended.
            Exception: what the function raised.
        """
        call = self._call
        try:
            return call.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            if call.done():
                raise  # of the function
            raise Hangs from None

    def _run(self, call: "Future[ResultT]") -> None:
        try:
            call.set_result(self._function())
        except Exception as error:  # noqa: BLE001 (raised again in `result`)
            call.set_exception(error)


def begin_all(calls: "Iterable[Aside[Any]]", seconds: float) -> float:
    """Begin all; returns the deadline for their results."""
    for each in calls:
        each.begin()
    return time.monotonic() + seconds
