"""Validation of settings beyond notation: parsers with I/O, and rules between fields.

Parsers raise `ConfigurationError`; rules yield the problems of a parsed value.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationInfo

from coin_assets.config import addresses, notation
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.methods import DEFAULT_METHOD, EXOGENOUS, METHODS, NAIVE
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import ConfigurationError

INFLUXDB_TOKEN = "INFLUXDB_V2_TOKEN"  # noqa: S105 (a name)
_ADDED_TAGS = "INFLUXDB_V2_TAG_"  # of the client library: tags it adds to all points
_MOST_PATHS = 1000
Given = Mapping[str, Any]  # the fields before this one, those with a problem left out
DEFAULT_FRESHNESS = (
    "1m:3/6,5m:12/24,15m:30/60,1h:65/130,4h:250/500,1d:1500/3000,1w:11520/23040,1M:50400/100800"
)


# Parsers that read folders and the list of exchanges.


def folder(value: Any) -> Path:
    """Absolute folder that exists or could be created."""
    given = str(value) if isinstance(value, Path) else notation.text(value)
    if not given:
        raise ConfigurationError("'' names no folder; write one, or leave the variable unset.")
    absolute = Path(given).absolute()
    for path in (absolute, *absolute.parents):
        if path.is_file():
            raise ConfigurationError(
                f"{given!r} cannot be a folder because {path} is a file; choose another one."
            )
    return absolute


def home(value: Any) -> Path:
    """`folder` that Dagster can use for its SQLite files, which it addresses by URLs."""
    absolute = folder(value)
    shown = str(absolute)
    if not shown.isascii() and any("\ud800" <= letter <= "\udfff" for letter in shown):
        raise ConfigurationError(f"{shown!r} is not UTF-8; choose another folder.")
    if odd := re.search(r"\?|\n|%[0-9A-Fa-f]{2}", shown):
        raise ConfigurationError(
            f"{shown!r} holds {odd[0]!r}, which Dagster would misread; choose another folder."
        )
    return absolute


def existing_folder(given: str) -> Path:
    """Absolute path of an existing folder.

    Raises:
        ConfigurationError: there is no such folder.
    """
    resolved = Path(given).resolve()
    if not resolved.is_dir():
        raise ConfigurationError(
            f"{given!r} is not an existing folder (looked for {resolved}); correct the path."
        )
    return resolved


def inside_home(value: Any, info: ValidationInfo) -> Any:
    """Value with ``$COIN_HOME`` replaced."""
    home = info.data.get("home")
    return value.replace("$COIN_HOME", str(home)) if home and isinstance(value, str) else value


def market(value: Any) -> str:
    """Market whose folder or exchange exists."""
    name = notation.market(value)
    kind, _, argument = name.partition(":")
    if kind == "archive":
        existing_folder(argument)
    if kind == "ccxt":
        import ccxt  # takes half a second, and only this market needs it

        if argument not in ccxt.exchanges:
            near = did_you_mean(argument, ccxt.exchanges) or ""
            raise ConfigurationError(
                f"{name!r} names no exchange of ccxt {ccxt.__version__}; {near}"
                f"{' ' if near else ''}all are listed in docs/operations/exchanges.md."
            )
    return name


def archive(value: Any) -> SecretStr:
    """Absolute folder, base address, or empty text; an address may carry secrets."""
    given = secret(value).get_secret_value()
    if not given or "://" in given:
        return SecretStr(addresses.optional_url(given))
    if "@" in given and not Path(given).is_dir():
        raise ConfigurationError(
            "the value (hidden) is neither an existing folder nor an address; write /folder or "
            "https://host/path."
        )
    return SecretStr(str(existing_folder(given)))


def textfile(value: Any) -> Path | None:
    """Absolute path of a file, whose folder may be missing; None for empty text."""
    given = str(value) if isinstance(value, Path) else notation.text(value)
    if not given:
        return None
    if not given.endswith(".prom") or Path(given).is_dir():
        raise ConfigurationError(
            f"{given!r} is no file that the node exporter reads; write a name that ends with "
            ".prom, as in /srv/textfiles/coin_assets.prom."
        )
    return Path(given).absolute()


def freshness(value: Any) -> dict[Timeframe, FreshnessLimits]:
    """Default limits, replaced by the given ones."""
    return notation.freshness(DEFAULT_FRESHNESS) | notation.freshness(value)


def methods(value: Any) -> tuple[str, ...]:
    """Forecasting methods in the order of `METHODS`."""
    given = value if isinstance(value, list | tuple) else notation.split(notation.text(value))
    names = notation.each(notation.one_of(*METHODS, several=True), given)
    return tuple(sorted(names, key=list(METHODS).index))


def exogenous(value: Any) -> tuple[str, ...]:
    """Exogenous series in the order of `EXOGENOUS`."""
    given = value if isinstance(value, list | tuple) else notation.split(notation.text(value))
    names = notation.each(notation.one_of(*EXOGENOUS, several=True), given)
    return tuple(sorted(names, key=EXOGENOUS.index))


def secret(value: Any) -> SecretStr:
    """Secret text."""
    return value if isinstance(value, SecretStr) else SecretStr(notation.secret_text(value))


def secret_url(value: Any) -> SecretStr:
    """Secret address, or empty text."""
    return SecretStr(addresses.optional_url(secret(value).get_secret_value()))


# Rules: each yields the problems of a parsed value.


def trainable(names: tuple[str, ...], given: Given) -> Iterator[str]:
    """Problems of methods that are given twice, lack the usual one, or lack what they read."""
    if len(names) > len(set(names)):
        yield f"{','.join(names)!r} names a method twice; write each once."
    if DEFAULT_METHOD not in names:
        yield (
            f"{DEFAULT_METHOD} is missing; it makes the first forecasts. Write "
            f"{DEFAULT_METHOD},{NAIVE}."
        )
    for name in names:
        if METHODS[name].reads_exogenous and not given.get("exogenous", EXOGENOUS):
            yield (
                f"{name} reads exogenous series, and none is collected; set COIN_EXOGENOUS, as in "
                f"{EXOGENOUS[0]}, or leave {name} out."
            )


def collectable(names: tuple[str, ...], given: Given) -> Iterator[str]:
    """Problems of exogenous series that are given twice, or that the market cannot give."""
    if len(names) > len(set(names)):
        yield f"{','.join(names)!r} names a series twice; write each once."
        return
    kind, _, exchange = given.get("market", "").partition(":")
    if not names or not kind:
        return
    if kind != "ccxt":
        yield (
            f"{','.join(names)!r} is of no use to COIN_MARKET={given['market']}; leave it empty, "
            "or use ccxt:<id>."
        )
        return
    from coin_assets.market.exogenous import why_none  # imports pandas

    for reason in filter(None, (why_none(name, exchange) for name in names)):
        yield f"{reason}; leave it out, or choose another exchange."


def paths(number: int, _: Given) -> Iterator[str]:
    """Problem of a number of sample paths that makes files of gigabytes."""
    if number > _MOST_PATHS:
        yield f"{number} are more than {_MOST_PATHS}; write fewer, as in 100, or 0 for none."


def only_for_ccxt(archive: SecretStr, given: Given) -> Iterator[str]:
    """Problem of an archive with another market than ``ccxt:``."""
    market, value = given.get("market"), archive.get_secret_value()
    if value and market and not market.startswith("ccxt:"):
        shown = addresses.masked(value) if "://" in value else value
        yield f"{shown!r} is of no use to COIN_MARKET={market}; leave it empty, or use ccxt:<id>."


def servable(market: str, given: Given) -> Iterator[str]:
    """Problems of an exchange that cannot deliver the candles of a symbol."""
    kind, _, exchange = market.partition(":")
    if kind == "ccxt":
        from coin_assets.market.ccxt_support import why_not  # imports pandas

        reasons = {why_not(exchange, symbol) for symbol in given.get("symbols", ())}
        for reason in sorted(filter(None, reasons)):
            yield f"{market!r} cannot be collected: {reason}. Choose another exchange or symbol."


def any_source(sources: tuple[Timeframe, ...], _: Given) -> Iterator[str]:
    """Problem of an empty list of source timeframes."""
    if not sources:
        yield "'' names no timeframe; write at least one, as in 1h."


def made_of_sources(derived: tuple[Timeframe, ...], given: Given) -> Iterator[str]:
    """Problems of timeframes that cannot be derived from the sources."""
    if sources := given.get("source_timeframes"):
        yield from notation.not_derivable(derived, sources)


def begun(start: datetime, _: Given) -> Iterator[str]:
    """Problem of a start in the future."""
    if start > datetime.now(UTC):
        yield f"'{start:%Y-%m-%d}' is in the future; write a month that has begun."


def bounded_minutes(retention: dict[Timeframe, timedelta], given: Given) -> Iterator[str]:
    """Problem of minutes without retention."""
    minute = Timeframe("1m")
    configured = given.get("source_timeframes", ()) + given.get("derived_timeframes", ())
    if minute in configured and minute not in retention:
        yield "'1m' would be kept without limit; add 1m:14d, or up to 1m:30d."


def limits_for_all(limits: dict[Timeframe, FreshnessLimits], given: Given) -> Iterator[str]:
    """Problems of timeframes without freshness limits."""
    for field in ("source_timeframes", "derived_timeframes"):
        yield from notation.without_limits(given.get(field, ()), limits)


def needed_by_influxdb(value: str | SecretStr, given: Given) -> Iterator[str]:
    """Problem of an empty value with the store ``influxdb``."""
    if not value and given.get("store") == "influxdb":
        yield "'' will not do with COIN_STORE=influxdb; set it, or use COIN_STORE=parquet."


def server_of_influxdb(url: str, given: Given) -> Iterator[str]:
    """Problems of the server's address."""
    yield from needed_by_influxdb(url, given)
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query:  # Dagster shows the address
        odd = "a user in front of its host" if "@" in parts.netloc else "a query"
        yield (
            f"{addresses.masked(url)} has {odd}, which would be shown; leave it out and set "
            "INFLUXDB_V2_TOKEN."
        )


def influxdb_environment(token: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Problems of the environment variables with `COIN_STORE=influxdb`."""
    if environment.get(INFLUXDB_TOKEN, "").strip() != token:
        yield (
            f"{INFLUXDB_TOKEN}: the value (hidden) is not the one of the environment, from which "
            "runs take it; set the environment variable."
        )
    for name in sorted(environment):
        if name.startswith(_ADDED_TAGS):
            yield (
                f"{name}: a tag on every point would make other series of all candles; unset the "
                "variable."
            )


def postgres_environment(environment: Mapping[str, str]) -> Iterator[str]:
    """Problems of the environment variables with `COIN_LOCKS=postgres`."""
    needed = [f"DAGSTER_POSTGRES_{end}" for end in ("HOST", "USER", "PASSWORD", "DB")]
    if missing := [name for name in needed if not environment.get(name)]:
        yield (
            f"COIN_LOCKS: 'postgres' needs {', '.join(missing)}, which is not set; set what "
            "deploy/dagster.yaml reads, or use COIN_LOCKS=files on one machine."
        )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Hint at the closest known word, or empty text."""
    close = get_close_matches(word, list(known), 1)
    return f"did you mean {close[0]}?" if close else ""
