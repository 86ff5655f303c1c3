"""``exogenous_due`` and the alert of ``fetch_exogenous``, by real clients of a stand-in server.

- A series whose source fails is tried again by itself; the others are fetched when they are due.
- One alert names every series that fails, and lasts until all of them were fetched.
- `make doctor` lists the same failures, also long after the last run.
- The contracts of an exchange are listed once a run.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import pytest

from coin_assets.commands import doctor
from coin_assets.domain.methods import FUNDING, IMPLIED, OPEN_INTEREST
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.orchestration.assets import exogenous
from coin_assets.orchestration.exogenous_resource import ExogenousResource
from coin_assets.orchestration.sensors import exogenous_runs
from coin_assets.orchestration.sensors.alert_settings import alert_settings
from coin_assets.planning import facts as work
from coin_assets.store.base import Finding
from coin_assets_tests.market import derivatives
from coin_assets_tests.market.derivatives import FakeDerivatives
from coin_assets_tests.platform import BTC, ETH, Platform, given, utc

START, HOUR = utc("2026-01-01"), timedelta(hours=1)
KEYS = {
    (symbol, name): dg.AssetKey([symbol.replace("/", "_"), name])
    for symbol in (BTC, ETH)
    for name in (FUNDING, IMPLIED, OPEN_INTEREST)
}
_SERVERS: dict[str, FakeDerivatives] = {}


class ServedSources(ExogenousResource):
    """The platform's own sources, of a stand-in server."""

    server: str

    def client(self, exchange: str) -> Any:
        return _SERVERS[self.server].client(exchange)


class Served(Platform):
    """A platform that collects all three series of two symbols; `BTC` alone has a contract."""

    def __init__(self, home: Path, server: FakeDerivatives) -> None:
        super().__init__(
            home,
            "2026-01-05T02:01:30",
            symbols=f"{BTC},{ETH}",
            history_start="2026-01-01",
            derived_timeframes="",
            market="ccxt:binance",
            exogenous=",".join((IMPLIED, FUNDING, OPEN_INTEREST)),
        )
        self.market = given(SandboxMarket())
        self.server = server
        _SERVERS[server.address] = server

    @property
    def overrides(self) -> dict[str, Any]:
        sources = ServedSources(exchange="binance", server=self.server.address)
        return super().overrides | {"exogenous": sources}

    @property
    def definitions(self) -> dg.Definitions:
        with patch.object(exogenous, "RETRIES", dg.RetryPolicy(max_retries=0)):
            return super().definitions

    def due(self) -> list[dg.RunRequest]:
        return list(self.tick("exogenous_due").run_requests or [])

    def alert(self) -> str:
        """What the open alert of the job says."""
        incidents = alert_settings(self.settings).book.incidents()
        return incidents["job fetch_exogenous"].condition.detail

    def asked(self, path: str) -> int:
        return sum(each == path for each, _ in self.server.requests)


@pytest.fixture
def server() -> Iterator[FakeDerivatives]:
    with FakeDerivatives() as made:
        hours = [int((START + each * HOUR).timestamp()) * 1000 for each in range(200)]
        made.index = dict.fromkeys(hours, 50.0)
        made.interest = dict.fromkeys(hours, 1000.0)
        made.rates = dict.fromkeys(hours[::8], 1e-4)
        yield made


