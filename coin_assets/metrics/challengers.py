"""Metrics of challengers, from the stored evaluations: the manifest has the champion's scores."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client.core import Metric

from coin_assets.domain.evaluation.challengers import pairs_in
from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.domain.series import Series
from coin_assets.metrics.gauges import SERIES, gauge
from coin_assets.models.evaluations import EvaluationBook


def challenger_metrics(home: Path, series_list: Iterable[Series]) -> Iterator[Metric]:
    """Loss of each challenger beside the champion's, by method.

    Raises:
        MachineFault: the machine failed; the file may be intact.
        CorruptArtefact: an evaluation is damaged.
    """
    book = EvaluationBook(home)
    documents = ((series, book.read(series)) for series in series_list)
    yield gauge(
        "challenger_loss_ratio",
        "The challenger's pinball loss over the champion's, at the origins that both forecast.",
        (*SERIES, "method"),
        (
            ((series.symbol, series.timeframe.name, method), pairs[CHALLENGER] / pairs[CHAMPION])
            for series, document in documents
            for method, pairs in pairs_in(document or {})
            if pairs[CHAMPION]
        ),
    )
