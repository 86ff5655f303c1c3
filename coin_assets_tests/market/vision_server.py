"""A fake Binance Vision: its tree made of any candles, and a server for it on 127.0.0.1.

`Faults` are switched on by the test; ``requests`` and ``bytes_sent`` count what went out.
"""

import hashlib
import io
import re
import time
import zipfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Self

import pandas as pd

from coin_assets.domain.candles.frame import between
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import as_micros, months_between, next_month
from coin_assets.market.vision import KlineFile, daily_files, monthly_file

HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore\n"
)
US_FROM_MS = 1_735_689_600_000  # Binance turned to microseconds on 2025-01-01


def kline_text(candles: pd.DataFrame, series: Series) -> str:
    """CSV rows as Vision writes them: milliseconds, microseconds from 2025 on."""
    closes = as_micros(series.timeframe.close_all(candles["timestamp"]))
    lines = []
    for micros, end, row in zip(
        as_micros(candles["timestamp"]), closes, candles.itertuples(index=False), strict=True
    ):
        unit = 1000 if micros < US_FROM_MS * 1000 else 1
        values = ",".join(repr(float(value)) for value in row[1:])
        lines.append(f"{micros // unit},{values},{end // unit - 1},1.0,1,0.5,0.5,0\n")
    return "".join(lines)


def zipped(text: str, name: str = "klines.csv") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def put(base: Path, name: str, content: bytes) -> Path:
    """Save a file with its checksum."""
    path = base / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    path.with_name(f"{path.name}.CHECKSUM").write_text(f"{digest}  {path.name}\n")
    return path


def make_tree(
    base: Path, series: Series, candles: pd.DataFrame, months_until: datetime, days_until: datetime
) -> list[KlineFile]:
    """Monthly files of the months before ``months_until``, then daily ones to ``days_until``."""
    first, last = (candles["timestamp"].iloc[row].to_pydatetime() for row in (0, -1))
    files = []
    for month in months_between(first, last + timedelta(microseconds=1)):
        whole = next_month(month) <= months_until
        files += [monthly_file(series, month)] if whole else daily_files(series, month)
    kept = [file for file in files if file.end <= max(months_until, days_until)]
    for file in kept:
        text = kline_text(between(candles, file.start, file.end), series)
        put(base, file.name, zipped(text, f"{Path(file.name).stem}.csv"))
    return kept


ACCESS_DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@dataclass
class Faults:
    """What goes wrong, by the file name's end; each entry of a list happens once.

    Attributes:
        absent: status for files that are not there. A bucket without ``s3:ListBucket`` says 403
            (fsspec/s3fs#591, aws/aws-cli#1689, NixOS/nix PR 1655, myniva/gradle-s3-build-cache#38).
        page_for_absent: what is not there is a page with status 200 (pkgcore/pkgcheck#151,
            flathub-infra/flatpak-external-data-checker PR 219).
        always: status for a method and an end of the path, whether the file is there or not.
            Addresses that are signed for GET refuse HEAD (barneygale/httpio#9, apache/doris#66595).
    """

    absent: int = 404
    page_for_absent: bool = False
    always: dict[tuple[str, str], int] = field(default_factory=dict)
    no_ranges: bool = False
    cut_after: dict[str, list[int]] = field(default_factory=dict)  # bytes, then the line is cut
    status: dict[str, list[int]] = field(default_factory=dict)
    wrong_bytes: list[str] = field(default_factory=list)
    stall_seconds: float = 0.0  # before every zip
    slow_bytes_a_second: int = 0


class VisionServer:
    """Serves ``folder``, with ranges."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults = Faults()
        self.requests: list[tuple[str, str, str]] = []  # method, path, range
        self.users: set[str] = set()  # as the Authorization header names them
        self.bytes_sent: dict[str, int] = {}
        self.most_at_once = 0
        self._now = 0
        self.lock = Lock()
        handler = type("Handler", (_Handler,), {"vision": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def sent(self, ending: str) -> int:
        """Bytes of all files whose name ends so."""
        return sum(count for path, count in self.bytes_sent.items() if path.endswith(ending))

    def asked(self, ending: str, method: str = "GET") -> int:
        return sum(each == method and path.endswith(ending) for each, path, _ in self.requests)

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def enter(self) -> None:
        with self.lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)

    def leave(self) -> None:
        with self.lock:
            self._now -= 1


class _Handler(BaseHTTPRequestHandler):
    vision: VisionServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._note()
        self._head(self._status(), 0, self._kind())

    def do_GET(self) -> None:
        self._note()
        self.vision.enter()
        try:
            self._answer()
        finally:
            self.vision.leave()

    def _answer(self) -> None:
        faults = self.vision.faults
        status = self._status()
        if status != 200 or self._kind():
            body = ACCESS_DENIED if status in (200, 403) else b""
            self._head(status, len(body), self._kind())
            self.wfile.write(body)
            return
        content = self._file().read_bytes()
        for ending in [each for each in faults.wrong_bytes if self.path.endswith(each)]:
            faults.wrong_bytes.remove(ending)
            content = b"\x00" * len(content)
        if self.path.endswith(".zip"):
            time.sleep(faults.stall_seconds)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None or faults.no_ranges:
            self._head(200, len(content), {})
            self._send(content, self._once(faults.cut_after))
            return
        start = int(asked[1])
        if start >= len(content):
            self._head(416, 0, {})
            return
        part = content[start : int(asked[2]) + 1 if asked[2] else None]
        told = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
        self._head(206, len(part), {"Content-Range": told})
        self._send(part, self._once(faults.cut_after))

    def _send(self, content: bytes, cut: int | None) -> None:
        whole, content = len(content), content if cut is None else content[:cut]
        slow = self.vision.faults.slow_bytes_a_second
        step = max(1, slow // 50) if slow and self.path.endswith(".zip") else max(1, len(content))
        for start in range(0, len(content), step):
            piece = content[start : start + step]
            self.wfile.write(piece)
            with self.vision.lock:
                sent = self.vision.bytes_sent
                sent[self.path] = sent.get(self.path, 0) + len(piece)
            if slow:
                time.sleep(0.02)
        if len(content) < whole:
            self.close_connection = True

    def _status(self) -> int:
        faults = self.vision.faults
        for (method, ending), status in faults.always.items():
            if method == self.command and self.path.endswith(ending):
                return status
        is_answered = faults.page_for_absent or self._file().is_file()
        there = 200 if is_answered else faults.absent
        return self._once(faults.status) or there

    def _kind(self) -> dict[str, str]:
        is_page = self.vision.faults.page_for_absent and not self._file().is_file()
        return {"Content-Type": "application/xml; charset=utf-8"} if is_page else {}

    def _once(self, queue: dict[str, list[int]]) -> int | None:
        for ending, values in queue.items():
            if self.path.endswith(ending) and values:
                return values.pop(0)
        return None

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _file(self) -> Path:
        return self.vision.folder / self.path.lstrip("/")

    def _note(self) -> None:
        with self.vision.lock:
            self.vision.users.add(self.headers.get("Authorization", ""))
            self.vision.requests.append((self.command, self.path, self.headers.get("Range", "")))

    def log_message(self, *_: object) -> None:
        """The tests' output stays clean."""
