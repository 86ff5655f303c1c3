"""A published folder beside the built page, as the platform writes it."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from coin_assets.domain.json_format import time_text
from coin_assets.domain.series import safe_name
from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.realdata import REPOSITORY
from coin_assets_tests.site import documents
from coin_assets_tests.site.documents import NOW, Document

BUILT = REPOSITORY / "coin_assets" / "site"
SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT", "SOL/USDT", "DOGE/USDT")
TIMEFRAMES = ("1h", "4h", "1d", "1w", "1M")
HOLES = (150, 151, 152)  # places of missing candles in the history of the first series


class Folder:
    """Writer of a published folder; `manifest` may be changed before `save`."""

    def __init__(self, path: Path, now: datetime = NOW) -> None:
        self.path, self.now = path, now
        shutil.copytree(BUILT, path, dirs_exist_ok=True)
        (path / "objects").mkdir(exist_ok=True)
        (path / "evaluations").mkdir(exist_ok=True)
        self.manifest: Document = {
            "version": 2,
            "generated_at": time_text(now),
            "market": "sandbox",
            "public": {"symbols": [], "entries": []},
            "ops": {"dagster_url": None, "entries": [], "outages": [], "summary": {}},
        }

    def publish(self, symbol: str, timeframe: str, holes: Sequence[int] = ()) -> Document:
        """Write the files of a series, and list them; returns its public entry."""
        end = documents.as_of(timeframe, self.now)
        history = documents.history(symbol, timeframe, end, holes=holes)
        forecast = documents.prediction(history)
        scores = documents.evaluation(history)
        name = f"{safe_name(symbol)}_{timeframe}.json"
        soft, hard = _limits(timeframe)
        entry = {
            "symbol": symbol,
            "timeframe": timeframe,
            "status": "fresh",
            "serve_allowed": True,
            "warning": None,
            "reason": None,
            "caution": None,
            "as_of": time_text(end),
            "stale_at": time_text(end + soft),
            "hard_stale_at": time_text(end + hard),
            "history": self.write(f"history_{name}", history),
            "prediction": self.write(f"prediction_{name}", forecast),
            "evaluation": self.write(f"evaluations/{name}", scores),
            "overview": documents.overview(history, forecast),
            "quality": documents.quality(scores["champion"], scores),
        }
        public = self.manifest["public"]
        public["symbols"] = list(dict.fromkeys([*public["symbols"], symbol]))
        public["entries"] = [each for each in public["entries"] if not _same(each, entry)] + [entry]
        kept = [each for each in self.manifest["ops"]["entries"] if not _same(each, entry)]
        self.manifest["ops"]["entries"] = [*kept, _ops_entry(entry, history, len(holes))]
        return entry

    def write(self, name: str, document: Document) -> Document:
        """Write a file under both names; returns its reference."""
        content = (json.dumps(document, separators=(",", ":")) + "\n").encode()
        digest = hashlib.sha256(content).hexdigest()
        immutable = f"objects/{digest}.json"
        for path in (name, immutable):
            (self.path / path).write_bytes(content)
        return {
            "file": name,
            "object": immutable,
            "sha256": digest,
            "bytes": len(content),
            "as_of": document["as_of"],
        }

    def refuse(self, entry: Document, status: str, why: str) -> None:
        """Change an entry to one that may not be served."""
        entry |= {"status": status, "serve_allowed": False, "warning": why}
        entry["reason"] = why if status == "missing" else None

    def save(self, **changes: Any) -> None:
        """Write the manifest."""
        statuses = [each["status"] for each in self.manifest["public"]["entries"]]
        words = ("fresh", "stale", "hard_stale", "missing", "corrupt", "insufficient_data")
        hidden = len(self.manifest["ops"]["entries"]) - len(statuses)
        self.manifest["ops"]["summary"] = {word: statuses.count(word) for word in words} | {
            "hidden_backfilling": hidden,
            "degraded": sum(each["degraded"] for each in self.manifest["ops"]["entries"]),
        }
        text = json.dumps(self.manifest | changes, indent=1)
        (self.path / "manifest.json").write_text(text)

    def ops(self, symbol: str, timeframe: str) -> Document:
        """The ops entry of a series."""
        wanted = {"symbol": symbol, "timeframe": timeframe}
        return next(each for each in self.manifest["ops"]["entries"] if _same(each, wanted))


def published(path: Path, symbols: Sequence[str] = SYMBOLS) -> Folder:
    """A folder of all `TIMEFRAMES` of ``symbols``, with something of everything to show."""
    folder = Folder(path)
    for symbol in symbols:
        for timeframe in TIMEFRAMES:
            holes = HOLES if (symbol, timeframe) == (symbols[0], TIMEFRAMES[0]) else ()
            folder.publish(symbol, timeframe, holes)
    folder.save()
    return folder


def with_troubles(folder: Folder) -> Folder:
    """``folder`` after outages and failures, and with a new symbol whose history is collected."""
    end = documents.as_of("1h") - timedelta(hours=50)
    folder.manifest["ops"]["outages"] = [
        {
            "timeframe": "1h",
            "start": time_text(end),
            "end": time_text(end + timedelta(hours=3)),
            "candles": 3,
            "symbols": ["BTC/USDT", "ETH/USDT"],
        }
    ]
    folder.manifest["ops"]["dagster_url"] = "http://127.0.0.1:3000"
    folder.ops("ETH/USDT", "4h").update(
        degraded=True,
        consecutive_failures=3,
        last_failure_at=time_text(NOW - timedelta(minutes=2)),
        last_error="RequestTimeout: the exchange did not answer within 10 seconds",
    )
    entries = {(each["symbol"], each["timeframe"]): each for each in _entries(folder)}
    entries["XRP/USDT", "4h"]["caution"] = "the price has not moved for 30 candles"
    folder.refuse(entries["DOGE/USDT", "1M"], "insufficient_data", "there are 9 candles, not 60")
    entries["DOGE/USDT", "1M"].update(prediction=None, overview=None, quality=None, evaluation=None)
    folder.manifest["ops"]["entries"].append(
        folder.ops("DOGE/USDT", "1h")
        | {
            "symbol": "ADA/USDT",
            "visibility": "hidden_backfilling",
            "reason": "3 of 30 months are fetched",
        }
    )
    folder.save()
    return folder


@contextmanager
def served(root: Path, port: int = 0) -> Iterator[int]:
    """Serve ``root`` on localhost, as any static server would; yields the port."""
    handler = partial(_Quiet, directory=str(root))
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


def _entries(folder: Folder) -> list[Document]:
    entries: list[Document] = folder.manifest["public"]["entries"]
    return entries


def _same(one: Document, other: Document) -> bool:
    return (one["symbol"], one["timeframe"]) == (other["symbol"], other["timeframe"])


def _limits(timeframe: str) -> tuple[timedelta, timedelta]:
    """Age at which data is stale, and too old: of the platform's defaults for ``1h``."""
    candle = timedelta(seconds=Timeframe.parse(timeframe).seconds)
    return candle + timedelta(minutes=5), 2 * candle + timedelta(minutes=10)


def _ops_entry(entry: Document, history: Document, missing: int) -> Document:
    soft, hard = _limits(entry["timeframe"])
    published = datetime.fromisoformat(entry["as_of"]) + timedelta(seconds=42)
    known = {"unavailable": 0, "refused": 0, "pending": 0, "failed": 0}
    return {
        "symbol": entry["symbol"],
        "timeframe": entry["timeframe"],
        "soft_minutes": soft.total_seconds() / 60,
        "hard_minutes": hard.total_seconds() / 60,
        "degraded": False,
        "last_success_at": time_text(published),
        "last_failure_at": None,
        "consecutive_failures": 0,
        "last_error": None,
        "reason": None,
        "caution": None,
        "visibility": "public",
        "coverage_start": history["data"][0]["timestamp"],
        "coverage_end": history["as_of"],
        "missing_candles": missing,
        "gaps": {"verified_absent": missing, **known},
        "gap_reasons": [],
        "unavailable_before": None,
        "champion": "3",
    }
