"""Checks of a bucket and its server, for `Store.examine`."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from coin_assets.errors import CoinAssetsError, CorruptArtefact, StoreRefused, StoreUnavailable
from coin_assets.store.base import Finding
from coin_assets.store.influxdb import flux
from coin_assets.store.influxdb.answers import frame_of
from coin_assets.store.influxdb.bucket import Bucket
from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.installation import market_of, record_market, require_market
from coin_assets.store.influxdb.measurements import MEASUREMENTS

_ANSWER_SECONDS, _TOTAL_SECONDS = 5.0, 20.0
_MOST_SKEW = timedelta(seconds=10)


class _Problem(CoinAssetsError):
    """A check found a problem."""


def examine(connection: Connection, market: str, since: datetime, now: datetime) -> list[Finding]:
    """Findings of all checks; see `Store.examine`.

    Requests are not retried, so it takes less than a minute.
    """
    impatient = replace(
        connection,
        patience_seconds=0.0,
        answer_seconds=_ANSWER_SECONDS,
        total_seconds=_TOTAL_SECONDS,
    )
    bucket = Bucket(impatient)
    checks: dict[str, Callable[[], str]] = {
        "reachable": lambda: _reachable(bucket),
        "version": lambda: _version(bucket),
        "clock": lambda: _clock(bucket, now),
        "token reads": lambda: _reads(bucket),
        "bucket": lambda: _exists(bucket),
        "retention": lambda: _retention(bucket, since, now),
        "market": lambda: _market(bucket, market),
        "token writes": lambda: _writes(bucket, market),
        "tags": lambda: _tags(bucket),
    }
    try:
        return list(_findings(checks))
    finally:
        bucket.close()


def _findings(checks: dict[str, Callable[[], str]]) -> Iterator[Finding]:
    obstacle: str | None = None
    for about, check in checks.items():
        if obstacle is not None:
            yield Finding(about, f"not checked, because {obstacle}", is_fine=False)
            continue
        try:
            yield Finding(about, check())
        except CoinAssetsError as error:
            obstacle = _obstacle(error)
            yield Finding(about, str(error), is_fine=False)


def _obstacle(error: CoinAssetsError) -> str | None:
    """Problem that makes all later checks fail; those that need no token come first."""
    if isinstance(error, StoreUnavailable):
        return "the server does not answer"
    if isinstance(error, StoreRefused) and error.status == 401:
        return "the token is refused"
    return None


def _reachable(bucket: Bucket) -> str:
    bucket.ping()
    return f"{bucket.connection} answers"


def _version(bucket: Bucket) -> str:
    found = bucket.ping().get("x-influxdb-version", "")
    if not found.lstrip("v").startswith("2."):
        raise _Problem(
            f"{bucket.connection} reports version {found or 'none'}; this store needs an InfluxDB "
            "2.x. Correct INFLUXDB_V2_URL."
        )
    return found


def _clock(bucket: Bucket, now: datetime) -> str:
    date = bucket.ping().get("date")
    if date is None:
        return "the server does not send its time"
    ahead = parsedate_to_datetime(date) - now
    if abs(ahead) > _MOST_SKEW:
        raise _Problem(
            f"the clocks of the server and of this machine are {abs(ahead).total_seconds():.0f} s "
            "apart; synchronise both by NTP."
        )
    return f"within {_MOST_SKEW.seconds} s of this machine's"


def _reads(bucket: Bucket) -> str:
    market_of(bucket)
    return "the token may read the bucket"


def _exists(bucket: Bucket) -> str:
    _seconds_kept(bucket)
    return f"{bucket.connection.bucket!r} is there"


def _retention(bucket: Bucket, since: datetime, now: datetime) -> str:
    seconds = _seconds_kept(bucket)
    needed = now - since
    if 0 < seconds < needed.total_seconds():
        raise _Problem(
            f"the bucket drops points after {seconds / 86_400:.0f} days, but history starts "
            f"{needed.days} days ago ({since:%Y-%m-%d}). Set its retention to keep them for ever, "
            "or COIN_HISTORY_START later."
        )
    return f"{seconds / 86_400:.0f} days" if seconds else "for ever"


def _seconds_kept(bucket: Bucket) -> int:
    seconds = bucket.retention()
    if seconds is None:
        raise _Problem(
            f"the token has no access to a bucket {bucket.connection.bucket!r} in organisation "
            f"{bucket.connection.org!r}. Create it, correct COIN_INFLUXDB_BUCKET, or give the "
            "token access to it."
        )
    return seconds


def _market(bucket: Bucket, market: str) -> str:
    recorded = market_of(bucket)
    if recorded is None:
        return f"none yet; the first use makes it the bucket of {market}"
    require_market(recorded, market, str(bucket.connection))
    return recorded


def _writes(bucket: Bucket, market: str) -> str:
    """Write the market again, which changes nothing; a new bucket is claimed by it."""
    if market_of(bucket) not in (None, market):
        raise _Problem("not tried, because the bucket belongs to another market; see market.")
    record_market(bucket, market)
    return "the token may write into the bucket"


def _tags(bucket: Bucket) -> str:
    strange = []
    for measurement in MEASUREMENTS:
        script = flux.tag_keys(bucket.connection.bucket, measurement)
        rows = bucket.query(script, lambda body: frame_of(body, {"_value": "str"}))
        found = {name for name in rows["_value"] if not name.startswith("_")}
        strange += [f"{measurement.name}: {name}" for name in sorted(found - measurement.tags)]
    if strange:
        raise CorruptArtefact(
            f"points carry tags that this platform does not write ({', '.join(strange)}), so one "
            "candle can be stored twice. Delete those points, and let no other program write there."
        )
    return "as they should be"
