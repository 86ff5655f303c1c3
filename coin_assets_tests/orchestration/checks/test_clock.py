"""Checks on the clock: data time, agreement of files and store, models.

- Every series has six of them; only fresh data passes, and the words are those of the manifest.
- Descriptions name since when and against which limit; metadata holds what the UI plots.
- By hand they run in one step a series, all or some; updates never run them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.manifest import FRESH, HARD_STALE, STALE
from coin_assets.domain.publishing.manifest_entries import ManifestEntry
from coin_assets.domain.series import Series
from coin_assets.files.checksummed_json import with_checksum
from coin_assets.models.registry import SCHEMA_VERSION, ModelRegistry, ModelVersion
from coin_assets.orchestration.build import series_specs
from coin_assets.orchestration.checks.clock import (
    clock_check_specs,
    clock_checks,
    clock_evaluations,
)
from coin_assets.orchestration.checks.reconciled import reconciled_check
from coin_assets.orchestration.checks.verdicts import age_verdict
from coin_assets.planning.series_status import SeriesStatus
from coin_assets.publish.publisher import Publisher
from coin_assets.store.base import Store
from coin_assets_tests.orchestration.checks.statuses import (
    CLOSE,
    NOW,
    in_order,
    published_at,
    spec_for,
)
from coin_assets_tests.platform import Platform, failures, series, utc

CANDLES, FORECAST = "ohlcv_1h data_time", "prediction_1h data_time"
FILES, AGREES = "published_1h data_time", "published_1h agrees_with_store"
AGE, RANGE = "model_1h age", "model_1h training_range"
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
HOUR = timedelta(hours=1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def results(
    home: Path, status: SeriesStatus, now: datetime = NOW
) -> dict[str, dg.AssetCheckEvaluation]:
    """Check results as ``ohlcv_1h data_time``."""
    spec = spec_for(home, status.series.timeframe.name)
    found = clock_evaluations(spec, status, now)
    assert {each.asset_check_key for each in found} == {
        each.key for each in clock_check_specs(spec)
    }
    return {f"{each.asset_key.path[-1]} {each.check_name}": each for each in found}


def facts(check: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: value.value for name, value in check.metadata.items()}


def trained(home: Path, cutoff: datetime, **changed: Any) -> ModelVersion:
    """A version in the registry's place whose metadata is that of a good one, but for this."""
    metadata = {
        "schema_version": SCHEMA_VERSION,
        "model_version": "3",
        "symbol": series("1h").symbol,
        "timeframe": "1h",
        "cutoff": cutoff.isoformat(),
        "data_start": "2026-01-01T00:00:00+00:00",
        "data_end": cutoff.isoformat(),
        "rows": 5000,
    }
    folder = home / "models" / "0003"
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_bytes(with_checksum(metadata | changed))
    return ModelVersion(series("1h"), 3, cutoff, folder)


# -------------------------------------------------------------------------------------- data time


def test_what_is_fresh_passes_and_is_reported_so(home: Path) -> None:
    found = results(
        home, replace(in_order(series("1h")), versions=(trained(home, utc("2026-11-22")),))
    )
    assert all(check.passed for check in found.values())
    assert {name: check.description for name, check in found.items()} == {
        CANDLES: "data ends 2026-11-22 20:00, 25 min ago (limit 65 min)",
        FORECAST: "data of the forecast ends 2026-11-22 20:00, 25 min ago (limit 65 min)",
        FILES: "published data ends 2026-11-22 20:00, 25 min ago (limit 65 min)",
        AGREES: "the files reach as far as the store",
        AGE: "version 3 has data up to 2026-11-22 00:00, 20 h 25 min ago (limit 36 h)",
        RANGE: "version 3: 5000 candles, 2026-01-01 00:00 to 2026-11-22 00:00",
    }
    assert facts(found[CANDLES]) == {
        "status": "fresh",
        "as_of": CLOSE.timestamp(),
        "age_minutes": 25.0,
        "soft_minutes": 65.0,
        "hard_minutes": 130.0,
        "checked_at": NOW.timestamp(),
    }