@pytest.fixture
def platform(tmp_path: Path, server: FakeDerivatives, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setattr(work, "FIRST_DELAY", timedelta(minutes=1))
    return Served(tmp_path / "home", server)


def fetched_by(requests: list[dg.RunRequest]) -> list[set[tuple[str, str]]]:
    """Series of each run."""
    names = {key: each for each, key in KEYS.items()}
    return [{names[key] for key in request.asset_selection or ()} for request in requests]


def of(*names: str) -> set[tuple[str, str]]:
    return {(symbol, name) for symbol in (BTC, ETH) for name in names}


def test_a_source_that_fails_delays_no_other(platform: Served) -> None:
    server = platform.server
    server.failing_paths = {derivatives.FUNDING: 503}
    requests = platform.due()
    assert fetched_by(requests) == [of(IMPLIED), of(FUNDING, OPEN_INTEREST)]
    assert [platform.launch(each).is_success for each in requests] == [True, False]
    assert platform.metadata("BTC_USDT/open_interest")["dagster/row_count"] == 99.0
    platform.ahead = -30.0  # before the next try, whatever the time that the runs took
    assert "BTC/USDT funding_rate failed; next try" in str(
        platform.tick("exogenous_due").skip_message
    )
    # An hour later the failed one still backs off, and the others are fetched.
    platform.now = "2026-01-05T03:01:30"
    requests = platform.due()
    assert fetched_by(requests) == [of(IMPLIED), {(ETH, FUNDING), *of(OPEN_INTEREST)}]
    assert all(platform.launch(each).is_success for each in requests)
    assert platform.due() == []
    # Then it is tried alone; while it hangs, the others are fetched when they are due.
    platform.ahead = 3600.0
    requests = platform.due()
    assert fetched_by(requests) == [{(BTC, FUNDING)}]
    platform.begin(requests[0])
    platform.now = "2026-01-05T04:01:30"
    requests = platform.due()
    assert fetched_by(requests) == [of(IMPLIED), {(ETH, FUNDING), *of(OPEN_INTEREST)}]


def test_failures_of_a_series_are_counted_whatever_the_others_do(platform: Served) -> None:
    platform.server.failing_paths = {derivatives.FUNDING: 503}
    for hour in range(2, 6):
        platform.now = f"2026-01-05T0{hour}:01:30"
        for request in platform.due():
            platform.launch(request)
        platform.ahead += 600.0
    (*_, last) = platform.instance.get_runs()[::-1]
    assert not last.is_success
    # After one, two and four minutes now eight, of the true time.
    platform.ahead = 7 * 60
    assert platform.due() == []
    platform.ahead = 9 * 60
    assert fetched_by(platform.due()) == [{(BTC, FUNDING)}]


def test_one_alert_names_the_failed_series_until_all_are_fetched(platform: Served) -> None:
    server = platform.server
    server.failing_paths = {derivatives.FUNDING: 503, derivatives.INDEX: 503}
    for request in platform.due():
        platform.launch(request)
    failing = "wrong: job fetch_exogenous run failed"
    assert failing in str(platform.tick("health_alerts").skip_message)
    alert = platform.alert()
    assert "BTC/USDT funding_rate: binance does not answer" in alert
    assert "BTC/USDT implied_volatility, ETH/USDT implied_volatility: deribit does not" in alert
    # A run of the others that succeeds ends nothing.
    platform.now, platform.ahead = "2026-01-05T03:01:30", -30.0
    requests = platform.due()
    assert fetched_by(requests) == [{(ETH, FUNDING), *of(OPEN_INTEREST)}]
    assert platform.launch(requests[0]).is_success
    assert failing in str(platform.tick("health_alerts").skip_message)
    server.failing_paths, platform.ahead = {derivatives.INDEX: 503}, 3600.0
    requests = platform.due()
    assert fetched_by(requests) == [of(IMPLIED), {(BTC, FUNDING)}]
    assert [platform.launch(each).is_success for each in requests] == [False, True]
    assert failing in str(platform.tick("health_alerts").skip_message)
    assert "funding_rate" not in platform.alert()
    server.failing_paths, platform.ahead = {}, 7200.0
    (request,) = platform.due()
    assert platform.launch(request).is_success
    assert "fetch_exogenous" not in str(platform.tick("health_alerts").skip_message)


def test_the_doctor_lists_failures_of_the_newest_run_whenever_it_was(
    platform: Served, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.instance = instance
    # As if the last run had been longer ago than sensors look back on failures.
    monkeypatch.setattr(exogenous_runs, "failures_look_back", lambda: timedelta(milliseconds=1))

    def found(**changed: Any) -> Finding | None:
        settings = platform.settings.model_copy(update=changed)
        findings = doctor._of_records(instance, settings)
        return {each.about: each for each in findings}.get("job fetch_exogenous")

    assert found() is None
    platform.server.failing_paths = {derivatives.FUNDING: 503}
    for request in platform.due():
        platform.launch(request)
    failed = found()
    assert failed is not None
    assert not failed.is_fine
    assert ": BTC/USDT funding_rate: binance does not answer" in failed.detail
    assert failed.detail.endswith("docs/operations/exogenous.md")
    assert found(exogenous=()) is None
    platform.server.failing_paths, platform.ahead = {}, 3600.0
    for request in platform.due():
        platform.launch(request)
    assert found() is None


def test_contracts_are_listed_once_a_run(platform: Served) -> None:
    for request in platform.due():
        assert platform.launch(request).is_success
    assert platform.asked(derivatives.CONTRACTS) == 1
    assert platform.asked(derivatives.FUNDING) > 0 < platform.asked(derivatives.INTEREST)
    assert platform.metadata("BTC_USDT/funding_rate")["dagster/row_count"] == 13.0
    assert "dagster/row_count" not in platform.metadata("ETH_USDT/funding_rate")
    platform.now = "2026-01-05T03:01:30"
    for request in platform.due():
        assert platform.launch(request).is_success
    assert platform.asked(derivatives.CONTRACTS) == 2
