"""Which lines of the servers' log ``make up`` shows."""

from coin_assets.supervision.log_lines import LogLines

LOG = """\
2026-11-28 17:49:23 +0000 - dagster.daemon.SensorDaemon - INFO - Checking for new runs
\x1b[32m2026-11-28 17:49:24 +0000\x1b[0m - dagster - \x1b[34mDEBUG\x1b[0m - update - started
| a table | of the same record |
2026-11-28 17:49:25 +0000 - coin_assets.runs - INFO - update 2026-11-01 27bcd227: started
2026-11-28 17:49:26 +0000 - dagster - WARNING - [CRITICAL] missing: BTC/USDT 1h: Since 17:40
  with a second line
INFO:     127.0.0.1:5000 - "GET / HTTP/1.1" 200 OK
\x1b[32m2026-11-28 17:49:27 +0000\x1b[0m - dagster - \x1b[31mERROR\x1b[0m - update - failed

Traceback (most recent call last):
  File "a.py", line 1
2026-11-28 17:49:28 +0000 - dagster.daemon.SensorDaemon - INFO - Checking for new runs
make up: marked 1 runs of killed processes as failed
2026-11-28 17:49:28 +0000 - dagster.daemon - WARNING - No cursor for event type RUN_FAILURE
2026-11-28 17:49:29 +0000 - dagster.daemon.SensorDaemon - INFO - Checking for new runs
Traceback (most recent call last):
KeyError: 1
"""
SHOWN = [3, 4, 5, 7, 8, 9, 10, 12, 15, 16]


def test_warnings_errors_and_runs_are_shown_with_all_their_lines() -> None:
    lines = LOG.splitlines(keepends=True)
    assert LogLines().shown(LOG.encode()).decode() == "".join(lines[number] for number in SHOWN)


def test_lines_come_whole_however_they_arrive() -> None:
    log, shown = LogLines(), b""
    for byte in LOG.encode():
        shown += log.shown(bytes([byte]))
    assert shown == LogLines().shown(LOG.encode())


def test_all_is_shown_on_request() -> None:
    assert LogLines(verbose=True).shown(LOG.encode()) == LOG.encode()
