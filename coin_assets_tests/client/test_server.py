"""A reader over HTTP gets what a reader of the folder gets, and survives any server.

- Answers without end, too slow, compressed, truncated or of another host are refused, within the
  time and the bytes that they may take.
- No address but that of the host is requested.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from socket import socket

import pandas as pd
import pytest

from coin_assets.client import (
    Damaged,
    PublishedError,
    UnknownVersion,
    Unreadable,
    open_published,
)
from coin_assets.domain.json_format import Document
from coin_assets_tests.client.folder import NAME, NOW, read_manifest
from coin_assets_tests.client.served import served
from coin_assets_tests.market.hostile import (
    OK,
    body,
    drip,
    redirect,
    sent,
    serving,
    without_end,
    zeros,
)

SECONDS, LATE = 0.6, 10.0  # the reader's patience, and what a busy machine may add
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def prediction_of(folder: Path) -> Document:
    reference: Document = read_manifest(folder)["public"]["entries"][0]["prediction"]
    return reference


def forecast(address: str) -> pd.DataFrame:
    return open_published(address, clock=lambda: NOW).forecast(*NAME)


def test_frames_are_those_of_the_folder(folder: Path) -> None:
    local = open_published(folder, clock=lambda: NOW)
    with served(folder.parent) as (address, _):
        remote = open_published(f"{address}/published/", clock=lambda: NOW)
        pd.testing.assert_frame_equal(remote.series(), local.series())
        pd.testing.assert_frame_equal(remote.forecast(*NAME), local.forecast(*NAME))
        pd.testing.assert_frame_equal(remote.history(*NAME), local.history(*NAME))
        pd.testing.assert_frame_equal(remote.archive("paths"), local.archive("paths"))


def test_objects_are_requested_and_the_manifest_once(folder: Path) -> None:
    with served(folder) as (address, seen):
        reader = open_published(address, clock=lambda: NOW)
        for _ in range(2):
            reader.forecast(*NAME)
        assert seen == ["/manifest.json", *[f"/{prediction_of(folder)['object']}"] * 2]


def test_a_redirect_on_the_host_is_followed(folder: Path) -> None:
    path = f"/{prediction_of(folder)['object']}"
    with served(folder, {path: redirect("/prediction_BTC_USDT_4h.json")}) as (address, seen):
        assert len(forecast(address)) == 24
        assert seen[-1] == "/prediction_BTC_USDT_4h.json"


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost:{port}/elsewhere",
        "http://127.0.0.1:{port}/elsewhere",
        "//localhost:{port}/elsewhere",
        "file:///etc/hostname",
        "ftp://127.0.0.1/a",
        "data:application/json,{{}}",
    ],
)
def test_a_redirect_to_another_host_port_or_scheme_is_refused(folder: Path, target: str) -> None:
    with served(folder) as (other, seen):
        goal = target.format(port=other.rpartition(":")[2])
        with (
            served(folder, {"/manifest.json": redirect(goal)}) as (address, _),
            pytest.raises(Unreadable, match="is redirected to another host"),
        ):
            open_published(address)
        assert seen == []


def test_redirects_without_end_are_refused(folder: Path) -> None:
    answers = {"/manifest.json": redirect("/manifest.json")}
    with (
        served(folder, answers) as (address, seen),
        pytest.raises(Unreadable, match="redirected more than 3 times"),
    ):
        open_published(address)
    assert len(seen) == 4


@pytest.mark.parametrize(
    "answer",
    [
        drip(OK, b"X: 1\r\n"),
        drip(OK + b"Content-Length: 1000000\r\n\r\n", b" "),
        drip(OK + CHUNKED, b"1\r\n \r\n"),
        drip(b"HTTP/1.1 302 Found\r\nLocation: /a\r\n", b"X: 1\r\n"),
        lambda _: time.sleep(2 * LATE),
    ],
    ids=["headers", "body", "chunks", "redirect", "silence"],
)
def test_an_answer_that_takes_too_long_is_left(answer: Callable[[socket], None]) -> None:
    with serving(answer) as address:
        began = time.monotonic()
        with pytest.raises(Unreadable, match="cannot be read"):
            open_published(address, seconds=SECONDS)
        assert time.monotonic() - began < LATE


@pytest.mark.parametrize(
    "head",
    [OK + b"\r\n", OK + b"Content-Length: 99999999999\r\n\r\n"],
    ids=["unknown length", "huge length"],
)
def test_a_manifest_without_end_is_left(head: bytes) -> None:
    with (
        serving(without_end(head, b" ")) as address,
        pytest.raises(Damaged, match="more than the 67108864 bytes"),
    ):
        open_published(address)


def test_a_file_without_end_is_left_at_its_listed_size(folder: Path) -> None:
    reference = prediction_of(folder)
    answers = {f"/{reference['object']}": without_end(OK + b"\r\n", b" ")}
    with (
        served(folder, answers) as (address, _),
        pytest.raises(Damaged, match=f"more than the {reference['bytes']} bytes"),
    ):
        forecast(address)


def test_the_body_of_a_redirect_is_not_read(folder: Path) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /prediction_BTC_USDT_4h.json\r\n\r\n"
    answers = {f"/{prediction_of(folder)['object']}": without_end(head, b" ")}
    with served(folder, answers) as (address, _):
        assert len(forecast(address)) == 24


def test_compressed_answers_are_refused_unread(folder: Path) -> None:
    """A bomb would expand to a gigabyte."""
    answers = {f"/{prediction_of(folder)['object']}": body(zeros(1024), "gzip")}
    with (
        served(folder, answers) as (address, _),
        pytest.raises(Unreadable, match="coding 'gzip'; expected were 200 and no coding"),
    ):
        forecast(address)


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "206 Partial Content"])
def test_another_status_is_named(folder: Path, status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    with (
        served(folder, {"/manifest.json": sent(head)}) as (address, _),
        pytest.raises(Unreadable, match=f"HTTP {status[:3]}"),
    ):
        open_published(address)


@pytest.mark.parametrize("is_told", [True, False], ids=["length told", "length unknown"])
def test_a_truncated_file_is_refused(folder: Path, is_told: bool) -> None:
    reference = prediction_of(folder)
    content = (folder / reference["file"]).read_bytes()
    length = b"Content-Length: %d\r\n" % len(content) if is_told else b""
    answers = {f"/{reference['object']}": sent(OK, length, b"\r\n", content[:-10])}
    with served(folder, answers) as (address, seen), pytest.raises(PublishedError) as refused:
        forecast(address)
    assert isinstance(refused.value, Damaged | Unreadable)
    assert seen.count("/manifest.json") == 2  # it is tried by a newer manifest, once


def test_a_file_with_another_hash_is_refused(folder: Path) -> None:
    reference = prediction_of(folder)
    other = (folder / "prediction_ETH_USDT_4h.json").read_bytes()
    answers = {f"/{reference['object']}": body(other)}
    with (
        served(folder, answers) as (address, _),
        pytest.raises(Damaged, match="is not what the manifest lists"),
    ):
        forecast(address)


def test_a_web_page_is_no_manifest() -> None:
    with (
        serving(body(b"<!doctype html><title>Log in</title>")) as address,
        pytest.raises(Damaged, match=r"manifest\.json breaks the contract"),
    ):
        open_published(address)


def test_a_newer_version_is_refused(folder: Path) -> None:
    content = json.dumps(read_manifest(folder) | {"version": 3}).encode()
    with (
        serving(body(content)) as address,
        pytest.raises(UnknownVersion, match="has version 3; this reader knows version 2"),
    ):
        open_published(address)


@pytest.mark.parametrize(
    "answer", [sent(b""), sent(b"SSH-2.0-OpenSSH\r\n"), sent(OK, CHUNKED, b"zz\r\n")]
)
def test_what_is_no_http_is_unreadable(answer: Callable[[socket], None]) -> None:
    with serving(answer) as address, pytest.raises(Unreadable, match="cannot be read"):
        open_published(address)


def test_no_server_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="connection refused"):
        open_published("http://127.0.0.1:9", seconds=SECONDS)


def test_a_port_that_is_none_is_unreadable() -> None:
    with pytest.raises(PublishedError):
        open_published("http://127.0.0.1:port/published")
