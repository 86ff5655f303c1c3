"""Limits of the forecast scores on the test spans."""

from dataclasses import dataclass

from benchmarks.harness import FAIL, PASS

NAIVE_MEAN = "pinball to naive, mean of symbols"
NAIVE_WORST = "pinball to naive, worst symbol"
PROPHET = "pinball to Prophet, mean of symbols"
MEDIAN_ERROR = "MAE of the median to naive, mean of symbols"
COVERAGE_MEAN = "80% coverage error in points, mean of symbols"
COVERAGE_WORST = "80% coverage error in points, worst symbol"
LOW_VOLATILITY = "80% coverage error in points at low volatility, mean of symbols"
HIGH_VOLATILITY = "80% coverage error in points at high volatility, mean of symbols"

# Timeframe -> measure -> largest value that passes.
BARS: dict[str, dict[str, float]] = {
    "1h": {
        NAIVE_MEAN: 0.970,
        NAIVE_WORST: 0.99,
        PROPHET: 0.60,
        MEDIAN_ERROR: 1.005,
        COVERAGE_MEAN: 1.5,
        COVERAGE_WORST: 2.5,
        LOW_VOLATILITY: 3.0,
        HIGH_VOLATILITY: 3.0,
    },
    "4h": {
        NAIVE_MEAN: 0.985,
        NAIVE_WORST: 1.01,
        PROPHET: 0.60,
        MEDIAN_ERROR: 1.01,
        COVERAGE_MEAN: 2.5,
        COVERAGE_WORST: 5.0,
        LOW_VOLATILITY: 3.0,
        HIGH_VOLATILITY: 3.0,
    },
    "1d": {
        NAIVE_MEAN: 0.985,
        NAIVE_WORST: 1.01,
        PROPHET: 0.50,
        MEDIAN_ERROR: 1.01,
        COVERAGE_MEAN: 2.5,
        COVERAGE_WORST: 5.0,
        LOW_VOLATILITY: 4.0,
        HIGH_VOLATILITY: 4.0,
    },
    "1w": {
        NAIVE_MEAN: 0.980,
        NAIVE_WORST: 1.06,
        PROPHET: 0.50,
        MEDIAN_ERROR: 1.02,
        COVERAGE_MEAN: 7.0,
        COVERAGE_WORST: 12.0,
    },
}


@dataclass(frozen=True)
class Verdict:
    """A measure and its limit."""

    timeframe: str
    measure: str
    value: float
    bar: float

    @property
    def passed(self) -> bool:
        return self.value <= self.bar  # NaN does not pass

    @property
    def word(self) -> str:
        return PASS if self.passed else FAIL

    def __str__(self) -> str:
        return (
            f"{self.word} {self.timeframe} {self.measure}: {self.value:.3f}, at most {self.bar:g}"
        )


def verdicts(timeframe: str, measured: dict[str, float]) -> list[Verdict]:
    """Verdicts on all limits of a timeframe whose measure is in ``measured``."""
    bars = BARS[timeframe]
    return [
        Verdict(timeframe, measure, measured[measure], bar)
        for measure, bar in bars.items()
        if measure in measured
    ]
