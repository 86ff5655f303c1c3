"""Nobody works on candles of which nobody knows whether the market has them.

Known is what is stored, and what the market said it has not. What lies before the listing needs no
answer, and what comes after the newest candle is late, which passes by itself.
"""

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.candles.gaps import Gap
from coin_assets.errors import CandlesNotYetAvailable, MonthsNotFetched
from coin_assets.store.coverage import require_covered, require_newest, unanswered
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.store.contract import (
    DEC,
    HOUR,
    HOURLY,
    JAN,
    NOV,
    OCT,
    candles_at,
    fresh_series,
    hours,
    series_of,
)

SEEN = JAN + 9 * HOUR
Span = tuple[datetime, datetime]


def at(hour: int) -> datetime:
    return NOV + HOUR * hour


@pytest.fixture
def store(tmp_path: Path) -> ParquetStore:
    """Hours 0 to 9 of November but 3 and 4, listed since its first hour."""
    store = ParquetStore(tmp_path)
    opens = [at(hour) for hour in range(10) if hour not in (3, 4)]
    store.merge_candles(HOURLY, candles_at(opens), NOV, DEC)
    store.update_ledger(HOURLY, lambda ledger: ledger.listed_at(NOV))
    return store


def answered(store: ParquetStore, first: int, last: int, *later: timedelta) -> None:
    """The market said at these times that it has none of these hours."""
    gap = Gap(at(first), at(last), last - first)
    for time in later:
        asked = partial(Ledger.answered, start=gap.start, end=gap.end, gaps=[gap], at=SEEN + time)
        store.update_ledger(HOURLY, asked)


# ----------------------------------------------------------------------------------- unanswered


def test_what_is_neither_stored_nor_answered_for_is_unanswered(store: ParquetStore) -> None:
    assert unanswered(store, HOURLY, at(0), at(10)) == [(at(3), at(5))]
    assert unanswered(store, HOURLY, at(4), at(12)) == [(at(4), at(5)), (at(10), at(12))]
    assert unanswered(store, HOURLY, at(0), at(3)) == []


def test_one_answer_is_enough(store: ParquetStore) -> None:
    answered(store, 3, 4, 0 * HOUR)
    assert unanswered(store, HOURLY, at(0), at(10)) == [(at(4), at(5))]
    answered(store, 4, 5, 0 * HOUR)
    assert unanswered(store, HOURLY, at(0), at(10)) == []


def test_a_question_in_vain_is_no_answer(store: ParquetStore) -> None:
    gap = Gap(at(3), at(5), 2)
    store.update_ledger(HOURLY, lambda known: known.failed(at(0), at(10), [gap], "gone", SEEN))
    assert unanswered(store, HOURLY, at(0), at(10)) == [(at(3), at(5))]


def test_nothing_before_the_listing_is_unanswered(store: ParquetStore) -> None:
    assert unanswered(store, HOURLY, OCT, at(3)) == []
    assert unanswered(store, HOURLY, OCT, NOV) == []


def test_a_derived_key_has_no_listing_and_so_no_unanswered_candles(store: ParquetStore) -> None:
    store.merge_candles(series_of("4h"), candles_at([at(0), at(8)]), NOV, DEC)
    assert unanswered(store, series_of("4h"), NOV, DEC) == []


