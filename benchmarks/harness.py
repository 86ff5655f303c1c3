"""What every benchmark shares: figures, repeats, temporary homes and fresh processes."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
REAL_CANDLES = ROOT.parent / "shared" / "data" / "candles"
# What the operator's shell says must not reach a measurement.
_FOREIGN = ("COIN_", "DAGSTER_", "INFLUXDB_")
_TAIL_LINES = 20

P = ParamSpec("P")
T = TypeVar("T")


class BenchmarkFailed(Exception):
    """What was to be measured did not work, so there is no figure."""


PASS, FAIL = "PASS", "FAIL"


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        name: unique in its group.
        value: the median of ``samples``, or a single measurement, or a word.
        how: how it was measured, for a reader of the table; beside a bar it begins with `PASS`
            or `FAIL`.
        samples: every repeat, in order; empty if there was only one.
    """

    name: str
    value: float | str
    unit: str
    how: str
    samples: tuple[float, ...] = ()

    @classmethod
    def median(cls, name: str, samples: Sequence[float], unit: str, how: str) -> "Figure":
        """Figure of a repeated measurement."""
        if len(samples) == 1:
            return cls(name, samples[0], unit, how)
        return cls(name, statistics.median(samples), unit, how, tuple(samples))


@dataclass(frozen=True)
class Home:
    """A temporary COIN_HOME with a Dagster instance of its own, as ``dagster.yaml`` sets it up.

    Attributes:
        settings: ``COIN_`` variables besides the home; all others are at their defaults.
    """

    folder: Path
    settings: Mapping[str, str]

    @property
    def dagster_folder(self) -> Path:
        return self.folder / "dagster"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for processes that work in this home."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith(_FOREIGN)}
        own = {
            "COIN_HOME": str(self.folder),
            "COIN_DAGSTER_HOME": str(self.dagster_folder),
            "DAGSTER_HOME": str(ROOT),
            "PYTHONPATH": str(ROOT),
        }
        return kept | own | dict(self.settings)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let this process work in the home: its environment, its working directory."""
        with patch.dict(os.environ, self.environment, clear=True), chdir(self.folder):
            yield


@contextmanager
def temporary_home(**settings: str) -> Iterator[Home]:
    """A new home in the folder for temporary files, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="coin_bench_"))
    try:
        home = Home(folder, settings)
        home.dagster_folder.mkdir()
        yield home
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class Bench:
    """One run of the benchmarks.

    Attributes:
        quick: measure less, to try the benchmarks out.
        homes: closed when all groups are done; for homes that groups share.
    """

    quick: bool
    homes: ExitStack = field(default_factory=ExitStack)

    def pick(self, full: T, quick: T) -> T:
        """``full``, or ``quick`` in a quick run."""
        return quick if self.quick else full


def say(text: str) -> None:
    """Progress, at once."""
    print(f"   {text}", flush=True)


def timed(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[float, T]:
    """Wall time of a call in seconds, and its result."""
    started = time.perf_counter()
    result = function(*args, **kwargs)
    return time.perf_counter() - started, result


def execute(home: Home, *command: str) -> tuple[float, str]:
    """Wall time of a command in ``home``, from its start to its exit, and what it printed.

    Raises:
        BenchmarkFailed: it ended with an error; the end of its output is in the message.
    """
    started = time.perf_counter()
    done = subprocess.run(
        command,
        env=home.environment,
        cwd=home.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-_TAIL_LINES:])
        raise BenchmarkFailed(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")
    return seconds, done.stdout


def in_fresh_process(home: Home, function: Callable[..., T], **arguments: Any) -> T:
    """Result of ``function(**arguments)``, run in ``home`` by a fresh interpreter.

    Args:
        function: of a module's top level; its arguments and result are JSON values.

    Raises:
        BenchmarkFailed: it failed; the end of its output is in the message.
    """
    answer = home.folder / "answer.json"
    target = f"{function.__module__}:{function.__name__}"
    program = (sys.executable, "-m", "benchmarks.isolated")
    execute(home, *program, target, json.dumps(arguments), str(answer))
    result: T = json.loads(answer.read_text())
    return result


def number_text(value: float | str) -> str:
    """About three digits, no exponent: 1,234,567 and 45.6 and 0.0789."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"
