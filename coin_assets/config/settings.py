"""Settings, read and validated once at load. Only this module reads the environment.

A value comes from code (keyword arguments by field name), else from the environment variable, else
from the same name as a key of ``coin_assets.toml`` in the current directory, else from the default.
Loading creates no file and opens no connection.
"""

import os
import tomllib
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AliasGenerator, BeforeValidator, PrivateAttr, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from coin_assets.config import addresses, notation, numbers, rules, sharding, symbol_files
from coin_assets.config.fields import parsed_by as _by
from coin_assets.config.fields import setting as _setting
from coin_assets.config.settings_file import SETTINGS_FILE, SettingsFile
from coin_assets.domain.limits import DiskLimits, FreshnessLimits
from coin_assets.domain.series import Series
from coin_assets.domain.shards import Shard
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import ConfigurationError

STORES = ("parquet", "influxdb")
LOCKS = ("files", "postgres")
_VARIABLES_OF_OTHERS = {"COIN_DAGSTER_HOME"}  # dagster.yaml reads it


def variable_of(field: str) -> str:
    """Environment variable of a field: ``home`` is ``COIN_HOME``."""
    return field.upper() if field.startswith("influxdb_v2_") else f"COIN_{field.upper()}"


class Settings(BaseSettings):
    """Every setting of an installation, valid as a whole. Immutable.

    Args:
        values: by field name, as typed values or in the notation of the variables.

    Raises:
        ConfigurationError: one line for each problem, naming variable, value and remedy.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        case_sensitive=True,
        enable_decoding=False,  # lists are written with commas, not as JSON
        toml_file=SETTINGS_FILE,
        alias_generator=AliasGenerator(validation_alias=variable_of),
    )

    # The order matters: a rule reads the fields before its own.
    home: Annotated[Path, _by(rules.home)] = _setting(
        "./var", "everything this installation writes (`make demo`: `./var/demo`)"
    )
    symbols: Annotated[tuple[str, ...], _by(symbol_files.symbols)] = _setting(
        "BTC/USDT,ETH/USDT,XRP/USDT,SOL/USDT,DOGE/USDT",
        "what to follow, in ccxt notation; or `@symbols.txt`, a file with one symbol a line",
    )
    shards: Annotated[int, _by(numbers.whole_number(1), sharding.populated)] = _setting(
        "1", "code locations that share the symbols (`docs/operations/scale.md`)"
    )
    shard: Annotated[int | None, _by(sharding.number, sharding.one_of_shards)] = _setting(
        "", "which of them a code server in a container loads, from 0; `make up` starts all"
    )
    market: Annotated[str, _by(rules.market, rules.servable)] = _setting(
        "sandbox", "source of candles: `sandbox`, `ccxt:<exchange id>`, `archive:<folder>`"
    )
    archive: Annotated[SecretStr, _by(rules.archive, rules.only_for_ccxt)] = _setting(
        "", "bulk history for a `ccxt:` market: folder or base URL in Binance Vision layout"
    )
    store: Annotated[str, _by(notation.one_of(*STORES))] = _setting(
        "parquet", "`parquet` or `influxdb`"
    )
    locks: Annotated[str, _by(notation.one_of(*LOCKS))] = _setting(
        "files",
        "locks of writers: `files` on one machine, `postgres` for several; these are in the "
        "database of Dagster's records (`DAGSTER_POSTGRES_*`)",
    )
    source_timeframes: Annotated[
        tuple[Timeframe, ...], _by(notation.timeframes, rules.any_source)
    ] = _setting("1h", "fetched from the market")
    derived_timeframes: Annotated[
        tuple[Timeframe, ...], _by(notation.timeframes, rules.made_of_sources)
    ] = _setting("4h,1d,1w,1M", "made from the coarsest source timeframe that divides them")
    history_start: Annotated[datetime, _by(notation.first_of_month, rules.begun)] = _setting(
        "2017-08-01", "first partition; must be the 1st of a month"
    )
    settle_seconds: Annotated[int, _by(numbers.whole_number(0))] = _setting(
        "2", "wait after a boundary until a candle counts as closed"
    )
    reread_candles: Annotated[int, _by(numbers.whole_number(0))] = _setting(
        "3", "closed candles read again at each fetch"
    )
    retention: Annotated[
        dict[Timeframe, timedelta], _by(notation.retention, rules.bounded_minutes)
    ] = _setting(
        "1m:14d",
        "how long a timeframe is kept and expected (units `m h d w`; `1m` at most 30d); "
        "replaces the default; a timeframe left out is kept whole",
    )
    records_retention: Annotated[timedelta, _by(notation.records_retention)] = _setting(
        "30d",
        "how long Dagster's records of finished runs are kept (units `m h d w`; at least `1d`)",
    )
    history_window: Annotated[dict[Timeframe, timedelta], _by(notation.durations)] = _setting(
        "1m:1d,5m:3d,15m:7d,1h:90d,4h:365d",
        "lookback of history files; replaces the default; a timeframe left out is shown whole",
    )
    freshness: Annotated[
        dict[Timeframe, FreshnessLimits], _by(rules.freshness, rules.limits_for_all)
    ] = _setting(
        rules.DEFAULT_FRESHNESS,
        "soft/hard limits in minutes of data age; replaces only the limits of the timeframes "
        "it names",
    )
    exogenous: Annotated[tuple[str, ...], _by(rules.exogenous, rules.collectable)] = _setting(
        "",
        "series beside the prices: `implied_volatility`, `funding_rate`, `open_interest` "
        "(`docs/operations/exogenous.md`)",
    )
    methods: Annotated[tuple[str, ...], _by(rules.methods, rules.trainable)] = _setting(
        "har",
        "forecasting methods: `har`, and `naive` or `har_exogenous` if they are to be trained and "
        "scored beside it as challengers",
    )
    publish_dir: Annotated[Path, _by(rules.folder), BeforeValidator(rules.inside_home)] = _setting(
        "$COIN_HOME/published", "a folder that any web server can serve"
    )
    site_port: Annotated[int, _by(numbers.port(8088))] = _setting(
        "8088", "port of the published folder and its page on localhost; 0 for none"
    )
    site_url: Annotated[str, _by(addresses.public_url)] = _setting(
        "", "where readers find the page; `published_*` link to it (`make up`: what it serves)"
    )
    dagster_url: Annotated[str, _by(addresses.public_url)] = _setting(
        "", "where operators find Dagster's UI; the manifest names it, and the page links to it"
    )
    paths: Annotated[int, _by(numbers.whole_number(0), rules.paths)] = _setting(
        "0", "sample paths of each archived forecast, at most 1000; 0 for none"
    )
    alert_webhooks: Annotated[tuple[addresses.Webhook, ...], _by(addresses.webhooks)] = _setting(
        "",
        "`discord+https://...`, `slack+https://...`, `json+https://...`, `apprise+<address>`, "
        "comma separated",
    )
    alert_cycle_seconds: Annotated[int, _by(numbers.whole_number(5))] = _setting(
        "60", "seconds between two health checks"
    )
    alert_repeat_cycles: Annotated[int, _by(numbers.whole_number(1))] = _setting(
        "3", "cycles after which an open alert is sent again"
    )
    alert_escalate_cycles: Annotated[int, _by(numbers.whole_number(1))] = _setting(
        "60", "cycles after which an open alert is escalated"
    )
    heartbeat_url: Annotated[SecretStr, _by(rules.secret_url)] = _setting(
        "", "URL that is called while the alerting is alive"
    )
    disk_limits: Annotated[DiskLimits, _by(notation.disk_limits)] = _setting(
        "70/85/90", "warn, critical, block (percent)"
    )
    metrics_port: Annotated[int, _by(numbers.port(9464))] = _setting(
        "0", "port of the metrics for Prometheus on localhost; 0 for none"
    )
    metrics_textfile: Annotated[Path | None, _by(rules.textfile)] = _setting(
        "", "file of the metrics for the node exporter, such as `/srv/textfiles/coin_assets.prom`"
    )
    ui_hosts: Annotated[tuple[str, ...], _by(addresses.hosts)] = _setting(
        "", "hosts under which a proxy serves the web UI, comma separated; localhost always works"
    )
    influxdb_v2_url: Annotated[str, _by(addresses.optional_url, rules.server_of_influxdb)] = (
        _setting(None, "server; required with `COIN_STORE=influxdb`")
    )
    influxdb_v2_token: Annotated[SecretStr, _by(rules.secret, rules.needed_by_influxdb)] = _setting(
        None, "API token, from the environment only; required with `COIN_STORE=influxdb`"
    )
    influxdb_v2_org: Annotated[str, _by(notation.text, rules.needed_by_influxdb)] = _setting(
        None, "organisation; required with `COIN_STORE=influxdb`"
    )
    influxdb_bucket: Annotated[str, _by(notation.text, rules.needed_by_influxdb)] = _setting(
        None, "bucket; required with `COIN_STORE=influxdb`"
    )
    _market_argument: str = PrivateAttr("")

    def __init__(self, **values: Any) -> None:
        known = {*map(variable_of, Settings.model_fields), *_VARIABLES_OF_OTHERS}
        strange = {name for name in os.environ if name.startswith("COIN_")} - known
        problems = [_no_such_setting(name) for name in sorted(strange)]
        try:
            super().__init__(**{variable_of(name): value for name, value in values.items()})
        except ValidationError as error:
            problems += [line for each in error.errors() for line in _problem_lines(each)]
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            problems.append(f"{SETTINGS_FILE}: cannot be read ({error}); correct the file.")
        except ConfigurationError as error:
            problems.append(str(error))
        if not problems and self.store == "influxdb":
            token = self.influxdb_v2_token.get_secret_value()
            problems += rules.influxdb_environment(token, os.environ)
        if not problems and self.locks == "postgres":
            problems += rules.postgres_environment(os.environ)
        # Raised outside of `except`, because the caught error contains all values, also secrets.
        if problems:
            raise ConfigurationError("\n".join(problems))
        self._market_argument = self.market.partition(":")[2]
        if self.market_kind == "archive":  # the current directory may change later
            self._market_argument = str(rules.existing_folder(self._market_argument))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        *_: Any,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Sources of values, by descending priority."""
        return init_settings, env_settings, SettingsFile(settings_cls)

    @property
    def market_kind(self) -> str:
        """``sandbox``, ``ccxt`` or ``archive``."""
        return self.market.partition(":")[0]

    @property
    def market_argument(self) -> str:
        """Exchange id, absolute archive folder, or empty text for the sandbox."""
        return self._market_argument

    @property
    def timeframes(self) -> tuple[Timeframe, ...]:
        """Source and derived timeframes, shortest first."""
        both = self.source_timeframes + self.derived_timeframes
        return tuple(sorted(both, key=attrgetter("seconds")))

    @property
    def series_list(self) -> tuple[Series, ...]:
        """Every symbol at every timeframe."""
        return tuple(Series(symbol, each) for symbol in self.symbols for each in self.timeframes)

    @property
    def own_shard(self) -> Shard:
        """The shard that this process loads; see `sharding.own_shard`."""
        return sharding.own_shard(self.shards, self.shard)

    def of_shard(self, number: int) -> Self:
        """These settings for the process of one shard.

        Raises:
            ConfigurationError: there is no such shard.
        """
        sharding.require(number, self.shards)
        return self.model_copy(update={"shard": number})

    def missing_for(self, store: str) -> list[str]:
        """Variables without a value that ``store`` requires."""
        needed = [each for each in type(self).model_fields if each.startswith(f"{store}_")]
        return [variable_of(name) for name in needed if not getattr(self, name)]

    def source_of(self, timeframe: Timeframe) -> Timeframe | None:
        """Coarsest source that divides a configured timeframe; None if it is a source itself."""
        if timeframe in self.source_timeframes:
            return None
        dividing = [source for source in self.source_timeframes if source.divides(timeframe)]
        return max(dividing, key=attrgetter("seconds"))


def settings_table() -> str:
    """Markdown table of every variable, for ``docs/settings.md``."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = f"`{field.default}`" if field.default else "empty" if field.default == "" else ""
        rows.append(f"| `{variable_of(name)}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _problem_lines(error: ErrorDetails) -> list[str]:
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return [_no_such_setting(name)]
    # The error of a default has the name of the field.
    variable = variable_of(name) if name in Settings.model_fields else name
    return [f"{variable}: {line}" for line in str(error["ctx"]["error"]).splitlines()]


def _no_such_setting(variable: str) -> str:
    # Without the value, which may be a secret under a mistyped name.
    near = rules.did_you_mean(variable.upper(), map(variable_of, Settings.model_fields))
    return f"{variable}: there is no such setting; {near or 'remove it.'}"
