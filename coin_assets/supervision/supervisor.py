"""Starts the servers, starts one again that ends, and stops all at a signal.

One thread, one loop. The servers write to one pipe, whose lines `LogLines` chooses. Processes that
lose their parent become children of this process, so that none is left in the end.
"""

import os
import selectors
import shutil
import signal
import subprocess
import sys
import time

from coin_assets.supervision import processes
from coin_assets.supervision.log_lines import LogLines
from coin_assets.supervision.parts import Part, Plan

# Below the 30 s that service managers and tests allow.
STOP_SECONDS, DAEMON_SECONDS = 15.0, 8.0
_TURN_SECONDS, _CODE_CHECK_SECONDS = 0.5, 2.0
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_RUN_SERVER = "coin_assets.orchestration.run_server"


class Supervisor:
    """The servers of one installation, and the log that they share."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._locations = [
            Part(f"code server {each.name}", each.command, each.socket) for each in plan.locations
        ]
        self._daemon = Part("daemon", plan.daemon)
        # The watcher starts at once: the code may never load on a machine that fails.
        self._unheld = [*self._locations, Part("watcher", plan.watcher)]
        if plan.site:
            self._unheld.append(Part("page server", plan.site))
        self._parts = [*self._unheld, Part("web server", plan.web), self._daemon]
        if plan.metrics:
            self._parts.append(Part("metrics server", plan.metrics))
        self._waiting = set(self._locations)  # not ready for the first time yet
        self._sweep: subprocess.Popen[bytes] | None = None
        self._signals: list[int] = []
        self._code_checked = 0.0
        self._log = LogLines(verbose=plan.verbose)
        self._is_quiet = False
        self._output, self._log_end = os.pipe()
        os.set_blocking(self._output, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)

    def run(self) -> int:
        """Serve until a signal; 0 after an orderly stop, 130 if a second one cut it short."""
        processes.adopt_orphans()
        self._listen()
        try:
            while not self._signals:
                self._start_due()
                self._turn(0.1 if self._waiting else _TURN_SECONDS)
                self._check_code()
            return self._stop()
        finally:
            shutil.rmtree(self._plan.folder, ignore_errors=True)

    def _listen(self) -> None:
        wake, woken = os.pipe()
        for handle in (wake, woken):
            os.set_blocking(handle, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self._selector.register(wake, selectors.EVENT_READ)
        for each in _STOPPING:
            if signal.getsignal(each) != signal.SIG_IGN:  # as nohup starts it
                signal.signal(each, lambda number, _: self._signals.append(number))
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler nothing wakes

    def _start_due(self) -> None:
        """Start the servers that are due; the others wait for code locations and for the sweep."""
        now = time.monotonic()
        self._waiting = {each for each in self._waiting if not each.is_ready()}
        for part in self._parts:
            is_held = part not in self._unheld and (self._waiting or self._sweep is not None)
            if part.process_id is None and part.due <= now and not is_held:
                try:
                    part.start(now, self._log_end)
                except OSError as error:  # no memory, or too many processes
                    _say(part.failed(f"could not start ({error.strerror})", now))

    def _turn(self, seconds: float) -> None:
        """Pass on what was written, and note what has ended."""
        for key, _ in self._selector.select(seconds):
            try:
                data = os.read(key.fd, 65536)
            except BlockingIOError:
                continue
            if key.fd == self._output and not self._is_quiet:
                _write(self._log.shown(data))
        for process_id, status in _reaped():
            self._note_end(process_id, status)

    def _note_end(self, process_id: int, status: int) -> None:
        if self._sweep is not None and process_id == self._sweep.pid:
            self._sweep.returncode = os.waitstatus_to_exitcode(status)
            self._sweep = None
        for part in self._parts:
            if part.process_id != process_id:
                continue
            text = part.ended(status, time.monotonic())
            if self._signals:
                continue
            _say(text)
            if part is self._daemon and self._sweep is None:  # runs may have been killed with it
                self._start_sweep()

    def _start_sweep(self) -> None:
        try:
            self._sweep = processes.start(self._plan.sweep, self._log_end)
        except OSError:
            return  # the sensor health_alerts does the same

    def _check_code(self) -> None:
        """End a code server whose code is gone, because it would answer nothing any more."""
        now = time.monotonic()
        if now - self._code_checked < _CODE_CHECK_SECONDS:
            return
        self._code_checked = now
        for part in self._locations:
            if part.has_lost_its_code():
                _say(f"the process of the {part.name} that holds the code has ended")
                part.kill()

    def _stop(self) -> int:
        """Interrupt servers and runs; kill what is left after a while, or at a second signal."""
        self._is_quiet = not self._plan.verbose
        asked, interrupted = len(self._signals), 0
        begun, known = time.monotonic(), set[int]()
        while family := processes.descendants(os.getpid()):
            elapsed = time.monotonic() - begun
            if len(self._signals) > asked or elapsed > STOP_SECONDS:
                processes.send(family, signal.SIGKILL)
            elif fresh := [each for each in family if each.pid not in known | self._kept(elapsed)]:
                interrupted = max(interrupted, processes.runs_among(family, _RUN_SERVER))
                processes.send(fresh, signal.SIGINT)
                known |= {each.pid for each in fresh}
            self._turn(0.2)
        is_cut_short = len(self._signals) > asked
        runs = "1 run was" if interrupted == 1 else f"{interrupted} runs were"
        note = f"; {runs} interrupted, the work is requested again at the next start"
        _say(f"{'killed' if is_cut_short else 'stopped'}{note if interrupted else ''}")
        return 130 if is_cut_short else 0

    def _kept(self, elapsed: float) -> set[int]:
        """Processes of code locations, which the daemon's last ticks need."""
        if self._daemon.process_id is None or elapsed > DAEMON_SECONDS:
            return set()
        roots = [each.process_id for each in self._locations if each.process_id is not None]
        return {*roots, *(each.pid for root in roots for each in processes.descendants(root))}


def _reaped() -> list[tuple[int, int]]:
    """Children that have ended, adopted ones too: process id and status of each."""
    found = list[tuple[int, int]]()
    while True:
        try:
            process_id, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not process_id:
            return found
        found.append((process_id, status))


def _say(text: str) -> None:
    _write(f"make up: {text}\n".encode())


def _write(data: bytes) -> None:
    """Write to the terminal or log, which may be gone."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError:
        return
