"""Who makes the forecasts of a window: the champion, and in its shadow the challenger.

- The first live forecast makes its model the champion, where champions are earned at all; a
  backtest makes none, nor does a model that cannot forecast.
- A champion goes on after newer trainings, until another one is appointed.
- The challenger forecasts the champion's origins; nothing that is wrong with it changes a byte
  of the champion's.
- Without its champion a series has no forecasts: nobody takes its place.
- Whatever happens in whatever order, what was forecast stays, and agrees with the record.
"""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.forecasting.frame import BACKTEST, LIVE
from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.errors import CorruptArtefact
from coin_assets.models.registry import ModelVersion
from coin_assets.pipeline.promote import promote
from coin_assets.store.forecasts import newest_forecast
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.pipeline.series_sandbox import (
    ALWAYS,
    START,
    SeriesSandbox,
    sandbox_with_challenger,
)
from coin_assets_tests.platform import utc

HOUR = timedelta(hours=1)


def artefact(version: ModelVersion) -> Path:
    return version.folder / "model.json"


def damage(version: ModelVersion) -> None:
    content = artefact(version).read_bytes()
    artefact(version).write_bytes(content[: len(content) // 2])


def of_number(sandbox: SeriesSandbox, number: int) -> ModelVersion:
    return sandbox.registry.versions(sandbox.series)[number - 1]


# ----------------------------------------------------------------------------- the first champion


@pytest.mark.parametrize(
    ("timeframe", "expected"),
    [("15m", None), ("1h", "1"), ("4h", "1"), ("1d", "1"), ("1w", None)],
)
def test_the_first_live_forecast_makes_a_champion_where_one_can_be_challenged(
    tmp_path: Path, timeframe: str, expected: str | None
) -> None:
    sandbox = SeriesSandbox(tmp_path, timeframe)
    sandbox.train()
    sandbox.pass_candles(3)
    newest = sandbox.series.timeframe.floor(sandbox.now)
    sandbox.predict(START)
    assert set(sandbox.forecasts(CHAMPION)["kind"]) == {LIVE, BACKTEST}
    assert sandbox.holders() == (expected, None)
    changes = sandbox.registry.roles(sandbox.series).changes
    # It counts from that origin on; of those before there is no record.
    assert [(each.since, each.recorded_at) for each in changes] == [(newest, newest)] * len(changes)
    assert len(changes) == (expected is not None)


def test_a_backtest_makes_no_champion(tmp_path: Path) -> None:
    sandbox = SeriesSandbox(tmp_path)
    sandbox.train()
    sandbox.pass_candles(50)
    sandbox.predict(START, sandbox.now - HOUR)
    assert set(sandbox.forecasts(CHAMPION)["kind"]) == {BACKTEST}
    assert sandbox.registry.roles(sandbox.series).is_empty


@pytest.mark.parametrize(
    ("made_at", "kind"),
    [
        ("2026-11-01T00:00:05", LIVE),
        ("2026-11-27T09:30", LIVE),
        ("2026-11-30T23:59:59", LIVE),
        ("2026-12-01T00:00", BACKTEST),
        ("2026-12-27T09:30", BACKTEST),
    ],
)
def test_a_forecast_of_a_month_is_live_until_its_first_month_closes(
    tmp_path: Path, made_at: str, kind: str
) -> None:
    origin = utc("2026-11-01")
    sandbox = SeriesSandbox(tmp_path, "1M", now=made_at)
    sandbox.train(cutoff=origin)
    sandbox.predict(origin, origin + timedelta.resolution)
    made = sandbox.forecasts(CHAMPION)
    assert set(made["as_of"]) == {origin}
    assert set(made["kind"]) == {kind}


def test_a_model_that_cannot_forecast_is_made_no_champion(tmp_path: Path) -> None:
    sandbox = SeriesSandbox(tmp_path)
    damage(sandbox.train())
    with pytest.raises(CorruptArtefact):
        sandbox.predict()
    assert sandbox.registry.roles(sandbox.series).is_empty
    version = of_number(sandbox, 1).folder
    version.rename(version.with_name(version.name + ".damaged"))  # as the message advises
    sandbox.train()
    sandbox.predict()
    assert sandbox.holders() == ("2", None)


# ------------------------------------------------------------------------- after newer trainings


def test_a_champion_goes_on_and_the_newest_training_follows_in_its_shadow(tmp_path: Path) -> None:
    sandbox = sandbox_with_challenger(tmp_path)
    first = sandbox.now - HOUR
    for _ in range(2):
        report = sandbox.predict()
        assert (report.added, report.challenger_added) == (1, 1)
        assert set(report.newest["role"]) == {CHAMPION}
        sandbox.pass_candles(1)
        sandbox.train()  # the third and fourth version wait for their turn
    assert sandbox.versions(CHAMPION) == dict.fromkeys((first, first + HOUR, first + 2 * HOUR), "1")
    assert sandbox.versions(CHALLENGER) == dict.fromkeys((first + HOUR, first + 2 * HOUR), "2")
    assert set(sandbox.forecasts(CHALLENGER)["kind"]) == {LIVE}


def test_where_nobody_is_challenged_the_newest_training_forecasts(tmp_path: Path) -> None:
    sandbox = SeriesSandbox(tmp_path, "15m")
    for number in ("1", "2"):
        sandbox.train()
        sandbox.predict()
        assert sandbox.versions(CHAMPION)[sandbox.now] == number
        sandbox.pass_candles(1)
    assert sandbox.forecasts(CHALLENGER).empty


def test_both_roles_are_stored_in_one_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A death between two writes would leave one role without the other."""
    sandbox = sandbox_with_challenger(tmp_path)
    written = []
    whole = ParquetStore.add_forecasts

    def counted(store: ParquetStore, series: object, forecasts: pd.DataFrame) -> object:
        written.append(set(forecasts["role"]))
        return whole(store, series, forecasts)  # type: ignore[arg-type]

    monkeypatch.setattr(ParquetStore, "add_forecasts", counted)
    sandbox.predict()
    assert written == [{CHAMPION, CHALLENGER}]


def test_the_newest_forecast_is_the_champions(tmp_path: Path) -> None:
    sandbox = sandbox_with_challenger(tmp_path)
    sandbox.predict()
    newest = newest_forecast(sandbox.store, sandbox.series)
    assert set(newest["model_version"]) == {"1"}
    assert set(newest["role"]) == {CHAMPION}
    assert set(newest["as_of"]) == {pd.Timestamp(sandbox.now)}


def test_a_challenger_makes_up_for_origins_that_the_champion_forecast_alone(
    tmp_path: Path,
) -> None:
    sandbox = sandbox_with_challenger(tmp_path)
    first = sandbox.now
    sandbox.predict()
    sandbox.registry.appoint(
        sandbox.series, CHALLENGER, None, first, reason="", by="test", recorded_at=first
    )
    sandbox.pass_candles(1)
    sandbox.predict()
    version = sandbox.train()
    sandbox.predict(START)
    assert sandbox.versions(CHALLENGER) == {first: "2", version.cutoff: version.name}


# ------------------------------------------------------------------------------- what is damaged


def test_a_damaged_challenger_changes_no_byte_of_the_champions_and_is_made_up_for(
    tmp_path: Path,
) -> None:
    sound, broken = (
        sandbox_with_challenger(tmp_path / "sound"),
        sandbox_with_challenger(tmp_path / "broken"),
    )
    whole = artefact(of_number(broken, 2)).read_bytes()
    damage(of_number(broken, 2))
    assert not sound.predict().challenger_errors
    report = broken.predict()
    error = report.challenger_errors[CHALLENGER]
    assert isinstance(error, CorruptArtefact)
    assert str(artefact(of_number(broken, 2))) in str(error)
    assert (report.added, report.challenger_added) == (1, 0)
    pd.testing.assert_frame_equal(
        broken.forecasts(CHAMPION), sound.forecasts(CHAMPION), check_exact=True
    )
    assert broken.forecasts(CHALLENGER).empty
    artefact(of_number(broken, 2)).write_bytes(whole)
    assert broken.predict(START).challenger_added == 1
    pd.testing.assert_frame_equal(
        broken.forecasts(CHALLENGER), sound.forecasts(CHALLENGER), check_exact=True
    )


def no_artefact(sandbox: SeriesSandbox) -> None:
    artefact(of_number(sandbox, 1)).unlink()


def no_version(sandbox: SeriesSandbox) -> None:
    shutil.rmtree(of_number(sandbox, 1).folder)


def altered_record(sandbox: SeriesSandbox) -> None:
    record = of_number(sandbox, 1).folder.parent / "roles.json"
    record.write_text(record.read_text().replace('"champion"', '"challenger"'))


@pytest.mark.parametrize("harm", [no_artefact, no_version, altered_record])
def test_without_its_champion_a_series_has_no_forecasts_at_all(
    tmp_path: Path, harm: Callable[[SeriesSandbox], None]
) -> None:
    sandbox = sandbox_with_challenger(tmp_path)
    before = sandbox.store.read_forecasts(sandbox.series, *ALWAYS)
    harm(sandbox)
    with pytest.raises(CorruptArtefact):
        sandbox.predict()
    pd.testing.assert_frame_equal(sandbox.store.read_forecasts(sandbox.series, *ALWAYS), before)


def test_origins_that_a_damaged_champion_missed_are_the_next_ones(tmp_path: Path) -> None:
    """The operator's way out: appoint the challenger, and nothing is left out."""
    sandbox = sandbox_with_challenger(tmp_path)
    missed = sandbox.now
    damage(of_number(sandbox, 1))
    with pytest.raises(CorruptArtefact):
        sandbox.predict()
    sandbox.pass_candles(1)
    promote(sandbox.store, sandbox.registry, sandbox.series, None, "1 is damaged", sandbox.now)
    sandbox.predict(START)
    assert sandbox.versions(CHAMPION) == {
        missed - HOUR: "1",
        missed: "2",
        missed + HOUR: "2",
    }
    assert sandbox.holders() == ("2", None)
