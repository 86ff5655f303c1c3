"""Progress of a long fetch: a line at most every ten seconds, with rate and time left."""

import pytest

from coin_assets.pipeline.fetch_progress import FetchProgress
from coin_assets_tests.platform import utc

DAY = utc("2024-01-11")


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 1000.0  # monotonic clocks begin anywhere

    def __call__(self) -> float:
        return self.seconds


class Journey:
    """A fetch of ``total`` candles under a stopwatch that tests set."""

    def __init__(self, total: int) -> None:
        self.stopwatch = Stopwatch()
        self.lines: list[str] = []
        self._progress = FetchProgress("BTC/USDT 1h", total, self.lines.append, self.stopwatch)

    def advance(self, candles: int, after: float) -> list[str]:
        """Lines logged when so many candles took so many seconds."""
        self.lines.clear()
        self.stopwatch.seconds += after
        self._progress.advance(candles, DAY)
        return list(self.lines)


def test_a_line_has_amount_place_rate_and_time_left() -> None:
    assert Journey(70_000).advance(10_000, after=10) == [
        "BTC/USDT 1h: 10,000 of 70,000 candles, at 2024-01-11 00:00, 1,000 candles/s, 1 min left"
    ]


def test_the_rate_is_that_of_the_whole_fetch() -> None:
    journey = Journey(70_000)
    journey.advance(10_000, after=10)
    (line,) = journey.advance(2000, after=20)
    assert line.endswith("400 candles/s, 2 min left")  # 12,000 in 30 s; 58,000 to go


def test_lines_come_ten_seconds_apart_however_often_it_advances() -> None:
    journey = Journey(1_000_000)
    spoken = [second for second in range(1, 36) if journey.advance(1, after=1)]
    assert spoken == [10, 20, 30]


def test_a_short_fetch_logs_nothing() -> None:
    journey = Journey(2000)
    assert journey.advance(1000, after=9.9) == []
    assert journey.advance(1000, after=60) == []


@pytest.mark.parametrize("candles", [100, 150])
def test_the_end_is_not_announced(candles: int) -> None:
    assert Journey(100).advance(candles, after=100) == []