@pytest.mark.parametrize(
    ("later", "status", "severity", "text"),
    [
        (timedelta(minutes=41), "stale", WARN, "66 min ago (limit 65 min)"),
        (
            timedelta(minutes=160),
            "hard_stale",
            ERROR,
            "3 h 5 min ago (limit 65 min, hard limit 2 h 10 min)",
        ),
    ],
)
def test_what_is_old_warns_and_then_fails(
    home: Path, later: timedelta, status: str, severity: dg.AssetCheckSeverity, text: str
) -> None:
    found = results(home, in_order(series("1h")), NOW + later)
    for name in (CANDLES, FORECAST, FILES):
        assert (found[name].passed, found[name].severity) == (False, severity)
        assert facts(found[name])["status"] == status
        assert str(found[name].description).endswith(text)
    assert found[AGREES].passed  # old, and the same everywhere


def test_each_layer_is_judged_by_its_own_data(home: Path) -> None:
    status = published_at(in_order(series("1h")), -HOUR, -2 * HOUR)
    found = results(home, replace(status, forecast=CLOSE - HOUR))
    words = {name: facts(found[name])["status"] for name in (CANDLES, FORECAST, FILES)}
    assert words == {CANDLES: FRESH, FORECAST: STALE, FILES: HARD_STALE}


def test_what_does_not_exist_is_missing(home: Path) -> None:
    nothing = SeriesStatus(
        series("1h"), None, None, ManifestEntry(series("1h"), enough_candles=True)
    )
    found = results(home, nothing)
    for name in (CANDLES, FORECAST, FILES, AGE, RANGE):
        assert (found[name].passed, found[name].severity) == (False, ERROR)
        assert facts(found[name])["status"] == "missing"
        assert "as_of" not in facts(found[name])
    assert found[CANDLES].description == "no candle is stored"
    assert found[AGREES].passed


def test_too_few_candles_are_a_warning(home: Path) -> None:
    young = SeriesStatus(
        series("1h"), CLOSE, None, ManifestEntry(series("1h"), enough_candles=False)
    )
    found = results(home, young)
    assert found[CANDLES].passed
    for name in (FORECAST, FILES, AGE, RANGE):
        assert (found[name].passed, found[name].severity) == (False, WARN)
        assert facts(found[name])["status"] == "insufficient_data"
        assert "needs 240" in str(found[name].description)


def test_a_close_ahead_of_the_clock_is_reported(home: Path) -> None:
    found = results(home, in_order(series("1h")), CLOSE - timedelta(minutes=5))
    assert "5 min ahead of the clock" in str(found[CANDLES].description)
    # As after a clock that jumped ahead and back: such data must not stay fresh for hours.
    for name in (CANDLES, FORECAST, FILES):
        assert (found[name].passed, facts(found[name])["status"]) == (False, "corrupt")
        assert "in the future" in str(found[name].description)


@given(
    age=st.timedeltas(timedelta(0), timedelta(days=400)),
    soft=st.integers(1, 10**5),
    more=st.integers(1, 10**5),
)
def test_age_decides_alone(age: timedelta, soft: int, more: int) -> None:
    limits = FreshnessLimits(timedelta(minutes=soft), timedelta(minutes=soft + more))
    verdict = age_verdict("data ends", NOW - age, limits, NOW)
    assert (verdict.status == FRESH) == (age <= limits.soft)
    assert (verdict.status == HARD_STALE) == (age > limits.hard)
    evaluation = verdict.evaluation(dg.AssetKey("a"), "data_time", limits, NOW)
    assert evaluation.passed == (verdict.status == FRESH)
    assert (evaluation.severity is ERROR) == (verdict.status == HARD_STALE)


# --------------------------------------------------------------------------------------- agreement


def test_a_damaged_file_is_an_error(home: Path) -> None:
    status = in_order(series("1h"))
    broken = replace(status.published, corrupt="history.json has another hash")
    found = results(home, replace(status, published=broken))
    for name in (FILES, AGREES):
        assert (found[name].passed, found[name].severity) == (False, ERROR)
        assert facts(found[name])["status"] == "corrupt"
        assert str(found[name].description).endswith("damaged: history.json has another hash")


