"""Folders that many tests copy, made once a run, whatever modules and processes need them."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder ``name`` of this run of tests, for reading and copying.

    A session fixture is made anew by each process of pytest-xdist, and for each module that imports
    it.

    Args:
        make: makes the folder that it is given, where the first caller is; others wait meanwhile.
            Nothing may depend on the folder's path.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, partial = root / f"{name}-made", root / f"{name}-partial"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            # A make that failed fails again, and its folder stays to be looked at.
            assert not partial.exists(), f"{name} could not be made, see {partial}"
            make(partial)
            partial.rename(folder)
    return folder
