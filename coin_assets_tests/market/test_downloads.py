"""Files of an archive, from a folder or from a URL.

- A file is what its checksum says, or it is refused; what went wrong in transfer once is healed.
- A download that was cut, or whose process was killed, goes on where it stopped; once it is over,
  accepted or refused, nothing lies in the working folder.
- A few files are fetched ahead, never more than four at once.
- What is not there is None; a server that fails is asked again, and then unavailable.
"""

import errno
import hashlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from coin_assets.errors import (
    ConfigurationError,
    InvalidCandles,
    MachineFault,
    MarketUnavailable,
    PermanentError,
)
from coin_assets.market.base import Usage
from coin_assets.market.downloads import THREADS, ArchiveFiles, made_ahead
from coin_assets_tests.market.vision_server import VisionServer, put

CONTENT = random.Random(0).randbytes(300_000)
NAME = "data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-10.zip"
NAMES = [f"folder/file-{number:02d}.zip" for number in range(20)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[VisionServer]:
    put(tmp_path / "tree", NAME, CONTENT)
    with VisionServer(tmp_path / "tree") as running:
        yield running


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def files(server: VisionServer, work: Path, waits: list[float]) -> Iterator[ArchiveFiles]:
    opened = ArchiveFiles(server.url, work, waits.append)
    yield opened
    opened.close()


def leftovers(work: Path) -> list[str]:
    return sorted(path.name for path in work.iterdir()) if work.is_dir() else []


PART = ".BTCUSDT-1h-2024-10.zip.part"


# --------------------------------------------------------------------------------- what is there


def test_a_file_is_downloaded_once_and_nothing_is_left(
    files: ArchiveFiles, server: VisionServer, work: Path
) -> None:
    assert files.fetch(NAME) == CONTENT
    assert server.sent(".zip") == len(CONTENT)
    assert leftovers(work) == []


def test_usage_is_what_the_server_saw(files: ArchiveFiles, server: VisionServer) -> None:
    assert files.usage() == Usage()
    files.existing([NAME, "data/other.zip"])
    files.fetch(NAME)
    assert files.usage() == Usage(len(server.requests)) == Usage(4)
    server.faults.status = {".CHECKSUM": [500, 503]}
    server.faults.wrong_bytes = [".zip"]
    assert list(files.fetch_all([NAME] * 3)) == [(NAME, CONTENT)] * 3
    assert files.usage() == Usage(len(server.requests), 3)


def test_what_is_not_there_is_none(files: ArchiveFiles, work: Path) -> None:
    assert files.fetch("data/other.zip") is None
    assert files.existing([NAME, "data/other.zip"]) == {NAME}
    assert leftovers(work) == []


def test_a_folder_is_read_in_place(tmp_path: Path, work: Path) -> None:
    path = put(tmp_path / "tree", NAME, CONTENT)
    files = ArchiveFiles(str(tmp_path / "tree"), work)
    assert files.fetch(NAME) == CONTENT
    assert list(files.fetch_all([NAME, "gone.zip"])) == [(NAME, CONTENT), ("gone.zip", None)]
    assert files.existing([NAME, "gone.zip"]) == {NAME}
    assert path.read_bytes() == CONTENT
    assert not work.exists()
    assert files.usage() == Usage(4)  # twice the file and its checksum


def test_name_and_password_of_an_address_are_sent_and_never_shown(
    server: VisionServer, work: Path
) -> None:
    base = server.url.replace("://", "://me:s%2Fcret@") + "/"
    files = ArchiveFiles(base, work, lambda _seconds: None)
    assert files.fetch(NAME) == CONTENT
    assert server.users == {"Basic " + b64encode(b"me:s/cret").decode()}
    server.faults.status = {".CHECKSUM": [500] * 4 + [401]}
    for error in (MarketUnavailable, PermanentError):
        with pytest.raises(error) as raised:
            files.fetch(NAME)
        assert "cret" not in str(raised.value)
        assert server.url in str(raised.value)
    assert "cret" not in files.base


def test_a_url_needs_a_working_folder() -> None:
    with pytest.raises(ConfigurationError):
        ArchiveFiles("https://example.org")


# ------------------------------------------------------------------------------------- checksums


def test_a_transfer_with_wrong_bytes_is_healed_by_one_whole_download(
    files: ArchiveFiles, server: VisionServer, work: Path
) -> None:
    server.faults.wrong_bytes = [".zip"]
    assert files.fetch(NAME) == CONTENT
    assert server.sent(".zip") == 2 * len(CONTENT)
    assert leftovers(work) == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_part_of_something_else_is_thrown_away(
    files: ArchiveFiles, server: VisionServer, work: Path, times: int
) -> None:
    work.mkdir()
    (work / PART).write_bytes(b"x" * len(CONTENT) * times)
    assert files.fetch(NAME) == CONTENT
    assert leftovers(work) == []
    assert server.sent(".zip") == len(CONTENT)


@pytest.mark.parametrize("local", [False, True])
def test_a_wrong_checksum_refuses_the_file(
    server: VisionServer, files: ArchiveFiles, work: Path, local: bool
) -> None:
    wrong = hashlib.sha256(b"other").hexdigest()
    (server.folder / f"{NAME}.CHECKSUM").write_text(f"{wrong}  {Path(NAME).name}\n")
    base = ArchiveFiles(str(server.folder)) if local else files
    with pytest.raises(InvalidCandles) as refused:
        base.fetch(NAME)
    assert refused.value.rule == "checksum"
    for told in (NAME, wrong[:12], hashlib.sha256(CONTENT).hexdigest()[:12], "get both again"):
        assert told in str(refused.value)
    assert server.sent(".zip") == (0 if local else 2 * len(CONTENT))
    assert leftovers(work) == []


def test_a_missing_checksum_refuses_the_file(files: ArchiveFiles, server: VisionServer) -> None:
    (server.folder / f"{NAME}.CHECKSUM").unlink()
    with pytest.raises(InvalidCandles) as refused:
        files.fetch(NAME)
    assert refused.value.rule == "checksum_missing"
    assert server.sent(".zip") == 0


# ------------------------------------------------------------------------------- going on after


@pytest.mark.parametrize("cuts", [[100_000], [100_000, 50_000, 1]])
def test_a_cut_connection_goes_on_where_it_stopped(
    files: ArchiveFiles, server: VisionServer, work: Path, waits: list[float], cuts: list[int]
) -> None:
    count = len(cuts)
    server.faults.cut_after = {".zip": cuts}
    assert files.fetch(NAME) == CONTENT
    assert server.sent(".zip") == len(CONTENT)
    assert waits == [1.0, 2.0, 4.0][:count]
    assert leftovers(work) == []


def test_without_ranges_a_cut_download_starts_again(
    files: ArchiveFiles, server: VisionServer, work: Path
) -> None:
    server.faults.no_ranges = True
    server.faults.cut_after = {".zip": [100_000]}
    assert files.fetch(NAME) == CONTENT
    assert server.sent(".zip") == 100_000 + len(CONTENT)
    assert leftovers(work) == []


def test_what_was_downloaded_before_giving_up_is_not_downloaded_again(
    files: ArchiveFiles, server: VisionServer, work: Path
) -> None:
    server.faults.cut_after = {".zip": [70_000, 70_000, 70_000, 70_000]}
    with pytest.raises(MarketUnavailable, match="next run goes on where this one stopped"):
        files.fetch(NAME)
    assert leftovers(work) == [PART]
    assert (work / PART).stat().st_size == 280_000
    assert files.fetch(NAME) == CONTENT
    assert server.sent(".zip") == len(CONTENT)
    assert leftovers(work) == []


def test_a_killed_download_goes_on_in_the_next_process(
    files: ArchiveFiles, server: VisionServer, work: Path
) -> None:
    server.faults.slow_bytes_a_second = 200_000
    code = (
        "import sys; from pathlib import Path; "
        "from coin_assets.market.downloads import ArchiveFiles; "
        "ArchiveFiles(sys.argv[1], Path(sys.argv[2])).fetch(sys.argv[3])"
    )
    child = subprocess.Popen([sys.executable, "-c", code, server.url, str(work), NAME])
    try:
        _wait_until(lambda: (work / PART).exists() and (work / PART).stat().st_size > 50_000)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    there = (work / PART).stat().st_size
    assert 0 < there < len(CONTENT)
    time.sleep(0.1)  # until the server has noticed
    server.faults.slow_bytes_a_second = 0
    server.requests.clear()
    server.bytes_sent.clear()
    assert files.fetch(NAME) == CONTENT
    assert ("GET", f"/{NAME}", f"bytes={there}-") in server.requests
    assert server.sent(".zip") == len(CONTENT) - there
    assert leftovers(work) == []


def _wait_until(reached: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


# ---------------------------------------------------------------------------------- server faults


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_fails_for_a_moment_is_asked_again(
    files: ArchiveFiles, server: VisionServer, waits: list[float], status: int
) -> None:
    server.faults.status = {".CHECKSUM": [status], ".zip": [status]}
    assert files.fetch(NAME) == CONTENT
    assert waits == [1.0, 1.0]
    server.faults.status = {".zip": [status]}
    assert files.existing([NAME]) == {NAME}


def test_a_server_that_keeps_failing_is_unavailable(
    files: ArchiveFiles, server: VisionServer, waits: list[float], work: Path
) -> None:
    server.faults.status = {".zip": [500] * 4}
    with pytest.raises(MarketUnavailable, match=NAME):
        files.fetch(NAME)
    assert waits == [1.0, 2.0, 4.0]
    assert leftovers(work) == []


@pytest.mark.parametrize("status", [400, 401, 407, 451])
def test_a_server_that_refuses_is_not_asked_again(
    files: ArchiveFiles, server: VisionServer, waits: list[float], status: int
) -> None:
    server.faults.status = {".CHECKSUM": [status]}
    with pytest.raises(PermanentError, match=f"HTTP {status}"):
        files.fetch(NAME)
    assert waits == []


def test_a_server_that_is_not_there_is_unavailable(work: Path, waits: list[float]) -> None:
    with VisionServer(work) as gone:
        url = gone.url
    with pytest.raises(MarketUnavailable, match="Check the network and COIN_ARCHIVE"):
        ArchiveFiles(url, work, waits.append).fetch(NAME)
    assert len(waits) == 3


# -------------------------------------------------------------------------------------- in parallel


@pytest.fixture
def many(server: VisionServer) -> list[tuple[str, bytes]]:
    contents = [(name, name.encode() * 1000) for name in NAMES]
    for name, content in contents:
        put(server.folder, name, content)
    return contents


def test_files_come_in_order_and_at_most_four_are_fetched_at_once(
    files: ArchiveFiles, server: VisionServer, many: list[tuple[str, bytes]], work: Path
) -> None:
    server.faults.stall_seconds = 0.03
    assert list(files.fetch_all(NAMES)) == many
    assert 1 < server.most_at_once <= THREADS
    assert leftovers(work) == []


def test_no_more_than_a_few_files_are_fetched_ahead_of_the_consumer(
    files: ArchiveFiles, server: VisionServer, many: list[tuple[str, bytes]]
) -> None:
    fetched = files.fetch_all(NAMES)
    assert list(itertools.islice(fetched, 3)) == many[:3]
    time.sleep(0.3)
    assert server.asked(".zip") <= 3 + THREADS
    fetched.close()


def test_stopping_early_leaves_nothing_behind_and_starts_nothing_more(
    files: ArchiveFiles, server: VisionServer, many: list[tuple[str, bytes]], work: Path
) -> None:
    server.faults.stall_seconds = 0.05
    fetched = files.fetch_all(NAMES)
    assert next(fetched) == many[0]
    fetched.close()
    asked = server.asked(".zip")
    assert asked <= 1 + THREADS
    assert leftovers(work) == []
    time.sleep(0.2)
    assert server.asked(".zip") == asked


def test_a_refused_file_among_many_is_told_in_its_place_and_stops_no_other(
    files: ArchiveFiles, server: VisionServer, many: list[tuple[str, bytes]], work: Path
) -> None:
    (server.folder / NAMES[5]).write_bytes(b"other")
    fetched = list(files.fetch_all(NAMES))
    assert [*fetched[:5], *fetched[6:]] == [*many[:5], *many[6:]]
    name, refusal = fetched[5]
    assert name == NAMES[5]
    assert isinstance(refusal, InvalidCandles)
    assert refusal.rule == "checksum"
    assert leftovers(work) == []


def test_two_readers_of_one_file_do_not_disturb_each_other(
    files: ArchiveFiles, server: VisionServer, work: Path
) -> None:
    server.faults.slow_bytes_a_second = 1_000_000
    assert list(files.fetch_all([NAME] * 3)) == [(NAME, CONTENT)] * 3
    assert leftovers(work) == []


def test_files_can_be_used_again_after_closing(files: ArchiveFiles) -> None:
    for _ in range(2):
        assert list(files.fetch_all([NAME])) == [(NAME, CONTENT)]
        files.close()


def test_things_are_made_one_ahead_of_their_use() -> None:
    made = []

    def numbers() -> Generator[int]:
        try:
            for number in range(5):
                made.append(number)
                yield number
            raise ValueError("no more")
        finally:
            made.append(-1)

    ahead = made_ahead(numbers())
    assert next(ahead) == 0
    _wait_until(lambda: made == [0, 1])
    ahead.close()
    assert made == [0, 1, -1]
    ahead = made_ahead(numbers())
    assert list(itertools.islice(ahead, 5)) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="no more"):
        next(ahead)


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.EACCES])
def test_a_file_of_a_folder_that_the_machine_cannot_read_is_no_bad_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    put(tmp_path, NAME, CONTENT)

    def failing(path: Path) -> bytes:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(MachineFault, match=errno.errorcode[number]):
        ArchiveFiles(str(tmp_path), tmp_path / "work").fetch(NAME)
