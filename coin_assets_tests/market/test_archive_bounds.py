"""Archives without measure: answers of a URL, files of a folder, and members of zips."""

import io
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coin_assets.bounded_http import Bounds
from coin_assets.config.rules import archive
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import ConfigurationError, InvalidCandles, MarketUnavailable
from coin_assets.market import downloads, transfers
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.vision import KlineFile, read_klines
from coin_assets_tests.market.hostile import (
    MB,
    OK,
    PATIENT_SECONDS,
    Answer,
    body,
    drip,
    redirect,
    sent,
    serving,
    zeros,
)
from coin_assets_tests.market.vision_server import VisionServer, put

NAME = "BTCUSDT-1h-2024-10.zip"
MONTH = KlineFile(NAME, datetime(2024, 10, 1, tzinfo=UTC), datetime(2024, 11, 1, tzinfo=UTC))
HOUR = Timeframe("1h")
ROW = "1730073600000,2,3,1,2,5,1730077199999,9,9,9,9,0\n"

LONG = r"127\.0\.0\.1:\d+ sends an answer of more than 64 kB"
LATE = r"127\.0\.0\.1:\d+ did not send its whole answer within 0\.5 s"
ANSWERS: dict[str, tuple[Answer, str]] = {
    "a long checksum": (body(b"0" * MB), LONG),
    "a bomb for a checksum": (body(zeros(32), "gzip"), LONG),
    "dripping": (drip(OK + b"Content-Length: 99\r\n\r\n", b"0"), LATE),
    "dripping headers": (drip(OK, b"a: b\r\n"), LATE),
    "another host": (redirect("http://127.0.0.2/x?secret=1"), r"redirects to http://127\.0\.0\.2,"),
    "a file": (redirect("file:///etc/passwd"), "redirects to file://, which was not configured"),
    "a bomb in a redirect": (
        sent(
            b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Encoding: gzip\r\n",
            b"Content-Length: %d\r\n\r\n" % len(zeros(32)),
            zeros(32),
        ),
        LONG,
    ),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_archive_that_answers_beyond_bounds_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    answer, expected = ANSWERS[what]
    seconds = 0.5 if expected == LATE else PATIENT_SECONDS
    monkeypatch.setattr(transfers, "OF_SMALL_FILE", Bounds(64 << 10, seconds))
    with serving(answer) as address:
        files = ArchiveFiles(address, tmp_path, sleep=lambda _: None)
        with pytest.raises(MarketUnavailable, match=expected) as raised:
            files.fetch(NAME)
    assert "Check the network and COIN_ARCHIVE" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_file_longer_than_any_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "archive", NAME, bytes(2 * MB))
    for module in (transfers, downloads):
        monkeypatch.setattr(module, "OF_FILE", Bounds(MB, 300.0))
    with VisionServer(tmp_path / "archive") as server:
        places = [
            ArchiveFiles(server.url, tmp_path / "downloads"),
            ArchiveFiles(str(server.folder)),
        ]
        for files in places:
            with pytest.raises(InvalidCandles, match=rf"{NAME} is longer than 1 MB, which no file"):
                files.fetch(NAME)
        assert server.sent(NAME) <= 2 * MB
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_checksum_in_a_folder_is_short(tmp_path: Path) -> None:
    put(tmp_path, NAME, b"")
    (tmp_path / f"{NAME}.CHECKSUM").write_bytes(b"0" * (65 << 10))
    with pytest.raises(InvalidCandles, match=rf"{NAME}\.CHECKSUM is longer than 64 kB"):
        ArchiveFiles(str(tmp_path)).fetch(NAME)


def test_a_file_that_drips_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(250)) * 100
    put(tmp_path / "archive", NAME, content)
    monkeypatch.setattr(transfers, "_TRANSFER", Bounds(MB, 0.5))
    with VisionServer(tmp_path / "archive") as server:
        server.faults.slow_bytes_a_second = 20_000
        files = ArchiveFiles(server.url, tmp_path / "downloads", sleep=lambda _: None)
        began = time.monotonic()
        with pytest.raises(MarketUnavailable, match=r"within 0\.5 s"):
            files.fetch(NAME)
        assert time.monotonic() - began < 3
        server.faults.slow_bytes_a_second = 0
        assert files.fetch(NAME) == content
        assert server.requests[-1][2].startswith("bytes=")
    assert list((tmp_path / "downloads").iterdir()) == []


def packed(*members: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as made:
        for name, content in members:
            made.writestr(name, content)
    return buffer.getvalue()


def of_size(content: bytes, size: int) -> bytes:
    """A zip whose directory gives another size for its member."""
    at = content.index(b"PK\x01\x02") + 24
    return content[:at] + size.to_bytes(4, "little") + content[at + 4 :]


# Made by their tests: to pack 64 MB takes seconds of every process that imports this.
BOMBS: dict[str, Callable[[], bytes]] = {
    "a bomb": lambda: packed(("a.csv", bytes(64 * MB))),
    "a bomb of another kind": lambda: packed(("a.csv", bytes(64 * MB)), how=zipfile.ZIP_LZMA),
    "a bomb that looks small": lambda: of_size(packed(("a.csv", ROW.encode() * 50_000)), 100),
    "many members": lambda: packed(*((f"{number}.csv", b"") for number in range(1000))),
    "long names": lambda: packed(*((f"{number}{'a' * 60_000}.csv", b"") for number in range(3))),
    "another packing": lambda: packed(("a.csv", ROW.encode()), how=zipfile.ZIP_BZIP2),
    "a long file": lambda: packed(("a.csv", ROW.encode()), how=zipfile.ZIP_STORED) + bytes(MB),
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_zip_beyond_what_candles_can_take_is_refused_before_it_is_expanded(what: str) -> None:
    bomb = BOMBS[what]()
    began = time.process_time()
    with pytest.raises(InvalidCandles, match=rf"\[unreadable\] {NAME}") as refused:
        read_klines(bomb, MONTH, HOUR)
    assert time.process_time() - began < 1
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_packings_of_the_archive_are_read(how: int) -> None:
    assert len(read_klines(packed(("a.csv", ROW.encode()), how=how), MONTH, HOUR)) == 1


@pytest.mark.parametrize(
    "address",
    ["file:///etc", "ftp://host/x", "gopher://host", "s3://bucket", "data://x", "http://"],
)
def test_an_archive_has_an_address_of_the_web_or_a_folder(address: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a valid http or https address"):
        archive(address)