def test_files_ahead_of_the_store_are_an_error(home: Path) -> None:
    check = results(home, published_at(in_order(series("1h")), HOUR, -HOUR))[AGREES]
    assert (check.passed, check.severity) == (False, ERROR)
    assert check.description == (
        "the history file ends 2026-11-22 21:00, the store 2026-11-22 20:00: the file is ahead of "
        "the store"
    )
    lost = results(home, replace(in_order(series("1h")), candles=None, forecast=None))[AGREES]
    assert lost.severity is ERROR
    assert "the prediction file ends 2026-11-22 20:00, the store nowhere" in str(lost.description)


def test_files_may_be_behind_the_store_for_as_long_as_data_is_fresh(home: Path) -> None:
    assert results(home, published_at(in_order(series("1h")), -HOUR, -HOUR))[AGREES].passed
    check = results(home, published_at(in_order(series("1h")), -HOUR, -2 * HOUR))[AGREES]
    assert (check.passed, check.severity) == (False, WARN)
    assert check.description == (
        "the prediction file ends 2026-11-22 18:00, the store 2026-11-22 20:00: publishing is "
        "behind"
    )
    assert facts(check)["prediction_published"] == (CLOSE - 2 * HOUR).timestamp()
    assert facts(check)["prediction_stored"] == CLOSE.timestamp()


def test_nothing_published_is_behind_a_store_that_has_something(home: Path) -> None:
    unpublished = replace(
        in_order(series("1h")), published=ManifestEntry(series("1h"), enough_candles=True)
    )
    check = results(home, unpublished)[AGREES]
    assert (check.passed, check.severity) == (False, WARN)
    assert "the history file ends nowhere" in str(check.description)


# ------------------------------------------------------------------------------------------ models


@pytest.mark.parametrize(
    ("timeframe", "soft", "hard"),
    [("1h", 36, 72), ("1d", 36, 72), ("1w", 9 * 24, 16 * 24), ("1M", 35 * 24, 70 * 24)],
)
def test_models_may_be_as_old_as_their_retraining_allows(
    home: Path, timeframe: str, soft: int, hard: int
) -> None:
    current = in_order(series(timeframe))
    cutoff = current.versions[0].cutoff
    name = f"model_{timeframe} age"
    for hours, status in ((soft, FRESH), (soft + 1, STALE), (hard, STALE), (hard + 1, HARD_STALE)):
        check = results(home, current, cutoff + timedelta(hours=hours))[name]
        assert facts(check)["status"] == status
        assert facts(check)["model_version"] == "3"


def test_the_newest_model_is_the_one_with_the_latest_cutoff(home: Path) -> None:
    status = in_order(series("1h"))
    old = replace(status.versions[0], number=4, cutoff=utc("2026-01-01"))
    check = results(home, replace(status, versions=(*status.versions, old)))[AGE]
    assert (check.passed, facts(check)["model_version"]) == (True, "3")


@pytest.mark.parametrize(
    ("changed", "status", "text"),
    [
        (
            {"data_end": "2026-11-22T01:00:00+00:00"},
            "corrupt",
            "it saw data after its cutoff 2026-11-22 00:00",
        ),
        (
            {"data_end": "2026-11-21T22:00:00+00:00"},
            "stale",
            "2026-01-01 00:00 to 2026-11-21 22:00, although its cutoff is 2026-11-22 00:00",
        ),
        ({"rows": 239}, "corrupt", "fewer than the 240 that a model needs"),
        (
            {"data_start": "2026-11-23T00:00:00+00:00"},
            "corrupt",
            "its data end before they start",
        ),
        ({"rows": None}, "corrupt", "lacks a valid training range (TypeError"),
        ({"data_end": "2026-11-22T00:00:00"}, "corrupt", "has no time zone"),
    ],
)
def test_training_ranges_that_cannot_be_are_reported(
    home: Path, changed: dict[str, Any], status: str, text: str
) -> None:
    version = trained(home, utc("2026-11-22"), **changed)
    check = results(home, replace(in_order(series("1h")), versions=(version,)))[RANGE]
    assert not check.passed
    assert (check.severity is WARN) == (status == "stale")
    assert facts(check)["status"] == status
    assert text in str(check.description)


