"""What a failed task leaves in Dagster's event log, for each way in which Dagster ends a step."""

from pathlib import Path

import dagster as dg
import pytest

from coin_assets.domain.failures import UNEXPECTED, FailureRecord
from coin_assets.domain.layers import CANDLES
from coin_assets.errors import InvalidCandles, MarketUnavailable, SymbolUnavailable
from coin_assets.orchestration.failures import (
    RECORD,
    RECORD_EVENTS,
    failures_named,
    records_of,
    unrecorded,
)
from coin_assets_tests.platform import series

HOURLY = series("1h")


def connection_error() -> None:
    try:
        raise ConnectionError("reset by peer")
    except ConnectionError as error:
        raise MarketUnavailable("the exchange does not answer") from error


def result_of(
    error: Exception | None, retries: int, instance: dg.DagsterInstance | None = None
) -> tuple[dg.ExecuteInProcessResult, object]:
    @dg.asset(
        key=["BTC_USDT", "ohlcv_1h"],
        tags={"timeframe": "1h", "layer": CANDLES},
        metadata={"symbol": HOURLY.symbol},
        retry_policy=dg.RetryPolicy(max_retries=retries),
    )
    def candles() -> None:
        with failures_named():
            if error is None:
                connection_error()
            else:
                raise error

    instance = instance or dg.DagsterInstance.ephemeral()
    return dg.materialize([candles], instance=instance, raise_on_error=False), instance


def left_by(error: Exception | None, retries: int = 0) -> list[FailureRecord]:
    """Records of a candle task that ends with ``error``; None: with an error beneath another."""
    result, instance = result_of(error, retries)
    assert not result.success
    assert isinstance(instance, dg.DagsterInstance)
    (found,) = records_of(instance.all_logs(result.run_id, of_type=RECORD_EVENTS)).values()
    return found


def test_each_attempt_leaves_a_record_and_what_lies_beneath_does_not_decide() -> None:
    found = left_by(None, retries=1)
    assert [(each.code, each.message) for each in found] == [
        ("market_unavailable", "the exchange does not answer")
    ] * 2
    assert {(each.series, each.task) for each in found} == {(HOURLY, CANDLES)}
    assert {each.cause for each in found} == {"the market does not answer"}


@pytest.mark.parametrize(
    ("error", "code", "attempts"),
    [
        (SymbolUnavailable("BTC/USDT is not listed"), "symbol_unavailable", 1),
        (InvalidCandles("unaligned", "one candle is off"), "invalid_candles", 1),
        (MarketUnavailable("down"), "market_unavailable", 2),
        (KeyError("a defect"), UNEXPECTED, 2),
    ],
)
def test_only_what_lasts_is_not_tried_again(error: Exception, code: str, attempts: int) -> None:
    found = left_by(error, retries=1)
    assert [each.code for each in found] == [code] * attempts
    assert {each.message for each in found} == {str(error)}


def test_the_failed_step_carries_its_record_as_metadata() -> None:
    result, _ = result_of(SymbolUnavailable("BTC/USDT is not listed"), 0)
    (event,) = result.get_step_failure_events()
    data = event.step_failure_data.user_failure_data
    assert data is not None
    document = data.metadata[RECORD].value
    assert isinstance(document, dict)
    assert FailureRecord.of_document(document).series == HOURLY


def test_outside_of_a_run_errors_are_raised_all_the_same() -> None:
    with pytest.raises(dg.Failure, match="not listed"), failures_named():
        raise SymbolUnavailable("BTC/USDT is not listed")


def test_a_step_that_fails_outside_of_the_boundary_is_unexpected_and_shows_the_error() -> None:
    @dg.op
    def defect() -> None:
        raise RuntimeError("a defect")

    @dg.job
    def job() -> None:
        defect()

    instance = dg.DagsterInstance.ephemeral()
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    (entry,) = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    record = unrecorded(entry)
    assert (record.code, record.series, record.task) == (UNEXPECTED, None, "defect")
    assert "a defect" in record.message


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (None, "the exchange does not answer"),
        (KeyError("a defect"), "KeyError: 'a defect'"),
        (SymbolUnavailable("BTC/USDT is not listed"), "BTC/USDT is not listed"),
    ],
)
def test_step_and_run_fail_with_the_cause_and_not_with_the_number_of_attempts(
    tmp_path: Path, error: Exception | None, sentence: str, retries: int
) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        result, _ = result_of(error, retries, instance)
        entries = instance.all_logs(result.run_id)
    step, run = (
        next(each for each in entries if each.dagster_event_type is kind).get_dagster_event()
        for kind in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE)
    )
    data, of_run = step.step_failure_data, run.job_failure_data
    assert data.user_failure_data is not None
    assert data.user_failure_data.description == sentence
    for shown in (data.error, of_run.error):
        assert shown is not None
        assert shown.message == f"dagster._core.definitions.events.Failure: {sentence}\n"
        assert shown.cause is not None  # the stack trace of the error
    assert not [each for each in entries if "max_retries" in each.message]
