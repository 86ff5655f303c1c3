"""Benchmark ``idle``: what an installation that waits takes of the machine."""

import os
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Bench, BenchmarkFailed, Figure, say
from coin_assets_tests.webui import environment, run, up

SECONDS, QUICK_SECONDS = 600, 60
_SETTLE_SECONDS = 120
_HISTORY_START = "2026-09-01"
_TICKS = os.sysconf("SC_CLK_TCK")


def measure(bench: Bench) -> list[Figure]:
    """CPU and memory of ``make up`` while nothing is due: web server, daemon and code server.

    The default five symbols and five timeframes of the sandbox market, collected by ``make demo``
    before; the sensors look as often as they always do. CPU seconds are those of all processes of
    the installation, memory is the sum of their resident sets (shared pages counted each time).
    """
    seconds = bench.pick(SECONDS, QUICK_SECONDS)
    with tempfile.TemporaryDirectory(prefix="coin_bench_") as folder:
        env = environment(Path(folder) / "home", COIN_HISTORY_START=_HISTORY_START)
        done = run("make -s demo", env, timeout=600)
        if done.returncode != 0:
            raise BenchmarkFailed(f"make demo failed: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        with up(env, Path(folder) / "up.log"):
            say(f"settling for {_SETTLE_SECONDS} s, then looking for {seconds} s")
            time.sleep(_SETTLE_SECONDS)
            home = str(Path(folder) / "home")
            before, began = _usage(home), time.monotonic()
            time.sleep(seconds)
            after, ended = _usage(home), time.monotonic()
    cpu = sum(after[pid][0] - before[pid][0] for pid in after.keys() & before.keys())
    memory = sum(resident for _, resident in after.values())
    return [
        Figure("cpu", 100 * cpu / (ended - began), "% of a core", f"over {seconds} s"),
        Figure("memory", memory / 2**20, "MiB", f"{len(after)} processes"),
    ]


def _usage(home: str) -> dict[int, tuple[float, int]]:
    """CPU seconds and resident bytes of every process of the installation, by process id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            if f"COIN_HOME={home}" not in environ:
                continue
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            pages = int((folder / "statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        cpu = (int(fields[11]) + int(fields[12])) / _TICKS
        found[int(folder.name)] = cpu, pages * os.sysconf("SC_PAGE_SIZE")
    return found
