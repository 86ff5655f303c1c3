"""The proxies of the documentation before the real web server: nginx and Caddy with a password.

Without TLS, which needs a certificate of the machine; all else is the text of the page.
"""

import base64
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from coin_assets_tests.test_serving import installed, nginx_command
from coin_assets_tests.web.installation import BODY, PUBLIC, Installation, installation
from coin_assets_tests.webui import ROOT, WebUi, free_port

PAGE = ROOT / "docs/operations/web-ui.md"
PASSWORD = "hush"  # noqa: S105
KNOWN = "Basic " + base64.b64encode(f"operator:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("web")) as found:
        yield found


def recipe(language: str, made: Installation) -> str:
    """The block of the page, for the port of this web server."""
    found: list[str] = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    (text,) = found
    assert text.count("127.0.0.1:3000") == 1
    return text.replace("127.0.0.1:3000", made.host)


def nginx(work: Path, made: Installation, port: int) -> list[str]:
    text = re.sub(r"^ *ssl_.*\n", "", recipe("nginx", made), flags=re.MULTILINE)
    users = work / "users"
    users.write_text(f"operator:{{PLAIN}}{PASSWORD}\n")
    for old, new in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("/etc/nginx/coin_assets.htpasswd", str(users)),
    ):
        assert old in text
        text = text.replace(old, new)
    return nginx_command(work, text)


def caddy(work: Path, made: Installation, port: int) -> list[str]:
    program, file = installed("caddy"), work / "Caddyfile"
    hashing = [program, "hash-password", "--plaintext", PASSWORD]
    hashed = subprocess.run(hashing, capture_output=True, text=True, check=True).stdout.strip()
    text = recipe("caddyfile", made).replace("$HASH", hashed)
    text = text.replace(f"{PUBLIC} {{", f"http://{PUBLIC}:{port} {{")
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=True)
    numbers = re.findall(r"\d+", version.stdout)
    if (int(numbers[0]), int(numbers[1])) < (2, 8):  # as the page says
        text = text.replace("basic_auth", "basicauth")
    file.write_text("{\n    admin off\n}\n" + text)
    return [program, "run", "--config", str(file), "--adapter", "caddyfile"]


@contextmanager
def served(command: list[str], work: Path, port: int) -> Iterator[None]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(work), "XDG_DATA_HOME": str(work)}
    with (work / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=work, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                Installation.send(at(port), "GET", "/", Host=f"{PUBLIC}:{port}")
                break
            except OSError:
                assert process.poll() is None, (work / "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def at(port: int) -> Installation:
    return Installation(None, WebUi(port))  # type: ignore[arg-type]


@pytest.mark.parametrize("proxy", [nginx, caddy], ids=lambda each: each.__name__)
def test_a_proxy_asks_for_a_password_and_its_pages_work(
    made: Installation, tmp_path: Path, proxy: Callable[[Path, Installation, int], list[str]]
) -> None:
    port = free_port()
    host = f"{PUBLIC}:{port}"
    own = {"Host": host, "Authorization": KNOWN}
    post = own | {"Content_Type": "application/json"}
    with served(proxy(tmp_path, made, port), tmp_path, port):
        proxied = at(port)
        assert proxied.send("GET", "/", Host=host)[0] == 401
        assert proxied.send("GET", "/", **own)[0] == 200
        query = '{"query": "{ version }"}'
        status, _, text = proxied.send("POST", "/graphql", query, **post, Origin=f"https://{host}")
        assert (status, "version" in text) == (200, True)
        elsewhere = "https://evil.example"
        assert proxied.send("POST", "/graphql", BODY, **post, Origin=elsewhere)[0] == 403
        for origin, status in ((f"https://{host}", 101), (elsewhere, 403)):
            assert answer_to_websocket(port, host, origin) == status
    assert made.has_run


def answer_to_websocket(port: int, host: str, origin: str) -> int:
    """Status of a request for a websocket, by the browser of someone who knows the password."""
    connection = socket.create_connection(("127.0.0.1", port))
    try:
        with connect(
            f"ws://{host}/graphql",
            sock=connection,
            origin=Origin(origin),
            subprotocols=[Subprotocol("graphql-ws")],
            additional_headers={"Authorization": KNOWN},
            proxy=None,
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code
    finally:
        connection.close()
