"""Whether files of imported modules have changed; imports nothing, for `run_server`."""

import sys
from collections.abc import Mapping
from pathlib import Path

Stamps = Mapping[str, tuple[int, int] | None]


def file_stamps() -> Stamps:
    """Modification time and size of the file of each imported module."""
    files = {getattr(module, "__file__", None) for module in tuple(sys.modules.values())}
    return {file: _stamp(file) for file in files if file}


def any_differs(stamps: Stamps) -> bool:
    """Whether a file is another one than when `file_stamps` saw it."""
    return any(_stamp(file) != stamp for file, stamp in stamps.items())


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
