"""What goes wrong on purpose: each fault is used up by the requests it meets."""

from dataclasses import dataclass, replace
from threading import Event, Lock

FOREVER = 10**9


@dataclass
class Fault:
    """One way in which a request goes wrong.

    Attributes:
        path: end of the path of the requests it meets.
        times: so many requests are still to be met.
        status: the answer, instead of doing anything.
        retry_after: header of it, in seconds.
        seconds: to wait before anything is done.
        hold: an event to wait for before anything is done.
        cut: close the connection ``before`` or ``after`` the request was carried out, in the
            middle of the ``answer``, or after ``half`` of the lines of a write were stored.
        message: an error that follows the tables within the body of a query.
        newest: so many of the newest rows of each series a query does not see yet.
    """

    path: str
    times: int = 1
    status: int = 0
    retry_after: int | None = None
    seconds: float = 0.0
    hold: Event | None = None
    cut: str = ""
    message: str = ""
    newest: int = 0


WRITE, QUERY = "/api/v2/write", "/api/v2/query"


class Faults:
    """Faults to come, in the order in which they were asked for; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: list[Fault] = []

    def fail(self, path: str, status: int, times: int = 1, retry_after: int | None = None) -> None:
        """Answer with an error and do nothing."""
        self.add(Fault(path, times, status=status, retry_after=retry_after))

    def delay(self, path: str, seconds: float, times: int = FOREVER) -> None:
        self.add(Fault(path, times, seconds=seconds))

    def hold(self, path: str, event: Event, times: int = 1) -> None:
        """Wait for the event (20 seconds at most) before anything is done."""
        self.add(Fault(path, times, hold=event))

    def cut_before(self, path: str, times: int = 1) -> None:
        """Close the connection, do nothing."""
        self.add(Fault(path, times, cut="before"))

    def cut_after(self, path: str, times: int = 1) -> None:
        """Do what is asked, then close the connection without an answer."""
        self.add(Fault(path, times, cut="after"))

    def cut_answer(self, times: int = 1) -> None:
        """Close the connection in the middle of the answer to a query."""
        self.add(Fault(QUERY, times, cut="answer"))

    def store_half(self, times: int = 1) -> None:
        """Store the first half of the lines of a write, then close the connection."""
        self.add(Fault(WRITE, times, cut="half"))

    def error_in_body(self, message: str, times: int = 1) -> None:
        """Answer a query with 200, half of the rows of each table, and an error."""
        self.add(Fault(QUERY, times, message=message))

    def hide_newest(self, rows: int = 1, times: int = 1) -> None:
        """Let queries not see the newest rows of each field of each series yet."""
        self.add(Fault(QUERY, times, newest=rows))

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, path: str) -> Fault:
        """The first fault that meets the request, used up by one; one without effect if none."""
        with self._lock:
            for fault in self._faults:
                if path.endswith(fault.path):
                    fault.times -= 1
                    if not fault.times:
                        self._faults.remove(fault)
                    return replace(fault)
        return Fault(path)
