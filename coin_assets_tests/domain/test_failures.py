"""Failure records and the codes of the platform's errors."""

import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from coin_assets import errors
from coin_assets.domain.failures import UNEXPECTED, FailureRecord
from coin_assets.domain.series import Series
from coin_assets.errors import CoinAssetsError, MarketUnavailable, PartsFailed, SymbolUnavailable
from coin_assets_tests.platform import series

TIME = datetime(2026, 11, 28, 10, tzinfo=UTC)


def every_class(error: type[CoinAssetsError] = CoinAssetsError) -> Iterator[type[CoinAssetsError]]:
    if error.__module__ == errors.__name__:
        yield error
        for each in error.__subclasses__():
            yield from every_class(each)


def test_each_error_class_has_its_own_code_and_how_alerts_group_it() -> None:
    found = list(every_class())
    assert len(found) > 20
    assert all({"code", "alert_cause"} <= vars(each).keys() for each in found)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", each.code) for each in found)
    assert len({each.code for each in found}) == len(found)
    assert len({each.alert_cause for each in found}) == len(found)


def raised(*chain: Exception) -> Exception:
    """The last of these, each raised from the one before."""
    for beneath, above in itertools.pairwise(chain):
        above.__cause__ = beneath
    return chain[-1]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (raised(ConnectionError("reset"), MarketUnavailable("down")), "market_unavailable", "down"),
        (
            raised(SymbolUnavailable("no"), MarketUnavailable("down")),
            "market_unavailable",
            "down",
        ),
        (raised(MarketUnavailable("down"), RuntimeError("again")), "market_unavailable", "down"),
        (raised(ConnectionError("reset"), ValueError("odd")), UNEXPECTED, "odd"),
        (ValueError(), UNEXPECTED, "ValueError"),
    ],
)
def test_the_outermost_error_of_the_platform_decides(
    error: Exception, code: str, message: str
) -> None:
    record = FailureRecord.of(error, None, "train", TIME)
    assert (record.code, record.message) == (code, message)


@pytest.mark.parametrize(
    ("error", "of"),
    [(MarketUnavailable("down: x. Wait."), series("4h")), (PartsFailed("two", ("a", "b")), None)],
)
def test_a_record_is_the_same_after_json(error: CoinAssetsError, of: Series | None) -> None:
    record = FailureRecord.of(error, of, "candles", TIME)
    assert FailureRecord.of_document(record.document()) == record
