"""Processes that end with this one, and what descends from it."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import psutil

_SET_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36  # of prctl(2)
_PRCTL: Callable[..., int] | None = (
    ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends."""
    if _PRCTL is not None:
        _PRCTL(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start(command: Sequence[str], output: int) -> "subprocess.Popen[bytes]":
    """Start a process in a session of its own; the kernel kills it when this process ends.

    Ctrl-C in the terminal does not reach it. The process must be single-threaded.

    Args:
        output: handle that gets its output and errors.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=partial(_die_with, os.getpid()),
    )


def _die_with(parent: int) -> None:
    if _PRCTL is not None:
        _PRCTL(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def descendants(process_id: int) -> list[psutil.Process]:
    """All living descendants of a process; empty if it is gone."""
    try:
        found = psutil.Process(process_id).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [each for each in found if not _is_gone(each)]


def is_parent(process_id: int) -> bool:
    """Whether a process has a living child."""
    try:
        return not all(map(_is_gone, psutil.Process(process_id).children()))
    except psutil.NoSuchProcess:
        return False


def send(processes: Iterable[psutil.Process], sent: signal.Signals) -> None:
    """Send a signal to those that still exist."""
    for process in processes:
        try:
            process.send_signal(sent)
        except psutil.NoSuchProcess:
            continue


def runs_among(processes: Iterable[psutil.Process], module: str) -> int:
    """Number of processes that a process of ``module`` has forked."""
    ids, parents = set(), list[int]()
    for process in processes:
        try:
            if module in process.cmdline():
                ids.add(process.pid)
                parents.append(process.ppid())
        except psutil.NoSuchProcess:
            continue
    return sum(parent in ids for parent in parents)


def _is_gone(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
