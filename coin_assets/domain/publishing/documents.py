"""Contents of the published files of a series, as JSON values.

Prices are written as Python writes floats, so that reading them gives the same bits.
"""

import hashlib
from datetime import datetime
from itertools import pairwise

import pandas as pd

from coin_assets.domain.candles.frame import COLUMNS
from coin_assets.domain.forecasting.frame import QUANTILE_COLUMNS, QUANTILES, STEPS
from coin_assets.domain.json_format import TIME_FORMAT, Document, parse_time, time_text
from coin_assets.domain.methods import CHALLENGER, CHALLENGERS, CHAMPION, CHAMPION_METHOD
from coin_assets.domain.series import Series

INTERVAL = 0.8
OVERVIEW_CLOSES = 48
_LOWER, _UPPER = "q10", "q90"
_CLOSE_TIME = "close_time"
EVALUATION, EVALUATIONS, EVALUATION_VERSION = "evaluation", "evaluations/", 1


def file_name(kind: str, series: Series) -> str:
    """``history_BTC_USDT_1h.json``; ``kind`` is ``history``, ``prediction`` or ``evaluation``.

    Evaluations are in a folder of their own: ``evaluations/BTC_USDT_1h.json``.
    """
    before = EVALUATIONS if kind == EVALUATION else f"{kind}_"
    return f"{before}{series.symbol_name}_{series.timeframe}.json"


def page_of(site: str, series: Series) -> str:
    """Address of the series on the page, which is served at ``site``."""
    return f"{site.rstrip('/')}/#/series/{series.symbol_name}/{series.timeframe}"


def published_market(kind: str, argument: str) -> str:
    """Name of a market in published files: of an archive a digest in place of its folder."""
    if kind == "archive":
        argument = hashlib.sha256(argument.encode()).hexdigest()[:12]
    return ":".join(filter(None, (kind, argument)))


def identity_of(kind: str, series: Series) -> Document:
    """Members that say which series, and which kind of file, a published file is of."""
    own = {"symbol": series.symbol, "timeframe": series.timeframe.name}
    return own | ({} if kind == "prediction" else {"type": f"{kind}_{series.timeframe}"})


def require_content(kind: str, series: Series, document: Document) -> None:
    """Check that the rows of a published file are those that its ``as_of`` promises.

    Raises:
        LookupError, TypeError, ValueError: they are not.
    """
    as_of = parse_time(document["as_of"])
    if kind == "history":
        newest = parse_time(document["data"][-1]["timestamp"])
        if series.timeframe.close_of(newest) != as_of:
            raise ValueError(f"its newest candle does not close at {document['as_of']}")
        return
    steps = document["forecast"]
    if len(steps) != STEPS or parse_time(steps[0]["timestamp"]) != as_of:
        raise ValueError(f"it has no {STEPS} steps from {document['as_of']} on")
    if not isinstance(document["model_version"], str):
        raise TypeError("its model_version is no text")


def history_document(series: Series, candles: pd.DataFrame, now: datetime) -> Document:
    """The history file of non-empty ``candles``; ``as_of`` is the close of the newest one."""
    columns = [candles[name].tolist() for name in COLUMNS[1:]]
    stamps = candles["timestamp"].dt.strftime(TIME_FORMAT).tolist()
    newest = candles["timestamp"].iloc[-1].to_pydatetime()
    return {
        **identity_of("history", series),
        "as_of": time_text(series.timeframe.close_of(newest)),
        "updated_at": time_text(now),
        "data": [
            dict(zip(COLUMNS, row, strict=True)) for row in zip(stamps, *columns, strict=True)
        ],
    }


def prediction_document(series: Series, forecast: pd.DataFrame, now: datetime) -> Document:
    """The prediction file of one origin.

    Args:
        forecast: the `STEPS` rows of one origin and role, ordered by step.
    """
    if len(forecast) != STEPS:
        raise ValueError(f"a forecast has {STEPS} steps, not {len(forecast)}")
    origin = forecast["as_of"].iloc[0].to_pydatetime()
    times = [series.timeframe.shift(origin, step) for step in range(STEPS + 1)]
    return {
        **identity_of("prediction", series),
        "as_of": time_text(origin),
        "updated_at": time_text(now),
        "model_version": str(forecast["model_version"].iloc[0]),
        "interval": INTERVAL,
        "forecast": [
            {
                "timestamp": time_text(opened),
                _CLOSE_TIME: time_text(closed),
                "price": float(row["price"]),
                "lower_bound": float(row[_LOWER]),
                "upper_bound": float(row[_UPPER]),
                "quantiles": {
                    str(level): float(row[name])
                    for level, name in zip(QUANTILES, QUANTILE_COLUMNS, strict=True)
                },
            }
            for (opened, closed), row in zip(
                pairwise(times), forecast.to_dict("records"), strict=True
            )
        ],
    }


def evaluation_document(series: Series, evaluation: Document, details: Document) -> Document:
    """The evaluation file of a series; it depends on its data alone, not on the clock.

    Args:
        evaluation: as stored; see `Evaluation.document`.
        details: see `details_of`.
    """
    kept = ("as_of", "window", CHAMPION, CHALLENGER, "naive", "unscored", "paired", "drift")
    further = [
        {**each, "promotion": _published_promotion(each["promotion"])}
        for each in evaluation.get(CHALLENGERS, ())
    ]
    return {
        "version": EVALUATION_VERSION,
        **identity_of(EVALUATION, series),
        "levels": list(QUANTILES),
        **{name: evaluation[name] for name in kept},
        "promotion": _published_promotion(evaluation["promotion"]),
        **({CHAMPION_METHOD: evaluation[CHAMPION_METHOD]} if CHAMPION_METHOD in evaluation else {}),
        **({CHALLENGERS: further} if further else {}),
        **details,
    }


def _published_promotion(promotion: Document | None) -> Document | None:
    """A verdict as readers get it."""
    return promotion and {
        **promotion,
        "criteria": [
            {"name": each["name"], "passed": each["passed"], "finding": each["said"]}
            for each in promotion["criteria"]
        ],
    }


def overview_of(series: Series, history: Document, prediction: Document) -> Document:
    """The numbers of a first view, of both files: newest closes, and where the forecast ends."""
    recent = history["data"][-OVERVIEW_CLOSES:]
    newest, last = parse_time(recent[-1]["timestamp"]), prediction["forecast"][-1]
    earlier = time_text(series.timeframe.shift(newest, -STEPS))
    end = series.timeframe.shift(parse_time(prediction["as_of"]), STEPS)
    return {
        "price": recent[-1]["close"],
        "previous_price": {row["timestamp"]: row["close"] for row in recent}.get(earlier),
        "target_time": time_text(end),
        "lower_bound": last["lower_bound"],
        "upper_bound": last["upper_bound"],
        "closes": [row["close"] for row in recent],
    }


def without_close_times(document: Document) -> Document:
    """The prediction file as releases wrote it before its steps had ``close_time``."""
    steps = [
        {name: value for name, value in step.items() if name != _CLOSE_TIME}
        for step in document["forecast"]
    ]
    return document | {"forecast": steps}
