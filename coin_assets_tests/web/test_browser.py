"""A page of another site in a real browser, beside the web UI on this machine."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import expect

from coin_assets_tests.browser import page, requires_browser
from coin_assets_tests.orchestration.records.generated import RUNS
from coin_assets_tests.web.installation import BODY, DELETION, IN_ADDRESS, installation
from coin_assets_tests.webui import DAGSTERS

# Everything that a page may send to another origin without asking it first.
ATTACKS = {
    "text": """([ui, body]) => fetch(`${ui}/graphql`, {
        method: "POST", mode: "no-cors",
        headers: {"Content-Type": "text/plain; charset=application/json"}, body
    }).then(() => "sent")""",
    "address": """([ui, body, address]) => fetch(`${ui}${address}`, {
        method: "POST", mode: "no-cors"
    }).then(() => "sent")""",
    "picture": """([ui, body, address]) => new Promise(done => {
        const picture = new Image();
        picture.onload = picture.onerror = () => done("sent");
        picture.src = `${ui}${address}`;
    })""",
    "form": """([ui, body, address]) => new Promise(done => {
        const frame = document.createElement("iframe"), form = document.createElement("form");
        frame.name = form.target = "hidden";
        form.method = "POST";
        form.action = `${ui}${address}`;
        document.body.append(frame, form);
        frame.onload = () => done("sent");
        form.submit();
    })""",
}
SOCKET = """ui => new Promise(done => {
    const socket = new WebSocket(`${ui.replace("http", "ws")}/graphql`, "graphql-ws");
    socket.onopen = () => done("open");
    socket.onerror = () => done("refused");
})"""
FRAME = """ui => new Promise(done => {
    const frame = document.createElement("iframe");
    frame.onload = done;
    frame.src = ui;
    document.body.append(frame);
})"""


@contextmanager
def other_site(folder: Path) -> Iterator[str]:
    """An empty page of another site: ``localhost`` is another one than ``127.0.0.1``."""
    (folder / "page.html").write_text("<!doctype html><title>a page</title><body>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/page.html"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@requires_browser
def test_a_page_of_another_site_changes_nothing_and_the_web_ui_works(tmp_path: Path) -> None:
    with installation(tmp_path) as made, other_site(tmp_path) as site, page() as tab:
        tab.goto(site)
        for attack in ATTACKS.values():
            assert tab.evaluate(attack, [made.ui.url, BODY, IN_ADDRESS]) == "sent"
        assert tab.evaluate(SOCKET, made.ui.url) == "refused"
        tab.evaluate(FRAME, made.ui.url)
        tab.frames[-1].wait_for_url(re.compile("^chrome-error:"))  # the browser refused to show it
        assert made.has_run
        sockets: list[str] = []
        tab.on("websocket", lambda opened: sockets.append(opened.url))
        tab.goto(f"{made.ui.url}/runs/{RUNS[0]}")
        expect(tab.get_by_text(RUNS[0][:8]).first).to_be_visible()
        assert sockets
        query = """query => fetch("/graphql", {
            method: "POST", headers: {"Content-Type": "application/json"},
            body: JSON.stringify({query})
        }).then(answer => answer.json())"""
        answer = tab.evaluate(query, DELETION)
        assert answer["data"]["deleteRun"]["__typename"] == "DeletePipelineRunSuccess"
        assert not made.has_run


@requires_browser
@pytest.mark.slow  # the control of the test above
@pytest.mark.parametrize("name", ATTACKS)
def test_dagsters_own_server_obeys_such_a_page(tmp_path: Path, name: str) -> None:
    with (
        installation(tmp_path, DAGSTERS) as made,
        other_site(tmp_path) as site,
        page() as tab,
    ):
        tab.goto(site)
        assert tab.evaluate(ATTACKS[name], [made.ui.url, BODY, IN_ADDRESS]) == "sent"
        assert not made.has_run
