"""Addresses with secrets: parsing, validation and masking."""

import logging
import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from coin_assets.config.notation import each, secret_text, split, text
from coin_assets.errors import ConfigurationError

WEBHOOK_KINDS = ("discord", "slack", "json")
APPRISE = "apprise"  # its address is one of the package apprise, such as mailtos://...
_HOST = re.compile(r"[a-z0-9._:-]+")
_NAME_AND_PORT = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_HOST_AND_PORT = re.compile(r"[A-Za-z0-9.-]+:\d{1,5}/?")  # contains no secret


@dataclass(frozen=True, repr=False)
class Webhook:
    """Destination of alerts: message format and address. The address is a secret."""

    kind: str
    url: str

    def __repr__(self) -> str:
        return f"Webhook({self.kind}+{self._shown})"

    @property
    def name(self) -> str:
        """Kind and host, without secrets."""
        return f"{self.kind} {self._shown}"

    @property
    def _shown(self) -> str:
        if self.kind == APPRISE:  # what stands for the host is a token in many addresses
            return f"{self.url.partition('://')[0]}://..."
        return masked(self.url)


def webhooks(value: object) -> tuple[Webhook, ...]:
    """Parse webhooks: ``discord+https://...,apprise+mailtos://...``.

    Raises:
        ConfigurationError: a webhook has another form, or plain http to a remote host; or apprise
            is needed and missing, or does not know the address.
    """
    parts = value if isinstance(value, list | tuple) else split(secret_text(value))
    return tuple(each(_webhook, parts))


def hosts(value: object) -> tuple[str, ...]:
    """Parse hosts as browsers name them: ``coins.example.org,[fd00::1]:3000``.

    Raises:
        ConfigurationError: one is an address with scheme or path, or no host.
    """
    parts = value if isinstance(value, list | tuple) else split(text(value))
    return tuple(each(_host, parts))


def optional_url(value: object) -> str:
    """Parse an http or https address, or empty text.

    Raises:
        ConfigurationError: the address is not valid.
    """
    url = secret_text(value)
    if url:
        _http_parts(url)
    return url


def public_url(value: object) -> str:
    """Parse an http or https address that others may see, or empty text.

    Raises:
        ConfigurationError: the address is not valid, or may hold a secret.
    """
    url = optional_url(value)
    if "@" in url or "?" in url or "#" in url:
        raise ConfigurationError(
            f"{masked(url)} has a user, a query or a fragment, and it is published; write "
            "https://host/path alone."
        )
    return url


def masked(url: str) -> str:
    """Scheme and host of an address; paths and users can be secrets and are left out."""
    if _HOST_AND_PORT.fullmatch(url):
        return repr(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme and _HOST.fullmatch(parts.hostname or ""):
        return f"{parts.scheme}://{parts.hostname}/..."
    return "the value (hidden)"


def _webhook(value: object) -> Webhook:
    if isinstance(value, Webhook):
        return value
    given = secret_text(value)
    kind, plus, url = given.partition("+")
    if plus and kind == APPRISE:
        return _apprise_address(url)
    if not plus or kind not in WEBHOOK_KINDS:
        raise ConfigurationError(
            f"{masked(given)} does not begin with a kind of webhook; write "
            f"{', '.join(f'{known}+https://...' for known in WEBHOOK_KINDS)} or "
            f"{APPRISE}+<address of apprise>."
        )
    parts = _http_parts(url)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ConfigurationError(
            f"{masked(given)} would send alerts in the clear; write {kind}+https://... "
            "(http is for loopback hosts only)."
        )
    return Webhook(kind, url)


def _host(value: object) -> str:
    host = text(value).lower()
    if not _NAME_AND_PORT.fullmatch(host):
        raise ConfigurationError(
            f"{host!r} is not a host; write it without scheme and path, as in coins.example.org or "
            "coins.example.org:8443."
        )
    return host


def _apprise_address(url: str) -> Webhook:
    try:
        import apprise  # optional, and takes a second
    except ImportError:
        raise ConfigurationError(
            f"{APPRISE}+... needs the package apprise, which is missing; install it: "
            "pip install 'coin_assets[alerts]'."
        ) from None
    logger = logging.getLogger("apprise")
    was_disabled, logger.disabled = logger.disabled, True  # it logs addresses
    try:
        service = apprise.Apprise.instantiate(url)
    finally:
        logger.disabled = was_disabled
    if service is None:
        raise ConfigurationError(
            f"the address (hidden) after {APPRISE}+ is none that apprise can use; write one as in "
            "https://github.com/caronc/apprise, with %2C for a comma."
        )
    return Webhook(APPRISE, url)


def _http_parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.port != 0  # the property validates the port
    except ValueError:
        usable = False
    if (
        not usable
        or parts.scheme not in ("http", "https")
        or not _HOST.fullmatch(parts.hostname or "")
        or re.search(r"[\s\x00-\x1f]", url)
    ):
        # `from None`: messages of the standard library can quote the address.
        raise ConfigurationError(
            f"{masked(url)} is not a valid http or https address; write https://host/path."
        ) from None
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
