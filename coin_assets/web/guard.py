"""Refuses what pages of other sites send to the web UI, which asks nobody for a password.

Any page that an operator visits can send requests to 127.0.0.1 and open websockets there; with DNS
rebinding it does so under a host name of its own. Dagster executes mutations of each of them, also
of ``GET`` and of bodies that forms can send.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# Before it sends these for a page of another origin, a browser asks the server (preflight).
_CONTENT_TYPES = ("application/json", "application/graphql")
_MISDIRECTED, _FORBIDDEN = 421, 403


class Guard:
    """ASGI application: ``app`` for its own pages, and for programs that are no browsers.

    Hosts of loopback may have any port, as behind an SSH tunnel: no name server changes them.

    Args:
        listens_on: address of the server.
        hosts: further hosts under which it is reached, with a port if only that one counts.
    """

    def __init__(self, app: ASGIApp, listens_on: str, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._named = frozenset(hosts)
        address = f"[{listens_on}]" if ":" in listens_on else listens_on
        self._served = self._named.union(_LOOPBACK, [address])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif refusal := self._refusal(HTTPConnection(scope)):
            status, sentence = refusal
            await PlainTextResponse(f"{sentence}\n", status)(scope, receive, send)
        else:
            await self._app(scope, receive, _unframed(send))

    def _refusal(self, request: HTTPConnection) -> tuple[int, str] | None:
        """Status and sentence of a request that is refused."""
        host = request.headers.get("host", "").lower()
        if not _is_among(self._served, host):
            return _MISDIRECTED, (
                f"The web UI is not served as {host!r}: open it as localhost, or add this host to "
                "COIN_UI_HOSTS and start make up again."
            )
        method = request.scope.get("method", "websocket")
        if method in ("GET", "HEAD"):
            is_page = "text/html" in request.headers.get("accept", "")
            if request.scope["path"].endswith("/graphql") and not is_page:
                return _FORBIDDEN, "GraphQL by GET is refused: send it by POST, as JSON."
            return None
        origin = request.headers.get("origin")
        if not self._is_own(origin, host) or request.headers.get("sec-fetch-site") == "cross-site":
            return _FORBIDDEN, (
                f"A page of {origin or 'another site'} may not act here: use the web UI's own "
                "pages, and name the host of a proxy in front of it in COIN_UI_HOSTS."
            )
        # Exactly: Dagster also reads "text/plain; application/json" as JSON.
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if method != "websocket" and kind not in _CONTENT_TYPES:
            return _FORBIDDEN, (
                f"The content type {kind!r} is refused, because forms of other sites can send it: "
                "send JSON, with Content-Type: application/json."
            )
        return None

    def _is_own(self, origin: str | None, host: str) -> bool:
        """Whether a page of ``origin`` is the web UI's own; programs send no origin."""
        if origin is None:
            return True
        try:
            page = urlsplit(origin).netloc.lower()
        except ValueError:
            return False
        return page == host or _is_among(self._named, page)


def _is_among(hosts: frozenset[str], host: str) -> bool:
    return host in hosts or re.sub(r":\d+$", "", host) in hosts


def _unframed(send: Send) -> Send:
    """``send`` with a header that keeps other sites from framing a page, and borrowing clicks."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["X-Frame-Options"] = "SAMEORIGIN"
        await send(message)

    return sent
