"""Web servers with the files of ``deploy/``, and ``make site``, serve the published folder alike.

- Names that stay are asked for again, immutable ones never; pages of other origins may read them.
- The page may load its own code alone, with types that browsers accept.
- A file that did not change is not sent again; one that is being written is not served.
"""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path

import pytest

from coin_assets_tests.test_release_home import RELEASE_HOME
from coin_assets_tests.webui import ROOT, free_port

HISTORY = "history_BTC_USDT_1d.json"
PARTIAL = f".{HISTORY}.17.partial"
OBJECT = f"objects/{'a' * 64}.json"
IMMUTABLE = "public, max-age=31536000, immutable"
TYPES = {
    "": "text/html",
    "assets/page-1.js": "text/javascript",
    "assets/page-1.css": "text/css",
    OBJECT: "application/json",
    f"shard=0/{OBJECT}": "application/json",
}


def recipe(name: str, folder: Path, port: int) -> str:
    """The file of ``deploy/``, for another folder and port."""
    text = (ROOT / "deploy" / name).read_text()
    assert (text.count("/srv/coin/published"), text.count("8080")) == (1, 1)
    return text.replace("/srv/coin/published", str(folder)).replace("8080", str(port))


def installed(program: str) -> str:
    """Path of a program, without which the test skips."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def nginx(work: Path, folder: Path, port: int) -> list[str]:
    return nginx_command(work, recipe("published.nginx.conf", folder, port))


def nginx_command(work: Path, servers: str) -> list[str]:
    """Command of an nginx of its own, with these blocks in its ``http``."""
    program, file = installed("nginx"), work / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # its own one cannot enter test folders
    paths = "".join(
        f"{name}_temp_path {work}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file.write_text(
        f"{user} pid {work}/pid; error_log {work}/error.log; daemon off; events {{}}\n"
        f"http {{ access_log off; {paths}\n{servers}}}\n"
    )
    command = [program, "-p", str(work), "-c", str(file), "-e", str(work / "error.log")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    return command


def caddy(work: Path, folder: Path, port: int) -> list[str]:
    program, file = installed("caddy"), work / "Caddyfile"
    file.write_text("{\n    admin off\n}\n" + recipe("published.Caddyfile", folder, port))
    options = ["--config", str(file), "--adapter", "caddyfile"]
    checked = subprocess.run(
        [program, "validate", *options], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    return [program, "run", *options]


def site(work: Path, folder: Path, port: int) -> list[str]:  # noqa: ARG001 (folder: a setting)
    return [sys.executable, "-m", "coin_assets.commands.site", "--port", str(port)]


@pytest.fixture(params=[nginx, caddy, site], ids=lambda each: each.__name__)
def served(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[str, Callable[..., tuple[int, Message, bytes]]]]:
    """Name of the server, and a function that requests a path from it."""
    folder = Path(shutil.copytree(RELEASE_HOME / "published", tmp_path / "published"))
    (folder / PARTIAL).write_text("{")
    for path in (*TYPES, "objects/.a.json.17.partial"):
        file = folder / (path or "index.html")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    (tmp_path / "secret.json").write_text("{}")
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    port = free_port()
    command = request.param(tmp_path, folder, port)
    variables = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    variables |= {"COIN_HOME": str(tmp_path / "home"), "COIN_PUBLISH_DIR": str(folder)}
    environment = {**os.environ, **variables}

    def get(path: str, method: str = "GET", **headers: str) -> tuple[int, Message, bytes]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/{path}", method=method, headers=names
        )
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    get("manifest.json")
                    break
                except OSError:
                    assert process.poll() is None, f"{command[0]} ended"
                    assert time.monotonic() < until, f"{command[0]} does not answer"
                    time.sleep(0.05)
            yield request.param.__name__, get
        finally:
            process.terminate()


Get = Callable[..., tuple[int, Message, bytes]]


def test_files_under_names_that_stay_are_asked_for_again(served: tuple[str, Get]) -> None:
    name, get = served
    for file in ("manifest.json", HISTORY, "prediction_BTC_USDT_1d.json"):
        status, headers, body = get(file, Origin="https://page.example")
        assert (status, body) == (200, (RELEASE_HOME / "published" / file).read_bytes())
        assert headers["Cache-Control"] == "no-cache"
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Content-Type"] == "application/json"
        for asked in (
            {"If_Modified_Since": headers["Last-Modified"]},
            {"If_None_Match": headers["ETag"]},
        ):
            status, again, body = get(file, **asked)
            assert (status, body, again["Cache-Control"]) == (304, b"", "no-cache")
    if name != "site":
        assert get("manifest.json", Accept_Encoding="gzip")[1]["Content-Encoding"] == "gzip"


def test_the_page_has_types_and_rules_and_what_is_immutable_is_kept(
    served: tuple[str, Get],
) -> None:
    _, get = served
    for path, kind in TYPES.items():
        status, headers, body = get(path)
        assert (status, body) == (200, b"{}")
        assert headers["Content-Type"].partition(";")[0] == kind
        assert headers["Cache-Control"] == (IMMUTABLE if path else "no-cache")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        rules = headers["Content-Security-Policy"]
        assert rules.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in rules
        assert "http" not in rules
        status, _, body = get(path, "HEAD")
        assert (status, body) == (200, b"")


def test_what_is_not_published_is_not_served_and_an_error_is_not_kept(
    served: tuple[str, Get],
) -> None:
    name, get = served
    missing = f"objects/{'b' * 64}.json"
    for path in (PARTIAL, "objects/.a.json.17.partial", "no.json", missing, "objects/"):
        status, headers, _ = get(path)
        assert status in (403, 404)
        assert "max-age" not in headers.get("Cache-Control", "")
    for path in ("../secret.json", "%2e%2e/secret.json", "objects/../../secret.json"):
        assert get(path)[0] in (400, 403, 404)
    if name == "site":  # the others follow links
        assert get("link.json")[0] == 404
    for method in ("POST", "PUT", "DELETE"):
        assert get("manifest.json", method)[0] in (403, 405)


def test_a_part_of_a_file_is_served(served: tuple[str, Get]) -> None:
    """As DuckDB and Arrow read Parquet files over HTTP."""
    _, get = served
    status, headers, body = get("assets/page-1.css", Range="bytes=1-1")
    assert (status, body, headers["Content-Range"]) == (206, b"}", "bytes 1-1/2")
