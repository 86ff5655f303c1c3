"""Metrics of a real home, in the text that Prometheus reads."""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from coin_assets.alerts import heartbeat
from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.alerts.incidents import Rules
from coin_assets.alerts.outbox import AlertBook
from coin_assets.config.settings import Settings
from coin_assets.metrics.__main__ import registry_of, sources, write
from coin_assets.metrics.challengers import challenger_metrics
from coin_assets.metrics.collector import SourcesCollector
from coin_assets.models.evaluations import EvaluationBook
from coin_assets_tests.orchestration.records.homes import open_home
from coin_assets_tests.platform import series
from coin_assets_tests.test_release_home import RELEASE_HOME
from coin_assets_tests.webui import ROOT

NOW = datetime.now(UTC)
RUNS = (("update", dg.DagsterRunStatus.SUCCESS),) * 2 + (
    ("update", dg.DagsterRunStatus.FAILURE),
    ("train_models", dg.DagsterRunStatus.STARTED),
)
UPDATES: dict[str, dict[str, float]] = {
    "ohlcv_4h": {"requests": 7, "retries": 2},
    "published_4h": {"boundary_to_published_seconds": 3.5},
    "published_1d": {"candles": 3},  # without a file there is no delay
}
Samples = dict[str, dict[tuple[str, ...], float]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home of the last release, with the alert and the heartbeat of a live one."""
    home = Path(shutil.copytree(RELEASE_HOME, tmp_path / "home"))
    settings = Settings(
        home=home, symbols="BTC/USDT", source_timeframes="4h", derived_timeframes="1d"
    )
    condition = Condition("disk", "full", "", Severity.CRITICAL, NOW, "d", "r", "docs/x.md")
    book = AlertBook(home / "alerts/alerts.sqlite")
    book.advance([condition], NOW, Rules(timedelta(minutes=1), 3, 60), ["a channel"])
    heartbeat.beat(home / "alerts", datetime.now(UTC) - timedelta(minutes=2), {})
    return settings


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with open_home(tmp_path_factory.mktemp("metrics") / "dagster") as made:
        for number, (job, status) in enumerate(RUNS):
            made.add_run(dg.DagsterRun(job, run_id=f"{number:08}-0000-4000-8000-0", status=status))
        for name, metadata in UPDATES.items():
            event = dg.AssetMaterialization(["BTC_USDT", name], metadata=metadata)
            made.report_runless_asset_event(event)
        yield made


def samples(text: str) -> Samples:
    """Values by metric and labels in the order of their names, as Prometheus parses them."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def scraped(registry: CollectorRegistry) -> Samples:
    return samples(generate_latest(registry).decode())


def test_everything_is_derived_from_what_exists(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    server, thread = start_http_server(0, "127.0.0.1", registry_of(settings, instance))
    try:
        address = f"http://127.0.0.1:{server.server_port}/metrics"
        with urllib.request.urlopen(address, timeout=30) as answer:
            found = {
                name.removeprefix("coin_assets_"): values
                for name, values in samples(answer.read().decode()).items()
            }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    manifest = json.loads((settings.publish_dir / "manifest.json").read_bytes())
    public = {each["timeframe"]: each for each in manifest["public"]["entries"]}
    ops = {each["timeframe"]: each for each in manifest["ops"]["entries"]}
    for timeframe, entry in public.items():
        name = "BTC/USDT", timeframe
        age = datetime.now(UTC) - datetime.fromisoformat(entry["as_of"])
        assert found["data_age_seconds"][name] == pytest.approx(age.total_seconds(), abs=60)
        hard = found["data_age_hard_limit_seconds"][name]
        assert hard == 60 * ops[timeframe]["hard_minutes"]
        is_old = age.total_seconds() > hard
        assert found["series_status"]["hard_stale", *name] == is_old
        words = [value for labels, value in found["series_status"].items() if labels[1:] == name]
        assert (len(words), sum(words)) == (7, 1)
        assert found["series_degraded"][name] == ops[timeframe]["degraded"]
        assert found["consecutive_failures"][name] == ops[timeframe]["consecutive_failures"]
        quality = entry["quality"] or {}  # of 1d no forecast has matured
        assert found["forecast_skill_ratio"].get(name) == quality.get("skill")
        coverage = found["forecast_coverage_ratio"].get(("0.8", *name))
        assert coverage == quality.get("coverage_80")
    assert [bool(entry["quality"]) for entry in public.values()] == [True, False]
    pairs = (EvaluationBook(settings.home).read(series("4h")) or {})["paired"]
    loss = pairs["challenger"] / pairs["champion"]
    assert found["challenger_loss_ratio"] == {("har", "BTC/USDT", "4h"): loss}
    assert found["runs_last_day"] == {
        ("update", "success"): 2,
        ("update", "failure"): 1,
        ("train_models", "started"): 1,
    }
    source = ("BTC/USDT", "4h")
    assert found["update_requests"] == {source: 7}
    assert found["update_retries"] == {source: 2}
    assert found["update_boundary_to_published_seconds"] == {source: 3.5}
    assert found["alerts_open"] == {("warning",): 0, ("critical",): 1}
    assert found["alert_messages_undelivered"] == {(): 1}
    assert found["alert_messages_set_aside"] == {(): 0}
    assert found["heartbeat_age_seconds"][()] == pytest.approx(120, abs=60)
    assert 0 < found["disk_used_ratio"][()] < 1
    assert set(found["source_up"].values()) == {1}


def test_each_method_has_the_loss_of_its_challenger(settings: Settings) -> None:
    book = EvaluationBook(settings.home)
    document = book.read(series("4h"))
    assert document is not None
    pairs = {
        "naive": {"champion": 0.02, "challenger": 0.025},
        "har_exogenous": None,  # it shares no origin with the champion
    }
    nothing = {"scores": None, "promotion": None}
    further = [
        {"method": method, "role": f"challenger_{method}", "paired": found, **nothing}
        for method, found in pairs.items()
    ]
    book.write(series("4h"), {**document, "challengers": further})
    (metric,) = challenger_metrics(settings.home, settings.series_list)
    found = {tuple(each.labels.values()): each.value for each in metric.samples}
    assert found.keys() == {("BTC/USDT", "4h", method) for method in ("har", "naive")}
    assert found["BTC/USDT", "4h", "naive"] == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("source", "path", "metric"),
    [
        ("manifest", "published/manifest.json", "data_age_seconds"),
        (
            "evaluations",
            "evaluations/symbol=BTC_USDT/timeframe=4h/evaluation.json",
            "challenger_loss_ratio",
        ),
        ("alerts", "alerts/alerts.sqlite", "alerts_open"),
        ("heartbeat", "alerts/heartbeat.json", "heartbeat_age_seconds"),
    ],
)
def test_a_damaged_source_is_down_alone_and_comes_back(
    settings: Settings,
    instance: dg.DagsterInstance,
    caplog: pytest.LogCaptureFixture,
    source: str,
    path: str,
    metric: str,
) -> None:
    registry, file = registry_of(settings, instance), settings.home / path
    sound = scraped(registry)
    whole = file.read_bytes()
    file.write_bytes(b"damaged, and longer than a header of SQLite" * 100)
    for _ in range(2):
        damaged = scraped(registry)
    assert [name for name, up in damaged["coin_assets_source_up"].items() if not up] == [(source,)]
    assert f"coin_assets_{metric}" not in damaged
    assert sound.keys() - damaged.keys()
    assert [record.getMessage().split()[0] for record in caplog.records] == [source]  # once
    file.write_bytes(whole)
    assert scraped(registry).keys() == sound.keys()


def test_a_home_in_which_nothing_happened_yet_has_no_series(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    settings = Settings(home=tmp_path / "new", symbols="ETH/USDT")
    settings.home.mkdir()
    found = scraped(registry_of(settings, instance))
    up = {name: value for (name,), value in found["coin_assets_source_up"].items()}
    assert up == {
        **dict.fromkeys(("manifest", "heartbeat"), 0),
        **dict.fromkeys(("evaluations", "alerts", "disk", "runs", "updates"), 1),
    }
    assert list(settings.home.iterdir()) == []


def test_the_file_is_replaced_whole_and_others_can_read_it(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    file, registry = tmp_path / "textfiles" / "coin_assets.prom", registry_of(settings, instance)
    for _ in range(2):
        write(file, registry)
    assert "coin_assets_data_age_seconds" in samples(file.read_text())
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert file.stat().st_mode & 0o444 == 0o444


def test_a_file_that_cannot_be_written_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a_file").touch()
    write(tmp_path / "a_file" / "coin_assets.prom", CollectorRegistry())
    assert "COIN_METRICS_TEXTFILE" in caplog.text


@pytest.fixture
def exported(settings: Settings, instance: dg.DagsterInstance) -> set[str]:
    registry = CollectorRegistry()
    registry.register(SourcesCollector(sources(settings, instance)))
    return scraped(registry).keys() | set()


BOARD = ROOT / "deploy/grafana/coin_assets.json"
RULES = ROOT / "deploy/prometheus/alerts.yaml"
PAGE = ROOT / "docs/operations/metrics.md"


def test_board_rules_and_page_name_metrics_that_exist(exported: set[str]) -> None:
    for file in (BOARD, RULES, PAGE):
        named = set(re.findall(r"\bcoin_assets_[a-z_]+[a-z]\b", file.read_text()))
        assert len(named) > 5
        assert named <= exported, file
    shown = PAGE.read_text().replace("`..._hard", "`coin_assets_data_age_hard")
    assert [name for name in sorted(exported) if f"`{name}" not in shown] == []


def test_the_board_is_one_that_grafana_can_import() -> None:
    board = json.loads(BOARD.read_text())
    assert board["title"] == "coin_assets"
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    places = set[tuple[int, int]]()
    for panel in panels:
        assert panel["targets"]
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & places
        places |= cells


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool (Debian: prometheus)")
def test_prometheus_accepts_rules_and_metrics(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    text = generate_latest(registry_of(settings, instance))
    linted = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (linted.returncode, linted.stderr.decode()) == (0, "")