def test_metadata_that_cannot_be_read_is_an_error(home: Path) -> None:
    version = trained(home, utc("2026-11-22"))
    (version.folder / "metadata.json").write_text("{")
    check = results(home, replace(in_order(series("1h")), versions=(version,)))[RANGE]
    assert (check.passed, check.severity) == (False, ERROR)
    assert str(version.folder / "metadata.json") in str(check.description)


# ---------------------------------------------------------------------------------- in the platform


def gathered(
    store: Store, registry: ModelRegistry, publisher: Publisher, series_list: Sequence[Series]
) -> Mapping[Series, SeriesStatus]:
    """Statuses from the parts of a platform."""
    published = {each["timeframe"]: each for each in publisher.manifest()["public"]["entries"]}
    found = {}
    for each in series_list:
        files = in_order(each).published
        assert files.history is not None
        assert files.prediction is not None
        as_of = utc(published[each.timeframe.name]["as_of"].removesuffix("Z"))
        facts = replace(
            files,
            history=replace(files.history, as_of=as_of),
            prediction=replace(files.prediction, as_of=as_of),
        )
        opened = store.newest_candles([each])[each]
        found[each] = SeriesStatus(
            each,
            each.timeframe.close_of(opened),
            store.newest_forecasts([each])[each],
            facts,
            tuple(registry.versions(each)),
        )
    return found


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform(
        tmp_path_factory.mktemp("platform"),
        now="2024-04-20T12:30",
        history_start="2024-02-01",
        derived_timeframes="4h",
    )
    assert platform.update("2024-02-01", "2024-04-01").success
    return platform


def checked(platform: Platform, selection: dg.AssetSelection) -> dg.ExecuteInProcessResult:
    """Run checks by hand, in a repository that has those of all series."""
    given = platform.definitions
    definitions = dg.Definitions(
        assets=given.assets,
        asset_checks=[clock_checks(spec, gathered) for spec in series_specs(platform.settings)],
        jobs=[dg.define_asset_job("by_hand", selection)],
        resources=given.resources,
        executor=dg.in_process_executor,
    )
    job = definitions.resolve_job_def("by_hand")
    return job.execute_in_process(instance=platform.instance, raise_on_error=False)


def test_by_hand_all_checks_of_a_series_are_one_step(platform: Platform) -> None:
    result = checked(
        platform,
        dg.AssetSelection.checks(
            *[
                each.key
                for spec in series_specs(platform.settings)
                for each in clock_check_specs(spec)
            ]
        ),
    )
    assert result.success, failures(result)
    found = result.get_asset_check_evaluations()
    steps = [event.step_key for event in result.all_events if event.is_step_start]
    assert sorted(filter(None, steps)) == ["BTC_USDT__clock_1h", "BTC_USDT__clock_4h"]
    assert len(found) == 12
    words = {
        f"{each.asset_key.path[-1]} {each.check_name}": facts(each)["status"] for each in found
    }
    assert words.pop(AGE) == words.pop("model_4h age") == "hard_stale"  # trained for 1 April
    assert set(words.values()) == {"fresh"}


def test_by_hand_one_check_runs_alone(platform: Platform) -> None:
    asset = dg.AssetKey(["BTC_USDT", "published_4h"])
    one = dg.AssetSelection.checks(dg.AssetCheckKey(asset, "agrees_with_store"))
    (check,) = checked(platform, one).get_asset_check_evaluations()
    assert (check.asset_key, check.check_name, check.passed) == (asset, "agrees_with_store", True)


def test_names_of_checks_and_ops_are_unique(tmp_path: Path) -> None:
    platform = Platform(
        tmp_path, now="2024-04-20T12:30", symbols="BTC/USDT,ETH/USDT", source_timeframes="1m,1h"
    )
    specs = series_specs(platform.settings)
    made = [clock_checks(spec, gathered) for spec in specs]
    assert len({each.node_def.name for each in made}) == len(specs)
    keys = [
        key
        for spec, each in zip(specs, made, strict=True)
        for key in [*each.check_keys, *reconciled_check(spec).check_keys]
    ]
    assert len(set(keys)) == len(keys) == 7 * len(specs)
