"""``redo_touched`` where forecasts read exogenous series that are corrected as well.

- A correction alone gives it nothing to do: what was known at an origin never changes.
- After a revised candle the forecasts are those of a home that had this candle from the start, and
  got the same values and corrections at the same times.
- Values that are damaged hold up the method that reads them, and no other.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.methods import CHALLENGER_EXOGENOUS, CHAMPION, IMPLIED
from coin_assets.market.base import Market
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.orchestration.informed import Informed
from coin_assets_tests.orchestration.jobs.test_recompute import spike
from coin_assets_tests.platform import failures, files_of, given, utc

DAY, FIRST, LAST = "2024-03-02", 2, 7
CHANGED, REVISED_AT = f"{DAY}T03:00", 7  # hour in which the market serves another candle
# The fetch after that is at 05:01:30, so the correction counts at 05:02:30. Later values come late.
CORRECTED, PUBLISHED_AT = f"{DAY}T03:00", f"{DAY}T04:20"
LATE, LATE_UNTIL = range(4, 7), f"{DAY}T07:30"
ROLES = (CHAMPION, CHALLENGER_EXOGENOUS)


@dataclass(frozen=True)
class Life:
    """What happens to a home hour by hour.

    Attributes:
        spiked: whether the market has the other candle from the start.
        revised: whether it has it from `REVISED_AT` on.
        corrected: whether a value is corrected at `PUBLISHED_AT`.
    """

    spiked: bool = False
    revised: bool = False
    corrected: bool = True


def opened(home: Path, life: Life) -> Informed:
    platform = Informed(home, f"{DAY}T0{FIRST}:01:30", reread_candles=12)
    events = platform.worlds[IMPLIED].events
    for hour in LATE:
        ((_, value),) = events[utc(f"{DAY}T0{hour}:00")]
        events[utc(f"{DAY}T0{hour}:00")] = [(utc(LATE_UNTIL), value)]
    if life.corrected:
        events[utc(CORRECTED)].append((utc(PUBLISHED_AT), 900.0))
    return platform


def market_of(life: Life, hour: int) -> Market:
    is_other = life.spiked or (life.revised and hour >= REVISED_AT)
    return spike(CHANGED) if is_other else PatchyMarket()


def lived(home: Path, life: Life) -> Informed:
    platform = opened(home, life)
    for hour in range(FIRST, LAST + 1):
        platform.now = f"{DAY}T{hour:02}:01:30"
        platform.market = given(market_of(life, hour), platform.market)
        platform.settle("exogenous_due")
        platform.settle("candles_due")
    return platform


@pytest.fixture(scope="module")
def always(tmp_path_factory: pytest.TempPathFactory) -> Informed:
    """A fresh home with the same inputs as known at each origin."""
    return lived(tmp_path_factory.mktemp("always") / "home", Life(spiked=True))


@pytest.fixture(scope="module")
def uncorrected(tmp_path_factory: pytest.TempPathFactory) -> Informed:
    return lived(tmp_path_factory.mktemp("plain") / "home", Life(spiked=True, corrected=False))


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("later") / "home"
    lived(home, Life(revised=True))
    return home


@pytest.fixture
def platform(later: Path, tmp_path: Path) -> Informed:
    """A home whose revised candle was stored and not recomputed yet."""
    home = Path(shutil.copytree(later, tmp_path / "home"))
    platform = opened(home, Life(revised=True))
    platform.now = f"{DAY}T{LAST:02}:01:30"
    platform.market = given(spike(CHANGED))
    return platform


def forecasts(platform: Informed, role: str) -> pd.DataFrame:
    """Forecasts with what they are made from; a recomputed one counts as backtest."""
    return platform.forecasts(role).drop(columns="kind")


def artefacts(platform: Informed) -> dict[str, bytes]:
    found = files_of(platform.settings.home / "models")
    return {name: content for name, content in found.items() if name.endswith("model.json")}


def differing(first: pd.DataFrame, second: pd.DataFrame) -> list[str]:
    """Origins of different forecasts."""
    assert first["as_of"].tolist() == second["as_of"].tolist()
    rows = (first != second).any(axis=1)
    return sorted({f"{each:%m-%dT%H}" for each in first["as_of"][rows]})


def test_after_a_revised_candle_and_a_correction_all_is_as_if_always_known(
    platform: Informed, always: Informed
) -> None:
    changed = [f"03-02T{hour:02}" for hour in range(4, LAST)]
    for role in ROLES:
        assert differing(forecasts(platform, role), forecasts(always, role)) == changed
    (request,) = platform.tick("late_candles").run_requests or []
    assert request.job_name == "redo_touched"
    assert platform.launch(request).is_success
    for role in ROLES:
        pd.testing.assert_frame_equal(
            forecasts(platform, role), forecasts(always, role), check_exact=True
        )
    assert platform.tick("late_candles").run_requests == []
    assert artefacts(platform) == artefacts(always)
    values = platform.values("BTC/USDT", IMPLIED)
    pd.testing.assert_frame_equal(values, always.values("BTC/USDT", IMPLIED))


@pytest.mark.slow
def test_the_correction_matters_from_its_receipt_on(
    always: Informed, uncorrected: Informed
) -> None:
    changed = differing(
        forecasts(always, CHALLENGER_EXOGENOUS), forecasts(uncorrected, CHALLENGER_EXOGENOUS)
    )
    assert changed == ["03-02T06", "03-02T07"]
    assert differing(forecasts(always, CHAMPION), forecasts(uncorrected, CHAMPION)) == []


def test_a_correction_alone_gives_nothing_to_do(always: Informed) -> None:
    assert always.values("BTC/USDT", IMPLIED)["timestamp"].duplicated().sum() == 1
    before = files_of(always.settings.home)
    tick = always.tick("late_candles")
    assert (tick.run_requests, tick.skip_message) == ([], "no candle changed after the fact")
    assert always.run("redo_touched").success
    assert files_of(always.settings.home) == before


def test_damaged_values_hold_up_their_method_alone_until_they_are_mended(
    platform: Informed, always: Informed
) -> None:
    home = platform.settings.home
    path = home / f"exogenous/symbol=BTC_USDT/timeframe=1h/month=2024-03/{IMPLIED}.parquet"
    whole, before = path.read_bytes(), forecasts(platform, CHALLENGER_EXOGENOUS)
    path.write_bytes(whole[:200])
    result = platform.run("redo_touched")
    assert not result.success
    (text,) = failures(result).values()
    assert str(path) in text
    pd.testing.assert_frame_equal(forecasts(platform, CHAMPION), forecasts(always, CHAMPION))
    pd.testing.assert_frame_equal(forecasts(platform, CHALLENGER_EXOGENOUS), before)
    assert platform.metadata("BTC_USDT/published_1h")
    path.write_bytes(whole)
    assert platform.run("redo_touched").success
    pd.testing.assert_frame_equal(
        forecasts(platform, CHALLENGER_EXOGENOUS),
        forecasts(always, CHALLENGER_EXOGENOUS),
        check_exact=True,
    )
