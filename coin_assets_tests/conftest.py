"""Fixtures for every test: no setting of the machine reaches a test, no test reaches a network."""

import gc
import os
import signal
import socket
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from coin_assets_tests.budget import mark_slow
from coin_assets_tests.fast import is_fast, refuse_processes
from coin_assets_tests.instances_in_memory import make_them_quickly
from coin_assets_tests.market.fault_table import print_fault_table
from coin_assets_tests.orchestration.faults.matrix import print_matrix

# How long an example takes says more about the machine than about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


# Processes in the background of a shell ignore signals, and those of tests would inherit that.
def pytest_configure() -> None:
    make_them_quickly()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            is_interrupt = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_interrupt else signal.SIG_DFL)


# Under xdist only conftest files of the folders that are named on the command line reach the
# process that prints.
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    print_fault_table(terminalreporter)
    print_matrix(terminalreporter)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="only the test files that fast.py lists")


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mix the files, in the same way each time.

    Those that wait for services have few tests. Side by side, at the end, they leave the processors
    idle for minutes; pytest-xdist would sort them so.
    """
    mark_slow(items)
    items.sort(key=lambda item: zlib.crc32(item.nodeid.partition("::")[0].encode()))


def pytest_collection_finish() -> None:
    """Leave what was imported and collected, which stays to the end, out of garbage collections."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if config.getoption("--fast") and is_test and not is_fast(collection_path) else None


@pytest.fixture(autouse=True)
def no_processes_in_fast_tests(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pytestconfig.getoption("--fast"):
        refuse_processes(monkeypatch)


@pytest.fixture(autouse=True)
def no_settings_from_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("COIN_", "INFLUXDB_")):
            monkeypatch.delenv(name)


# Of the machine, before it is hidden: whoever names a server wants the tests of its mark to use it.
_INFLUXDB = os.environ.get("INFLUXDB_V2_URL")


@pytest.fixture(autouse=True)
def loopback_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if _INFLUXDB and request.node.get_closest_marker("influxdb"):
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            assert host.startswith("127.") or host == "::1", f"a test connects to {host}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
