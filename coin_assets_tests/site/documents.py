"""Documents of a published folder, made from nothing: they keep the schemas of docs/contract.

The same arguments give the same bytes. Prices are random walks, forecasts are cones around the last
close, and evaluations score nothing: tests of the page need form and size, not truth.
"""

import math
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from coin_assets.domain.forecasting.frame import QUANTILES, STEPS
from coin_assets.domain.json_format import time_text
from coin_assets.domain.timeframes import Timeframe

Document = dict[str, Any]
NOW = datetime(2026, 11, 29, 12, 2, tzinfo=UTC)
_PRICES = {"BTC": 91_250.0, "ETH": 3_185.0, "XRP": 2.18, "SOL": 141.2, "DOGE": 0.1624}
# Standard normal quantiles of `QUANTILES`.
_DEVIATIONS = (-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645)


def as_of(timeframe: str, now: datetime = NOW) -> datetime:
    """Close of the newest candle at ``now``."""
    return Timeframe.parse(timeframe).floor(now)


def history(
    symbol: str, timeframe: str, end: datetime, count: int = 200, holes: Collection[int] = ()
) -> Document:
    """A history file of ``count`` candles up to ``end``, without those at the places ``holes``."""
    own, random = Timeframe.parse(timeframe), Random(f"{symbol} {timeframe}")
    spread = 0.003 * math.sqrt(own.seconds / 3600)
    moves = [random.gauss(0, spread) for _ in range(count)]
    close = _PRICES.get(symbol.split("/")[0], 10.0) / math.exp(sum(moves))
    data = []
    for place, move in enumerate(moves):
        opened, close = close, close * math.exp(move)
        wicks = [math.exp(abs(random.gauss(0, spread / 2))) for _ in range(2)]
        if place in holes:
            continue
        data.append(
            {
                "timestamp": time_text(own.shift(end, place - count)),
                "open": opened,
                "high": max(opened, close) * wicks[0],
                "low": min(opened, close) / wicks[1],
                "close": close,
                "volume": random.uniform(1, 900),
            }
        )
    return {
        "symbol": symbol,
        "timeframe": timeframe,
        "type": f"history_{timeframe}",
        "as_of": time_text(end),
        "updated_at": time_text(end + timedelta(seconds=40)),
        "data": data,
    }


def prediction(of: Document) -> Document:
    """The forecast from the last close of a history file."""
    own = Timeframe.parse(of["timeframe"])
    end = datetime.fromisoformat(of["as_of"])
    times = [own.shift(end, step) for step in range(STEPS + 1)]
    cones = _cones(of["data"][-1]["close"], own)
    return {
        "symbol": of["symbol"],
        "timeframe": of["timeframe"],
        "as_of": of["as_of"],
        "updated_at": of["updated_at"],
        "model_version": "3",
        "interval": 0.8,
        "forecast": [
            {
                "timestamp": time_text(times[step]),
                "close_time": time_text(times[step + 1]),
                "price": cone["0.5"],
                "lower_bound": cone["0.1"],
                "upper_bound": cone["0.9"],
                "quantiles": cone,
            }
            for step, cone in enumerate(cones)
        ],
    }


def overview(of: Document, forecast: Document) -> Document:
    """The numbers of the first view."""
    closes = [candle["close"] for candle in of["data"]]
    last = forecast["forecast"][-1]
    return {
        "price": closes[-1],
        "previous_price": closes[-25],
        "target_time": last["close_time"],
        "lower_bound": last["lower_bound"],
        "upper_bound": last["upper_bound"],
        "closes": closes[-48:],
    }


