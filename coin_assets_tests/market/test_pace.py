"""The pace of requests to one exchange, for all threads of a run.

- ``rateLimit`` times the cost of a request lies between it and the one before, whichever threads
  send them; a ``Retry-After`` holds for all.
- A thread that is halted or banned takes no turn, whatever it waits for.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from coin_assets.market.pace import Banned, Halt, Halted, Pace

NOW = datetime(2026, 11, 22, 20, 40, tzinfo=UTC)


class FakeTime:
    """Monotonic time that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_turns_are_as_far_apart_as_the_cost_of_the_later_request() -> None:
    fake = FakeTime()
    pace = Pace(fake)
    times = []
    for interval in (0.5, 0.5, 2.0, 0.1):
        pace.turn(interval, fake.sleep)
        times.append(fake.now)
    assert times == pytest.approx([100.0, 100.5, 102.5, 102.6])


def test_a_turn_after_a_pause_is_not_waited_for() -> None:
    fake = FakeTime()
    pace = Pace(fake)
    pace.turn(1.0, fake.sleep)
    fake.now += 0.75
    pace.turn(1.0, fake.sleep)
    fake.now += 30
    pace.turn(1.0, fake.sleep)
    pace.turn(1.0, fake.sleep)  # nothing was saved up
    assert fake.slept == pytest.approx([0.25, 1.0])


def test_a_hold_lasts_for_all_and_is_never_shortened() -> None:
    fake = FakeTime()
    pace = Pace(fake)
    pace.turn(0.5, fake.sleep)
    pace.hold(60.0)
    pace.hold(5.0)
    pace.turn(0.5, fake.sleep)
    pace.turn(0.5, fake.sleep)
    assert fake.slept == pytest.approx([60.0, 0.5])


def test_a_hold_that_comes_while_a_turn_is_waited_for_counts() -> None:
    fake = FakeTime()
    pace = Pace(fake)
    pace.turn(1.0, fake.sleep)

    def sleep(seconds: float) -> None:
        if not fake.slept:
            pace.hold(10.0)
        fake.sleep(seconds)

    pace.turn(1.0, sleep)
    assert fake.now == pytest.approx(110.0)


def test_who_waited_for_a_turn_when_the_ban_came_does_not_take_it() -> None:
    fake = FakeTime()
    pace = Pace(fake, lambda: NOW)
    pace.turn(1.0, fake.sleep)

    def sleep(seconds: float) -> None:
        pace.banned_until = NOW + timedelta(hours=1)
        fake.sleep(seconds)

    with pytest.raises(Banned):
        pace.turn(1.0, sleep)
    pace.banned_until = NOW
    pace.turn(0.0, fake.sleep)
    assert fake.now == 101.0


def test_turns_of_many_threads_keep_their_distance() -> None:
    pace, times = Pace(), list[float]()

    def request() -> None:
        pace.turn(0.01)
        times.append(time.monotonic())

    begun = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        for _ in range(40):
            threads.submit(request)
    # A thread may notice its turn late, so only the sum can be measured from outside.
    assert all(at - begun >= number * 0.01 for number, at in enumerate(sorted(times)))


def test_a_halt_ends_the_waits_of_all_threads_at_once() -> None:
    pace, halt, ended = Pace(), Halt(), []

    def request() -> None:
        try:
            pace.turn(3600.0, halt.sleep)
        except Halted:
            ended.append(time.monotonic())

    pace.turn(0.0)
    threads = [Thread(target=request) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    halt.stop()
    for thread in threads:
        thread.join()
    assert len(ended) == 4
    assert max(ended) - begun < 30
    with pytest.raises(Halted):
        halt.check()