def test_an_answer_for_a_candle_that_is_stored_hides_no_other_one(store: ParquetStore) -> None:
    """As two pulls of the same candles at the same time may leave it."""
    answered(store, 5, 7, 0 * HOUR)
    assert unanswered(store, HOURLY, at(0), at(10)) == [(at(3), at(5))]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from(["stored", "absent", "both", "failed", "unknown"]), min_size=12),
    span=st.tuples(st.integers(0, 12), st.integers(0, 12)),
)
def test_unanswered_is_what_looking_at_each_candle_finds(
    tmp_path: Path, kinds: list[str], span: tuple[int, int]
) -> None:
    store, series = ParquetStore(tmp_path), fresh_series("1h")
    store.update_ledger(series, lambda ledger: ledger.listed_at(at(1)))
    opens = [at(hour) for hour, kind in enumerate(kinds[:12]) if kind in ("stored", "both")]
    store.merge_candles(series, candles_at(opens), NOV, DEC)
    for hour, kind in enumerate(kinds[:12]):
        gap = Gap(at(hour), at(hour + 1), 1)
        asked: dict[str, Any] = {"start": gap.start, "end": gap.end, "gaps": [gap], "at": SEEN}
        if kind in ("absent", "both"):
            store.update_ledger(series, partial(Ledger.answered, **asked))
        if kind == "failed":
            store.update_ledger(series, partial(Ledger.failed, **asked, error="gone"))
    found = unanswered(store, series, at(span[0]), at(span[1]))
    assert [opened for start, end in found for opened in series.timeframe.opens(start, end)] == [
        at(hour)
        for hour, kind in enumerate(kinds[:12])
        if max(span[0], 1) <= hour < span[1] and kind in ("failed", "unknown")
    ]


# ------------------------------------------------------------------------------- require_covered


def test_unknown_candles_between_stored_ones_name_their_month(store: ParquetStore) -> None:
    with pytest.raises(MonthsNotFetched) as refusal:
        require_covered(store, HOURLY, NOV, DEC)
    assert "BTC/USDT 1h candles of 2026-11 were never fetched" in str(refusal.value)
    assert "Materialise BTC_USDT/ohlcv_1h" in str(refusal.value)
    assert "COIN_HISTORY_START=2026-12-01" in str(refusal.value)


def test_answered_holes_and_candles_after_the_newest_one_are_covered(store: ParquetStore) -> None:
    answered(store, 3, 5, 0 * HOUR)
    require_covered(store, HOURLY, NOV, DEC)
    require_covered(store, HOURLY, at(4), at(5))


def test_months_that_were_never_written_are_named_whatever_the_listing(store: ParquetStore) -> None:
    answered(store, 3, 5, 0 * HOUR)
    with pytest.raises(MonthsNotFetched, match="of 2026-10, 2026-12 were"):
        require_covered(store, HOURLY, OCT, JAN)


def test_months_written_empty_before_the_listing_are_covered(store: ParquetStore) -> None:
    answered(store, 3, 5, 0 * HOUR)
    store.merge_candles(HOURLY, candles_at([]), OCT, NOV)
    require_covered(store, HOURLY, OCT, DEC)


def test_unknown_candles_of_several_months_name_them_all(store: ParquetStore) -> None:
    store.merge_candles(HOURLY, hours(DEC + 5 * HOUR, 1), DEC, JAN)
    with pytest.raises(MonthsNotFetched, match="of 2026-11 to 2026-12 were"):
        require_covered(store, HOURLY, at(9), JAN)


# -------------------------------------------------------------------------------- require_newest


@pytest.mark.parametrize("hour", [-5, 3, 9])
def test_a_candle_up_to_the_newest_one_is_reached(store: ParquetStore, hour: int) -> None:
    require_newest(store, HOURLY, at(hour))


def test_a_candle_after_the_newest_one_is_late(store: ParquetStore) -> None:
    with pytest.raises(CandlesNotYetAvailable, match=r"1h candle .* 10:00 .* end with .* 09:00"):
        require_newest(store, HOURLY, at(10))


def test_without_any_candle_nothing_is_reached(store: ParquetStore) -> None:
    with pytest.raises(CandlesNotYetAvailable, match="have not begun"):
        require_newest(store, series_of("1h", "NEW/USDT"), at(0))


def test_verified_absences_right_after_the_newest_candle_count_as_reached(
    store: ParquetStore,
) -> None:
    answered(store, 10, 12, 0 * HOUR, HOUR)
    answered(store, 12, 13, 0 * HOUR)
    for hour in (10, 11):
        require_newest(store, HOURLY, at(hour))
    for hour in (12, 13):
        with pytest.raises(CandlesNotYetAvailable):
            require_newest(store, HOURLY, at(hour))


def test_verified_absences_further_on_do_not(store: ParquetStore) -> None:
    answered(store, 11, 12, 0 * HOUR, HOUR)
    with pytest.raises(CandlesNotYetAvailable):
        require_newest(store, HOURLY, at(11))