def evaluation(of: Document, origins: int = 12) -> Document:
    """An evaluation with the newest matured forecasts; champion and challenger have scores."""
    random = Random(f"{of['symbol']} {of['timeframe']}")
    end = datetime.fromisoformat(of["as_of"])
    start = end - timedelta(days=30)
    champion, challenger = (role_scores(random) for _ in range(2))
    days = [start + timedelta(days=day) for day in range(31)]
    return {
        "version": 1,
        "symbol": of["symbol"],
        "timeframe": of["timeframe"],
        "type": f"evaluation_{of['timeframe']}",
        "levels": list(QUANTILES),
        "as_of": of["as_of"],
        "window": {"start": time_text(start), "end": time_text(end)},
        "champion": champion,
        "challenger": challenger,
        "naive": {
            name: champion[name]
            for name in ("pinball", "mae", "smape", "mase", "coverage_80", "coverage_90")
        }
        | {"sharpness": 0.03},
        "unscored": {"champion": 0, "challenger": 0},
        "paired": None,
        "drift": {
            "state": "stable",
            "since": None,
            "reasons": [],
            "ratio": None,
            "ratio_before": None,
        },
        "promotion": None,
        "by_step": [
            {"step": step + 1, "champion": part_scores(random), "challenger": part_scores(random)}
            for step in range(STEPS)
        ],
        "over_time": [
            {
                "start": time_text(first),
                "end": time_text(first + timedelta(days=1)),
                "origins": 24,
                "champion": part_scores(random),
                "challenger": part_scores(random) if first > days[10] else None,
            }
            for first in days[:-1]
        ],
        "recent": [_past(of, place) for place in range(-STEPS - origins, -STEPS)],
        "roles": [
            {
                "role": "champion",
                "version": version,
                "since": time_text(days[day]),
                "by": "succession",
                "reason": f"version {version} was trained at the start of the month",
            }
            for version, day in (("2", 2), ("3", 16))
        ],
    }


def quality(scores: Document, of: Document) -> Document:
    """The member ``quality`` of the manifest."""
    shown = ("origins", "live", "backtest", "pinball", "skill", "mae", "smape", "mase")
    coverage = ("directional_accuracy", "coverage_80", "coverage_90", "sharpness")
    return {
        "as_of": of["as_of"],
        "window": of["window"],
        **{name: scores[name] for name in (*shown, *coverage)},
        "drift": "stable",
        "model_versions": sorted(scores["versions"]),
    }


def _cones(close: float, timeframe: Timeframe) -> list[dict[str, float]]:
    """Quantiles of each step, by level."""
    spread = 0.003 * math.sqrt(timeframe.seconds / 3600)
    return [
        {
            str(level): close * math.exp(deviation * spread * math.sqrt(step))
            for level, deviation in zip(QUANTILES, _DEVIATIONS, strict=True)
        }
        for step in range(1, STEPS + 1)
    ]


def _past(of: Document, place: int) -> Document:
    """The matured forecast from the candle at ``place``, with its outcomes."""
    own = Timeframe.parse(of["timeframe"])
    candle, later = of["data"][place], of["data"][place + 1 :][:STEPS]
    origin = own.shift(datetime.fromisoformat(candle["timestamp"]), 1)
    return {
        "as_of": time_text(origin),
        "model_version": "3",
        "live": True,
        "last": candle["close"],
        "forecast": [
            {
                "close_time": time_text(own.shift(origin, step + 1)),
                "actual": later[step]["close"],
                "quantiles": cone,
            }
            for step, cone in enumerate(_cones(candle["close"], own))
        ],
    }


def part_scores(random: Random) -> Document:
    """Scores of a part of a role's forecasts."""
    naive = random.uniform(0.004, 0.006)
    return {
        "pinball": naive * random.gauss(0.96, 0.012),
        "naive_pinball": naive,
        "coverage_80": random.gauss(0.8, 0.012),
        "coverage_90": random.gauss(0.9, 0.01),
    }


def role_scores(random: Random) -> Document:
    """Scores of a role."""
    part = part_scores(random)
    held = {"coverage_80": part["coverage_80"], "coverage_90": part["coverage_90"]}
    return {
        "origins": 720,
        "live": 24,
        "backtest": 696,
        "versions": {"2": 384, "3": 336},
        **part,
        "skill": 1 - part["pinball"] / part["naive_pinball"],
        "mae": 0.011,
        "naive_mae": 0.011,
        "smape": 1.1,
        "mase": 3.2,
        "directional_accuracy": None,
        "coverage_by_steps": dict.fromkeys(("1-6", "7-12", "13-18", "19-24"), held),
        "coverage_by_volatility": dict.fromkeys(("calm", "middle", "wild"), held),
        "sharpness": 0.031,
        "observed": [level + random.uniform(-0.02, 0.02) for level in QUANTILES],
    }
