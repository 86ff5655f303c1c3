"""The folder of an installation: writable, fit for its names, and bound to one market."""

import json
import uuid
from pathlib import Path

from coin_assets.errors import ConfigurationError
from coin_assets.store.atomic import locked, write_atomically

_FILE = "market.json"


def open_home(home: Path, market: str, *, needs_case: bool) -> None:
    """Create ``home`` if need be and record its market, so that two never mix.

    Args:
        market: for example ``sandbox`` or ``archive:/data/candles``.
        needs_case: whether names that differ only in case (``1m`` and ``1M``) will be written.

    Raises:
        ConfigurationError: the folder cannot be written, folds case, or holds another market.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        _probe(home, needs_case)
        with locked(home):
            _claim(home / _FILE, market)
    except OSError as error:
        raise ConfigurationError(
            f"COIN_HOME: {str(home)!r} cannot be written ({error.strerror or error}); choose a "
            "folder that this user may write."
        ) from error


def _probe(home: Path, needs_case: bool) -> None:
    probe = home / f".probe-{uuid.uuid4().hex}-a"
    probe.touch()
    folded = probe.with_name(probe.name.upper()).exists()
    probe.unlink()
    if folded and needs_case:
        raise ConfigurationError(
            f"COIN_HOME: {str(home)!r} lies on a disk that does not tell 1m from 1M; choose "
            "another disk, or configure only one of the two timeframes."
        )


def _claim(file: Path, market: str) -> None:
    if not file.exists():
        write_atomically(file, (json.dumps({"market": market}) + "\n").encode())
        return
    try:
        recorded = json.loads(file.read_bytes())["market"]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"COIN_HOME: {file} does not tell its market ({error}); restore it, or choose another "
            "COIN_HOME."
        ) from error
    if recorded != market:
        raise ConfigurationError(
            f"COIN_MARKET: {market!r} is not the market of {str(file.parent)!r}, which holds "
            f"candles of {recorded!r}; set COIN_MARKET={recorded}, or choose another COIN_HOME."
        )
