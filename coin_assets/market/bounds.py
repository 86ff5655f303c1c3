"""Limits of the HTTP answers of markets and archives: bytes, time and redirects.

`coin_assets.bounded_http` counts bytes and time; a `BoundedSession` of ``requests`` stays on the
host that was asked as well.
"""

from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from coin_assets.bounded_http import CHUNK_BYTES, Allowance, Bounds, bound, current, within
from coin_assets.errors import MarketUnavailable

_MOST_REDIRECTS = 3

# The longest answers are lists of markets (Binance: 15 MB); 50,000 candles take 5 MB.
OF_EXCHANGE = Bounds(32 << 20, 60.0)
# A month of 1s candles takes 100 MB; an interrupted download goes on where it stopped.
OF_FILE = Bounds(256 << 20, 300.0)
OF_SMALL_FILE = Bounds(64 << 10, 60.0)


class BoundedSession(requests.Session):
    """Session whose answers stay within `Bounds` and on the host that was asked.

    A streamed answer is limited as sent; `whole` limits what it expands to.

    Args:
        bounds: of an answer, unless its request has others.
        remedy: last sentence of the errors.
    """

    def __init__(self, bounds: Bounds, remedy: str) -> None:
        super().__init__()
        self._bounds, self._remedy = bounds, remedy
        self.max_redirects = _MOST_REDIRECTS
        for scheme in ("https://", "http://"):
            self.mount(scheme, _BoundedAdapter())

    def request(  # type: ignore[override]
        self, method: str, url: str, *args: Any, bounds: Bounds | None = None, **kwargs: Any
    ) -> requests.Response:
        """Send a request; other arguments as in ``requests``.

        Raises:
            MarketUnavailable: the answer is too long, not complete in time, or redirects to
                another host or too often.
        """
        try:
            with within(_allowance(url, bounds or self._bounds, self._remedy)):
                return super().request(method, url, *args, **kwargs)
        except requests.TooManyRedirects:
            raise MarketUnavailable(
                f"{_host(url)} redirects more than {_MOST_REDIRECTS} times. {self._remedy}"
            ) from None

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Address of a redirect; from http to https is the only change of origin allowed.

        Raises:
            MarketUnavailable: it leads to another host, port or scheme.
        """
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        try:
            url = urljoin(resp.url, target)
            is_elsewhere, shown = self.should_strip_auth(resp.url, url), _origin(url)
        except ValueError:
            is_elsewhere, shown = True, "an address that cannot be read"
        if is_elsewhere:
            raise MarketUnavailable(
                f"{_origin(resp.url)} redirects to {shown}, which was not configured and is not "
                f"asked. {self._remedy}"
            )
        return target


def whole(response: requests.Response, bounds: Bounds, remedy: str) -> bytes:
    """Expanded body of a streamed answer of a `BoundedSession`.

    Raises:
        MarketUnavailable: it is too long, or not complete in time.
    """
    try:
        return _allowance(response.url, bounds, remedy).whole(response.iter_content(CHUNK_BYTES))
    except MarketUnavailable:
        response.close()
        raise


class _BoundedAdapter(HTTPAdapter):
    """Transport of a `BoundedSession`: reads answers from `_Stream`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        bound(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        is_new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if is_new:
            bound(manager)
        return manager

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, stream: bool, timeout: Any, **kwargs: Any
    ) -> requests.Response:
        allowance = current()
        left = allowance.seconds_left()
        waits = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        timeout = tuple(left if wait is None else min(wait, left) for wait in waits)
        response = super().send(request, stream=stream, timeout=timeout, **kwargs)
        if not stream or response.is_redirect:  # `Session` would read it without a limit
            try:
                response._content = whole(response, allowance.bounds, allowance.remedy)
            except requests.RequestException as error:
                error.request = request  # for messages
                raise
        return response


def _allowance(url: str, bounds: Bounds, remedy: str) -> Allowance:
    return Allowance(_host(url), bounds, remedy, MarketUnavailable, MarketUnavailable)


def _origin(url: str) -> str:
    return f"{urlsplit(url).scheme}://{_host(url)}"


def _host(url: str) -> str:
    """Host, and port if it is written; a user is left out."""
    return urlsplit(url).netloc.rpartition("@")[2]
