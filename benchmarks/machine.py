"""What the figures were measured on."""

import os
import platform
import sqlite3
import tempfile
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("dagster", "pandas", "pyarrow", "numpy", "scikit-learn", "matplotlib")
_GIB = 1 << 30


def describe_machine() -> dict[str, str]:
    """Hardware, system and library versions, in the order of the table."""
    return {
        "CPU": _cpu_model(),
        "Cores": str(len(os.sched_getaffinity(0)) if _has_affinity() else os.cpu_count()),
        "Memory": f"{_memory_bytes() / _GIB:.0f} GiB",
        "OS": _system(),
        "File system": f"{_file_system(Path(tempfile.gettempdir()))} (of the temporary homes)",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: version(name) for name in _LIBRARIES},
    }


def load_average() -> float:
    """Processes that wanted to run in the last minute; near 0 on a quiet machine."""
    return os.getloadavg()[0]


def _has_affinity() -> bool:
    return hasattr(os, "sched_getaffinity")


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _system() -> str:
    kernel = f"{platform.system()} {platform.release()}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except OSError:
        return kernel


def _file_system(folder: Path) -> str:
    """Type of the mount that holds ``folder``: figures with many small writes depend on it."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except FileNotFoundError:
        return "unknown"
    holding = [(len(mount[1]), mount[2]) for mount in mounts if folder.is_relative_to(mount[1])]
    return max(holding)[1] if holding else "unknown"
