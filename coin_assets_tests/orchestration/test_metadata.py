"""Numbers for the UI have six significant digits."""

import pytest

from coin_assets.orchestration.metadata import rounded


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.1 + 0.2, 0.3),
        (97123.456789, 97123.5),
        (0.0000123456789, 0.0000123457),
        (-1234567.8, -1234570.0),
        (5.000000412, 5.0),
        (0.0, 0.0),
        (12, 12.0),
    ],
)
def test_a_number_keeps_six_digits(value: float, shown: float) -> None:
    assert rounded(value) == shown
    assert isinstance(rounded(value), float)
