"""The table of test_faults.py, printed after the tests.

Under xdist only conftest files of the folders that are named on the command line reach the process
that prints, so the one of all tests has to import this hook.
"""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = [
        tuple(value)
        for report in terminalreporter.getreports("passed")
        if report.when == "call"
        for name, value in report.user_properties
        if name == "fault"
    ]
    if not rows:
        return
    terminalreporter.section("faults of an exchange, and what became of the pull")
    for fault, how, outcome, pulls in sorted(rows, key=lambda row: row[2]):
        again = f"identical after {pulls} more pull{'s' if pulls > 1 else ''}"
        terminalreporter.write_line(f"{fault:24}{how:8}{outcome:38}{again}")
