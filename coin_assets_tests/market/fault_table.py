"""The table of test_faults.py, printed after the tests."""

import pytest


def print_fault_table(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the faults of a run, and what became of each; nothing without any."""
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
