"""Rows come into their order without a sort where they are in order already."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.store.merging import in_order
from coin_assets_tests.store.contract import HOUR, NOV

IDENTITY = ("role", "as_of", "step")
Row = tuple[str, int, int]
ROWS = st.lists(
    st.tuples(st.sampled_from([CHAMPION, CHALLENGER]), st.integers(0, 2), st.integers(1, 3)),
    max_size=6,
)


def frame_of(rows: list[Row]) -> pd.DataFrame:
    """Rows of role, hour of the origin and step; the index and a column give their places."""
    roles, hours, steps = zip(*rows, strict=True) if rows else ((), (), ())
    origins = pd.DatetimeIndex([NOV + HOUR * hour for hour in hours], tz="UTC").as_unit("us")
    columns = {"role": roles, "as_of": origins, "step": steps, "place": range(len(rows))}
    return pd.DataFrame(columns, index=range(7, 7 + len(rows)))


@settings(max_examples=80)
@given(rows=ROWS, are_sorted=st.booleans())
def test_any_rows_come_into_the_order_that_a_stable_sort_gives(
    rows: list[Row], are_sorted: bool
) -> None:
    frame = frame_of(sorted(rows) if are_sorted else rows)
    expected = frame.sort_values(list(IDENTITY), kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(in_order(frame, IDENTITY), expected)


@pytest.mark.parametrize(
    "late",
    [
        (CHALLENGER, 1, 2),  # before the last by its role
        (CHAMPION, 0, 2),  # by its origin
        (CHAMPION, 1, 1),  # by its step
    ],
)
def test_a_late_row_is_seen_by_whichever_column_it_is_late(
    late: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(CHALLENGER, 0, 3), (CHAMPION, 1, 2)]
    frame = frame_of(rows)
    with monkeypatch.context() as patch:
        patch.delattr(pd.DataFrame, "sort_values")  # in order: no sort
        assert in_order(frame, IDENTITY)["place"].tolist() == [0, 1]
    assert in_order(frame_of([*rows, late]), IDENTITY)["place"].tolist()[-1] == 1
    assert in_order(frame.iloc[:0], IDENTITY).empty
