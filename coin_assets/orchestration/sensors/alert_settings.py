"""How alerts are sent, and the signs of life of the alerting."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from coin_assets.alerts import heartbeat
from coin_assets.alerts.channels import channels_of
from coin_assets.alerts.database import BOOK, FOLDER
from coin_assets.alerts.incidents import Rules
from coin_assets.alerts.outbox import AlertBook, DeliveryReport
from coin_assets.config.addresses import Webhook
from coin_assets.config.settings import Settings
from coin_assets.domain.limits import DiskLimits
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.errors import CoinAssetsError, MachineFault


@dataclass(frozen=True)
class AlertSettings:
    """How alerts are sent. Addresses can hold secrets and are kept out of representations."""

    folder: Path
    market: str
    webhooks: tuple[Webhook, ...]
    rules: Rules
    disk: DiskLimits
    heartbeat_url: str
    shard: Shard = ALONE

    def __repr__(self) -> str:
        return f"AlertSettings({self.folder}, {len(self.webhooks)} webhooks)"

    @property
    def book(self) -> AlertBook:
        """Incidents, mutes and the outbox, in the alerts folder; incidents of the shard."""
        return AlertBook(self.folder / BOOK, self.shard)


def alert_settings(settings: Settings) -> AlertSettings:
    """Alert settings. They hold secrets, so only the alert sensor and job receive them."""
    return AlertSettings(
        folder=settings.home / FOLDER,
        market=settings.market,
        webhooks=settings.alert_webhooks,
        rules=Rules(
            timedelta(seconds=settings.alert_cycle_seconds),
            settings.alert_repeat_cycles,
            settings.alert_escalate_cycles,
        ),
        disk=settings.disk_limits,
        heartbeat_url=settings.heartbeat_url.get_secret_value(),
        shard=Shard(settings.shard or 0, settings.shards),
    )


def beat(
    log: logging.Logger,
    settings: AlertSettings,
    report: DeliveryReport,
    counts: Mapping[str, int],
    now: datetime,
) -> None:
    """Write the heartbeat file and call the heartbeat address, unless no message arrives.

    Args:
        counts: number of series by status word.
    """
    undelivered_since = settings.book.undelivered_since(channels_of(settings.webhooks))
    if not heartbeat.is_alive(undelivered_since, now, settings.rules.cycle):
        log.warning(
            f"no heartbeat: no channel accepts the message of {undelivered_since:%Y-%m-%d %H:%M} "
            "UTC; try make alert-test"
        )
        return
    facts = {
        "cycle_seconds": settings.rules.cycle.total_seconds(),
        "undelivered": report.pending,
        "set_aside": report.set_aside,
        **counts,
    }
    try:
        heartbeat.beat(settings.folder, now, facts, settings.shard.number)
    except (OSError, MachineFault) as error:  # the watcher sees the old file
        log.warning(f"the heartbeat was not written: {error}")
    if settings.heartbeat_url and _calls_monitor(log, settings, now):
        try:
            heartbeat.call(settings.heartbeat_url)
        except CoinAssetsError as error:
            log.warning(str(error))  # the monitor behind the address notices the missing call


def _calls_monitor(log: logging.Logger, settings: AlertSettings, now: datetime) -> bool:
    """Whether to call the address: shard 0 does while all beat, so that a silent one is noticed."""
    shard = settings.shard
    if shard.is_alone or not shard.is_first:
        return shard.is_alone
    try:
        age = heartbeat.heartbeat_age(settings.folder, now, shard.count)
    except (CoinAssetsError, OSError) as error:
        log.warning(f"the heartbeat address is not called: {error}")
        return False
    if age is None or age > heartbeat.silent_after(settings.rules.cycle):
        log.warning("the heartbeat address is not called: a shard of COIN_SHARDS is silent")
        return False
    return True
