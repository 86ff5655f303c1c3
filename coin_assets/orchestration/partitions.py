"""The partition scheme: a partition is a UTC calendar month."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


@contextmanager
def beta_features_accepted() -> Iterator[None]:
    """Silences the warnings of two beta features.

    Backfill policies and mappings to months that may not exist yet are used on purpose.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield


with beta_features_accepted():
    # The last candle that opens in a month may close in the next one.
    UNTIL_NEXT_MONTH = dg.TimeWindowPartitionMapping(
        start_offset=0, end_offset=1, allow_nonexistent_upstream_partitions=True
    )


def months_so_far(months: int) -> dg.TimeWindowPartitionMapping:
    """Mapping of a month to itself and to the ``months`` before it, if they exist.

    Dagster visits every month of the mapping for every step, so a large bound costs time: a century
    costs a default update 4 s.
    """
    with beta_features_accepted():
        return dg.TimeWindowPartitionMapping(
            start_offset=-months, end_offset=0, allow_nonexistent_upstream_partitions=True
        )


def monthly_partitions(history_start: datetime) -> dg.MonthlyPartitionsDefinition:
    """Months from ``history_start`` up to and including the running one."""
    return dg.MonthlyPartitionsDefinition(start_date=f"{history_start:%Y-%m-%d}", end_offset=1)


def partition_of(time: datetime) -> str:
    """Partition key of the month that contains ``time``: ``2026-11-01``."""
    return f"{time.astimezone(UTC):%Y-%m}-01"


def selected_window(context: dg.AssetExecutionContext) -> tuple[datetime, datetime]:
    """``[start, end)`` of the months that this run materialises."""
    window = context.partition_time_window
    return window.start.astimezone(UTC), window.end.astimezone(UTC)
