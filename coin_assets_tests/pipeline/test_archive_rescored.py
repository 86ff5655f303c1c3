"""The archive rescored with pandas and scikit-learn gives the numbers of the evaluation.

Nothing of the platform's scoring is used: losses are those of `sklearn.metrics.mean_pinball_loss`,
outcomes are joined by time from the archived candles.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_pinball_loss

from coin_assets.domain.evaluation.report import evaluation
from coin_assets.domain.evaluation.windows import candles_from
from coin_assets.domain.timeframes import months_between
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.pipeline.evaluate import evaluate_series
from coin_assets_tests.pipeline.archived import archive, rows_of
from coin_assets_tests.pipeline.series_sandbox import START, SeriesSandbox
from coin_assets_tests.platform import utc

_STEPS = 24


def rescored(folder: Path, role: str, start: pd.Timestamp, end: pd.Timestamp) -> dict[str, Any]:
    """Scores of the archived forecasts of hours with origins in ``[start, end)``."""
    forecasts, candles = rows_of(folder, "forecasts"), rows_of(folder, "candles")
    origin = forecasts["origin_time"]
    chosen = forecasts[(forecasts["role"] == role) & (origin >= start) & (origin < end)]
    closed = candles.set_index(candles["timestamp"] + pd.Timedelta("1h"))["close"]
    scored = chosen.assign(actual=chosen["target_time"].map(closed)).dropna(subset="actual")
    # Each origin has the same weight, and in it each step whose candle exists.
    steps = scored.groupby("origin_time")["horizon"].transform("nunique")
    scored = scored.assign(weight=1 / steps)
    by_level = scored.groupby("output_type_id")
    wide = scored.pivot_table(
        index=["origin_time", "horizon"], columns="output_type_id", values="value"
    )
    rest = scored[scored["output_type_id"] == 0.5].set_index(["origin_time", "horizon"])
    actual = rest["actual"]

    def share(inside: "pd.Series[bool]") -> float:
        return float(np.average(inside, weights=rest["weight"].reindex(inside.index)))

    return {
        "origins": scored["origin_time"].nunique(),
        "live": scored[scored["kind"] == "live"]["origin_time"].nunique(),
        "pinball": np.mean(
            [
                mean_pinball_loss(
                    np.log(rows["actual"]),
                    np.log(rows["value"]),
                    alpha=level,
                    sample_weight=rows["weight"],
                )
                for level, rows in by_level
            ]
        ),
        "coverage_80": share((wide[0.1] <= actual) & (actual <= wide[0.9])),
        "coverage_90": share((wide[0.05] <= actual) & (actual <= wide[0.95])),
        "observed": [share(actual <= wide[level]) for level in wide.columns],
        "versions": {
            name: int(count)
            for name, count in scored.groupby("model_id")["origin_time"].nunique().items()
        },
    }


def require_equal(found: dict[str, Any], scores: dict[str, Any]) -> None:
    for name in ("origins", "live", "versions"):
        assert found[name] == scores[name], name
    for name in ("pinball", "coverage_80", "coverage_90", "observed"):
        assert found[name] == pytest.approx(scores[name], rel=1e-8), name


def with_gap(candles: pd.DataFrame) -> pd.DataFrame:
    opened = candles["timestamp"]
    return candles[(opened < utc("2024-02-05T03:00")) | (opened >= utc("2024-02-05T08:00"))]


def sandbox_at(home: Path, now: str) -> SeriesSandbox:
    """Backtests of all origins by the monthly versions, and two live forecasts."""
    sandbox = SeriesSandbox(home)
    sandbox.alter = with_gap
    sandbox.train()
    sandbox.until(utc(now))
    for month in months_between(START, sandbox.now)[1:]:
        sandbox.train(month)
    sandbox.predict(START, sandbox.now)
    for _ in range(2):
        sandbox.predict()
        sandbox.pass_candles(1)
    sandbox.pass_candles(_STEPS + 1)
    return sandbox


def test_the_window_of_the_evaluation(tmp_path: Path) -> None:
    sandbox = sandbox_at(tmp_path / "home", "2024-03-02")
    store, series, folder = sandbox.store, sandbox.series, tmp_path / "published"
    archive(store, series, folder, sandbox.now)
    report = evaluate_series(store, sandbox.registry, EvaluationBook(tmp_path / "home"), series)
    start, end = (pd.Timestamp(each) for each in report.evaluation.window)
    assert report.document["champion"]["live"] == 2
    require_equal(rescored(folder, "champion", start, end), report.document["champion"])


@pytest.mark.slow
def test_a_walk_forward_year(tmp_path: Path) -> None:
    sandbox = sandbox_at(tmp_path / "home", "2025-01-15")
    store, series, folder = sandbox.store, sandbox.series, tmp_path / "published"
    archive(store, series, folder, sandbox.now)
    start = utc("2024-01-25")
    candles = store.read_candles(series, candles_from(series.timeframe, start), sandbox.now)
    forecasts = store.read_forecasts(series, start, sandbox.now)
    document = evaluation(series, candles, forecasts, sandbox.now, start).document()
    assert document["champion"]["origins"] > 8500
    window = (pd.Timestamp(document["window"][name]) for name in ("start", "end"))
    require_equal(rescored(folder, "champion", *window), document["champion"])
