"""``make bench``: measure, print, and write ``benchmarks/results.json``, ``docs/benchmarks.md``."""

import argparse
import inspect
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.groups import GROUPS
from benchmarks.harness import FAIL, ROOT, Bench, BenchmarkFailed
from benchmarks.machine import describe_machine, load_average
from benchmarks.report import document, group_result, read_results, text_table, write_results

RESULTS = ROOT / "benchmarks" / "results.json"
DOCUMENT = ROOT / "docs" / "benchmarks.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the chosen groups; returns the exit code: 0, or 1 if one could not be
    measured or misses a bar."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the platform in temporary homes and write benchmarks/results.json "
        "and docs/benchmarks.md. Takes several minutes; run it on an otherwise idle machine.",
        epilog="Groups: " + "; ".join(f"{name}: {_headline(name)}" for name in GROUPS),
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=GROUPS,
        metavar="NAME",
        help="measure only this group (may be repeated); results of the others are kept",
    )
    parser.add_argument(
        "--quick", action="store_true", help="measure less and write nothing, to try it out"
    )
    given = parser.parse_args(arguments)
    chosen = [name for name in GROUPS if not given.only or name in given.only]
    bench = Bench(quick=given.quick)
    # As an exception, so that every process and folder of a measurement is cleaned up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with bench.homes:
        measured = [_measure(name, bench, _command(given.only)) for name in chosen]
    if not given.quick:
        print(f"Results are in {RESULTS} and {DOCUMENT}.")
    return 0 if all(measured) else 1


def _measure(name: str, bench: Bench, command: str) -> bool:
    print(f"{name}: {_headline(name)}", flush=True)
    load_before, began = load_average(), time.perf_counter()
    try:
        figures = GROUPS[name](bench)
    except BenchmarkFailed as error:
        print(f"{name} could not be measured: {error}", file=sys.stderr)
        return False
    result = group_result(
        figures,
        description=inspect.cleandoc(GROUPS[name].__doc__ or "").replace("``", "`"),
        machine=describe_machine(),
        command=command,
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        seconds=time.perf_counter() - began,
        load_before=load_before,
    )
    print(f"{text_table(result)}\n", flush=True)
    missed = [figure.name for figure in figures if figure.how.startswith(FAIL)]
    if not bench.quick:
        results = read_results(RESULTS) | {name: result}
        results = {group: results[group] for group in GROUPS if group in results}
        write_results(RESULTS, results)
        DOCUMENT.write_text(document(results))
        if missed:
            print(f"{name} misses its bars: {'; '.join(missed)}", file=sys.stderr)
    return bench.quick or not missed


def _headline(name: str) -> str:
    """First sentence of the group's description."""
    text = inspect.cleandoc(GROUPS[name].__doc__ or "").replace("``", "")
    return text.partition("\n\n")[0].replace("\n", " ").partition(". ")[0].rstrip(".")


def _command(only: list[str] | None) -> str:
    if not only:
        return "make bench"
    return " ".join(["python -m benchmarks", *(f"--only {name}" for name in only)])


if __name__ == "__main__":
    sys.exit(main())
