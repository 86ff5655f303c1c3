"""Requests to the real web server: what pages of other sites can send, and what must work.

The headers are those that browsers send (Fetch standard: `Origin` with every POST and websocket;
Fetch metadata: `Sec-Fetch-Site`); `test_browser` has the same from a real one.
"""

import json
import socket
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from coin_assets.web.__main__ import command
from coin_assets_tests.orchestration.records.generated import RUNS
from coin_assets_tests.web.installation import BODY, IN_ADDRESS, PUBLIC, Installation, installation

JSON = "application/json"
ELSEWHERE = "https://evil.example"
SUBSCRIPTION = f'subscription {{ pipelineRunLogs(runId: "{RUNS[0]}") {{ __typename }} }}'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("web")) as found:
        yield found


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"Origin": ELSEWHERE, "Content_Type": JSON}, ELSEWHERE),
        ({"Origin": "null", "Content_Type": JSON}, "null"),
        ({"Origin": "http://[", "Content_Type": JSON}, "own pages"),
        ({"Origin": "http://localhost:1", "Content_Type": JSON}, "localhost:1"),
        ({"Origin": f"https://{PUBLIC}.evil.example", "Content_Type": JSON}, "evil"),
        ({"Sec_Fetch_Site": "cross-site", "Content_Type": JSON}, "another site"),
        ({"Content_Type": "text/plain"}, "text/plain"),
        # Dagster searches for "application/json" anywhere in the header.
        ({"Content_Type": "text/plain; charset=application/json"}, "text/plain"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, "Content-Type: application/json"),
        ({"Content_Type": "multipart/form-data; boundary=x"}, "multipart"),
        ({}, "Content-Type"),
    ],
)
def test_what_a_page_of_another_site_can_send_is_refused(
    made: Installation, headers: dict[str, str], word: str
) -> None:
    for path in ("/graphql", IN_ADDRESS, "/report_asset_materialization/a"):
        status, _, text = made.send("POST", path, BODY, **headers)
        assert (status, text.count("\n")) == (403, 1)
        assert word in text
    assert made.has_run


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", ""])
def test_another_host_is_refused(made: Installation, method: str, host: str) -> None:
    status, _, text = made.send(
        method, "/graphql", BODY, Host=f"{host}:{made.port}", Content_Type=JSON
    )
    assert status == 421
    assert method == "HEAD" or (host in text and "COIN_UI_HOSTS" in text)
    assert made.has_run


def test_a_mutation_in_the_address_of_a_picture_is_refused(made: Installation) -> None:
    status, _, text = made.send("GET", IN_ADDRESS, Accept="image/*")
    assert (status, "POST" in text) == (403, True)
    # The page of Dagster's query editor is no answer to a query.
    status, headers, _ = made.send("GET", IN_ADDRESS, Accept="text/html")
    assert (status, headers.get_content_type()) == (200, "text/html")
    assert made.has_run


def test_own_pages_tunnels_proxies_and_programs_are_served(made: Installation) -> None:
    query = json.dumps({"query": "{ version }"})
    for host, origin in (
        (made.host, None),
        (made.host, f"http://{made.host}"),
        (f"localhost:{made.port}", f"http://localhost:{made.port}"),
        ("LOCALHOST:8080", "http://localhost:8080"),
        ("[::1]:3000", "http://[::1]:3000"),
        (PUBLIC, f"https://{PUBLIC}"),
        (f"{PUBLIC}:8443", f"https://{PUBLIC}:8443"),
        (made.host, f"https://{PUBLIC}"),  # a proxy that names its target as the host
    ):
        given = {"Host": host, "Content_Type": f"{JSON}; charset=utf-8"}
        given |= {} if origin is None else {"Origin": origin, "Sec_Fetch_Site": "same-origin"}
        status, _, text = made.send("POST", "/graphql", query, **given)
        assert (status, "version" in json.loads(text)["data"]) == (200, True)
        status, headers, text = made.send("GET", "/", Host=host, Accept="text/html")
        assert (status, "<html" in text) == (200, True)
        assert headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize("origin", [None, "http://{host}", f"https://{PUBLIC}"])
def test_own_websockets_get_events(made: Installation, origin: str | None) -> None:
    given = None if origin is None else Origin(origin.format(host=made.host))
    with connect(
        f"ws://{made.host}/graphql",
        origin=given,
        subprotocols=[Subprotocol("graphql-ws")],
        proxy=None,
    ) as opened:
        opened.send(json.dumps({"type": "connection_init"}))
        assert json.loads(opened.recv(10))["type"] == "connection_ack"
        opened.send(json.dumps({"type": "start", "id": "1", "payload": {"query": SUBSCRIPTION}}))
        answer = json.loads(opened.recv(10))
        assert answer["payload"]["data"]["pipelineRunLogs"]["__typename"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": ELSEWHERE}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 421),
    ],
)
def test_websockets_of_other_sites_are_refused(
    made: Installation, headers: dict[str, str], status: int
) -> None:
    others = dict(headers)
    host = others.pop("Host", "127.0.0.1")
    # A browser keeps the name when its name server has moved it to loopback.
    with (
        socket.create_connection(("127.0.0.1", made.port)) as connection,
        pytest.raises(InvalidStatus) as refused,
        connect(
            f"ws://{host}:{made.port}/graphql",
            sock=connection,
            additional_headers=others,
            proxy=None,
        ),
    ):
        pass
    assert refused.value.response.status_code == status
    assert b"COIN_UI_HOSTS" in (refused.value.response.body or b"")


def test_hosts_that_are_no_hosts_stop_the_start(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--empty-workspace", "--ui-hosts=https://coins.example.org/"])
    assert ended.value.code == 2
    assert "--ui-hosts: 'https://coins.example.org/' is not a host" in capfd.readouterr().err


def test_the_same_deletion_works_for_a_program(made: Installation) -> None:
    """The control of all tests above; the last one."""
    status, _, text = made.send("POST", "/graphql", BODY, Content_Type=JSON)
    assert (status, "DeletePipelineRunSuccess" in text) == (200, True)
    assert not made.has_run
