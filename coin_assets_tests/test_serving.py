"""Web servers that are configured as the documentation says serve the published files.

- Each answer tells caches to ask again, and lets pages of other origins read it.
- A file that did not change is not sent again; one that is being written is not served.
"""

import os
import re
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

PAGE = ROOT / "docs/operations/serve.md"
HISTORY = "history_BTC_USDT_1d.json"
PARTIAL = f".{HISTORY}.17.partial"


def recipe(language: str, folder: Path, port: int) -> str:
    """The block of the page, for another folder and port."""
    blocks: list[str] = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    (text,) = blocks
    for documented in ("/srv/coin/published", "var/demo/published"):
        text = text.replace(documented, str(folder))
    return text.replace("8080", str(port))


def installed(program: str) -> str:
    """Path of a program, without which the test skips."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def nginx(work: Path, folder: Path, port: int) -> list[str]:
    return nginx_command(work, recipe("nginx", folder, port))


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
    file.write_text("{\n    admin off\n}\n" + recipe("caddyfile", folder, port))
    options = ["--config", str(file), "--adapter", "caddyfile"]
    checked = subprocess.run(
        [program, "validate", *options], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    return [program, "run", *options]


def python(work: Path, folder: Path, port: int) -> list[str]:
    file = work / "serve.py"
    file.write_text(recipe("python", folder, port))
    return [sys.executable, str(file)]


@pytest.fixture(params=[nginx, caddy, python], ids=lambda each: each.__name__)
def served(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[str, Callable[..., tuple[int, Message, bytes]]]]:
    """Name of the server, and a function that requests a path from it."""
    folder = Path(shutil.copytree(RELEASE_HOME / "published", tmp_path / "published"))
    (folder / PARTIAL).write_text("{")
    port = free_port()
    command = request.param(tmp_path, folder, port)
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}

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


def test_files_are_served_with_the_headers_of_the_page(
    served: tuple[str, Callable[..., tuple[int, Message, bytes]]],
) -> None:
    name, get = served
    for file in ("manifest.json", HISTORY, "prediction_BTC_USDT_1d.json"):
        status, headers, body = get(file, Origin="https://page.example")
        assert (status, body) == (200, (RELEASE_HOME / "published" / file).read_bytes())
        assert headers["Cache-Control"] == "no-cache"
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Content-Type"] == "application/json"
        assert get(file, If_Modified_Since=headers["Last-Modified"])[0] == 304
        if name != "python":
            assert get(file, If_None_Match=headers["ETag"])[0] == 304
    if name != "python":
        assert get(PARTIAL)[0] == 404
        assert get("")[0] == 404
        assert get("manifest.json", Accept_Encoding="gzip")[1]["Content-Encoding"] == "gzip"
    assert get("no.json")[0] == 404
    if name == "nginx":
        assert get("manifest.json", "POST")[0] == 403
