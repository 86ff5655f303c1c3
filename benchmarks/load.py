"""Benchmark ``load``: what every process of the platform pays before it can work."""

import json
import sys

from benchmarks.harness import Bench, Figure, Home, execute, say, temporary_home

_HEAVY = ("ccxt", "joblib", "matplotlib", "scipy", "sklearn")
_IMPORT = "import coin_assets.definitions"
_MANY = 50


def measure(bench: Bench) -> list[Figure]:
    """Wall time of new interpreters that import something and exit, from start to exit.

    The code server pays this once, every run's process pays it again. Each command runs once
    unmeasured, so that files are in the page cache and compiled; then the median counts. Settings
    are the defaults except for a temporary home.
    """
    times = bench.pick(7, 2)
    symbols = ",".join(f"C{number:02d}/USDT" for number in range(_MANY))
    with temporary_home() as default, temporary_home(COIN_SYMBOLS=symbols) as many:
        return [
            _figure(
                "bare interpreter", default, "pass", times, "`python -c pass`, part of all others"
            ),
            _figure("import dagster", default, "import dagster", times, "part of those below"),
            _figure(
                "code location, 5 symbols",
                default,
                _IMPORT,
                times,
                f"`{_IMPORT}`, which builds the definitions: 25 series, 100 assets and the "
                "manifest",
            ),
            _figure(
                f"code location, {_MANY} symbols",
                many,
                _IMPORT,
                times,
                f"the same with {_MANY} COIN_SYMBOLS: {_MANY * 5} series, {_MANY * 20} assets",
            ),
            Figure(
                "heavy libraries imported",
                ", ".join(_heavy_imports(default)) or "none",
                "",
                f"which of {', '.join(_HEAVY)} are in `sys.modules` after `{_IMPORT}`",
            ),
        ]


def _figure(name: str, home: Home, statement: str, times: int, how: str) -> Figure:
    say(name)
    command = (sys.executable, "-c", statement)
    execute(home, *command)
    samples = [execute(home, *command)[0] for _ in range(times)]
    return Figure.median(name, samples, "s", how)


def _heavy_imports(home: Home) -> list[str]:
    report = f"{_IMPORT}, json, sys; print(json.dumps(sorted(sys.modules)))"
    _, output = execute(home, sys.executable, "-c", report)
    modules = {name.partition(".")[0] for name in json.loads(output.splitlines()[-1])}
    return sorted(modules.intersection(_HEAVY))
