"""What the processes of an installation take: connections to PostgreSQL, and memory, by role.

Whose a connection is follows from its port on this machine, so all processes must be here.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg2  # type: ignore[import-untyped]

DAEMON, WEB, CODE, WATCHER = "daemon", "web UI", "code location", "watcher"
WORKER, RUN_SERVER, RUN = "worker", "run server", "run"
POSTGRES, REDIS, GONE = "PostgreSQL", "Redis", "process that has ended"
# A word of the command line -> the role. The first that is found counts.
_ROLES = {
    "dagster._daemon": DAEMON,
    "coin_assets.web": WEB,
    "api": CODE,  # dagster api grpc: it has the definitions
    "code-server": "code server",  # its parent
    "coin_assets.watcher": WATCHER,
    "coin_assets.commands.worker": WORKER,
    "coin_assets.orchestration.run_server": RUN_SERVER,
    "coin_assets.supervision": "make up",
}
_SAMPLE_SECONDS, _MEMORY_SECONDS = 0.25, 5.0
_OPEN = """SELECT client_port, backend_start, application_name FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_KIB = 1024


@dataclass
class Usage:
    """The most that was seen.

    Attributes:
        connections: of one process of a role.
        processes: of a role at a time, with a connection or not.
        at_once: connections of all processes.
        memory: bytes of the largest process of a role: proportional set size, for which pages
            that several processes share are divided between them.
        resident: the same, with shared pages counted in each process.
        memory_at_once: bytes of all processes of a role, proportional.
    """

    connections: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    processes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    at_once: int = 0
    memory: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    resident: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    memory_at_once: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class Looker:
    """Looks at connections and memory in a thread, in the time of a ``with`` block.

    Args:
        parameters: of a connection, as for libpq.
        leader: all processes that descend from it are looked at, but not itself.
    """

    def __init__(self, parameters: Mapping[str, str], leader: int) -> None:
        self._parameters = dict(parameters)
        self._leader = leader
        self.usage = Usage()
        self._known: dict[Any, tuple[int, str]] = {}  # connection -> its process
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.error: Exception | None = None

    def __enter__(self) -> "Looker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        try:
            with closing(psycopg2.connect(**self._parameters)) as link:
                link.autocommit = True
                looked = 0.0
                while not self._ended.wait(_SAMPLE_SECONDS):
                    with link.cursor() as cursor:
                        cursor.execute(_OPEN)
                        self._count(cursor.fetchall())
                    if time.monotonic() - looked > _MEMORY_SECONDS:
                        looked = time.monotonic()
                        self._weigh()
        except Exception as error:  # noqa: BLE001 (whoever waits for the thread raises it)
            self.error = error

    def _count(self, rows: Iterable[tuple[int, Any, str]]) -> None:
        opened = {(port, began): name for port, began, name in rows}
        fresh = {each: name for each, name in opened.items() if each not in self._known}
        if fresh:
            ports = _processes_by_port()
            for (port, began), name in fresh.items():
                process = _named(name) or ports.get(port, 0)
                self._known[port, began] = process, role_of(process)
        self._known = {each: self._known[each] for each in opened}
        own = [(process, role) for process, role in self._known.values() if role]
        self.usage.at_once = max(self.usage.at_once, len(own))
        for (_, role), number in Counter(own).items():
            self.usage.connections[role] = max(self.usage.connections[role], number)

    def _weigh(self) -> None:
        counts: Counter[str] = Counter()
        sums: Counter[str] = Counter()
        for process in psutil.Process(self._leader).children(recursive=True):
            with suppress(psutil.NoSuchProcess, OSError):
                role = role_of(process.pid)
                proportional, resident = _memory_of(process.pid)
                counts[role] += 1
                sums[role] += proportional
                self.usage.memory[role] = max(self.usage.memory[role], proportional)
                self.usage.resident[role] = max(self.usage.resident[role], resident)
        for role, number in counts.items():
            self.usage.processes[role] = max(self.usage.processes[role], number)
            self.usage.memory_at_once[role] = max(self.usage.memory_at_once[role], sums[role])


@contextmanager
def looked_at(parameters: Mapping[str, str], leader: int) -> Iterator[Usage]:
    """The `Usage` of the time of the block; what went wrong in the thread is raised at its end."""
    with Looker(parameters, leader) as looker:
        yield looker.usage
    if looker.error is not None:
        raise looker.error


def role_of(process_id: int) -> str:
    """Role of a process; empty for one that is no part of an installation."""
    try:
        process = psutil.Process(process_id) if process_id else None
        if process is None:
            return GONE
        words = process.cmdline()
        role = next((_ROLES[word] for word in words if word in _ROLES), "")
        if role == RUN_SERVER:  # runs are forked from it, and keep its command line
            parent = process.parent()
            return RUN if parent is not None and parent.cmdline() == words else RUN_SERVER
    except psutil.NoSuchProcess:
        return GONE
    program = words[0] if words else ""
    if program.startswith("postgres:") or program.endswith("/postgres"):
        return POSTGRES
    return REDIS if "redis-server" in program else role


def _processes_by_port() -> dict[int, int]:
    """Process of each connection by its own port."""
    found = psutil.net_connections("tcp4")
    return {each.laddr.port: each.pid or 0 for each in found if each.raddr}


def _named(application: str) -> int:
    """The process that a session of locks names; 0 if it is none."""
    words = application.split()
    return int(words[2]) if len(words) == 3 and words[0] == "coin_assets" else 0


def _memory_of(process_id: int) -> tuple[int, int]:
    """Proportional and resident bytes."""
    lines = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()
    kib = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
    return kib["Pss:"] * _KIB, kib["Rss:"] * _KIB
