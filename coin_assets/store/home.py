"""Checks of the home folder: writable, case-sensitive where needed, bound to one market.

The home also records the symbol of each name in it. Names keep ASCII letters and digits only, so
``币安人生/USDT`` and ``测试测试/USDT`` share one, and their candles would mix in a home that
collects first one and then the other.
"""

import json
import uuid
from collections.abc import Iterable
from pathlib import Path

from coin_assets.domain.series import safe_name
from coin_assets.errors import ConfigurationError
from coin_assets.files.atomic import write_atomically
from coin_assets.files.faults import machine_fault
from coin_assets.files.locks import locked

_MARKET = "market.json"
_NAMES = "names"
_UNFIT = ("EACCES", "EPERM", "EROFS")  # another folder helps


def open_home(home: Path, market: str, symbols: Iterable[str] = (), *, needs_case: bool) -> None:
    """Create ``home`` if necessary, and record its market and symbols.

    Args:
        market: for example ``sandbox`` or ``archive:/data/candles``.
        symbols: unified symbols whose files will be written.
        needs_case: whether names that differ only in case (``1m`` and ``1M``) will be written.

    Raises:
        ConfigurationError: the folder cannot be written, folds case, holds another market, or holds
            another symbol under the name of one of ``symbols``.
        MachineFault: the machine failed, not the choice of the folder: a full disk for example.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        _probe(home, needs_case)
        with locked(home):
            _claim(home / _MARKET, market)
            for symbol in symbols:
                _claim_name(home, symbol)
    except OSError as error:
        fault = machine_fault(error, home)
        if fault is not None and fault.errno_name not in _UNFIT:
            raise fault from error
        raise ConfigurationError(
            f"COIN_HOME: {str(home)!r} cannot be written ({error.strerror or error}); choose a "
            "folder that this user may write."
        ) from error


def require_market(home: Path, market: str) -> None:
    """Check that ``home`` is of ``market``, or was never used; writes nothing.

    Raises:
        ConfigurationError: it holds another market.
    """
    file = home / _MARKET
    if file.exists():
        _require_recorded(file, market)


def _probe(home: Path, needs_case: bool) -> None:
    probe = home / f".probe-{uuid.uuid4().hex}-a"
    probe.touch()
    folded = probe.with_name(probe.name.upper()).exists()
    probe.unlink()
    if folded and needs_case:
        raise ConfigurationError(
            f"COIN_HOME: {str(home)!r} lies on a disk that ignores case, so 1m and 1M would be "
            "one; choose another disk, or configure only one of the two timeframes."
        )


def _claim(file: Path, market: str) -> None:
    if not file.exists():
        write_atomically(file, (json.dumps({"market": market}) + "\n").encode())
        return
    _require_recorded(file, market)


def _require_recorded(file: Path, market: str) -> None:
    try:
        recorded = json.loads(file.read_bytes())["market"]
        recorded.encode()
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"COIN_HOME: {file} does not name its market ({error}); restore it, or choose another "
            "COIN_HOME."
        ) from error
    if recorded != market:
        raise ConfigurationError(
            f"COIN_MARKET: {market!r} is not the market of {str(file.parent)!r}, which was started "
            f"with {recorded!r}; set COIN_MARKET={recorded}, or choose another COIN_HOME."
        )


def _claim_name(home: Path, symbol: str) -> None:
    """Record ``symbol`` as the owner of its name; a name without data is free.

    A disk that ignores case finds the record of ``kPEPE/USDC`` for ``KPEPE/USDC`` as well, so
    symbols that differ only in case are refused exactly where they would mix.
    """
    folder = f"symbol={safe_name(symbol)}"
    file = home / _NAMES / folder
    recorded = file.read_bytes().decode(errors="replace").strip() if file.exists() else ""
    if recorded == symbol:
        return
    if recorded and any(path.parent.name != _NAMES for path in home.glob(f"*/{folder}")):
        raise ConfigurationError(
            f"COIN_SYMBOLS: {symbol!r} would share the folders {folder} of {str(home)!r} with "
            f"{recorded!r}, whose data they hold; choose another COIN_HOME for {symbol!r}, or "
            f"retire {recorded!r} first (docs/operations/symbols.md)."
        )
    write_atomically(file, f"{symbol}\n".encode())
