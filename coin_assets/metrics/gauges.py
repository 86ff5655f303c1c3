"""Gauges, as all metrics of the platform are: they are read from what exists, not counted."""

from collections.abc import Iterable, Sequence

from prometheus_client.core import GaugeMetricFamily

SERIES = ("symbol", "timeframe")  # labels
Sample = tuple[Sequence[str], float | None]


def gauge(
    name: str, meaning: str, labels: Sequence[str], samples: Iterable[Sample]
) -> GaugeMetricFamily:
    """The gauge ``coin_assets_<name>``.

    Args:
        samples: values of the labels, and the value; without one there is no sample.
    """
    family = GaugeMetricFamily(f"coin_assets_{name}", meaning, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric(list(values), value)
    return family
