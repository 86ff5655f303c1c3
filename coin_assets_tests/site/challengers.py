"""Evaluations with challengers of several methods, for tests of the page."""

import copy
from random import Random

from coin_assets_tests.site.documents import Document, part_scores, role_scores

# Of the further methods: role, loss beside the champion, and the version that the gate tests.
_FURTHER: dict[str, tuple[str, float, str | None]] = {
    "naive": ("challenger_naive", 1.04, None),
    "har_exogenous": ("challenger_har_exogenous", 0.97, "5"),
}


def challenged(of: Document, *, is_earlier: bool = False) -> Document:
    """An evaluation with challengers of three methods, two of which the gate tests.

    Of the challengers beside the champion ``har_exogenous`` loses least and ``naive`` most.

    Args:
        of: an evaluation.
        is_earlier: as the release wrote it that scored further methods as a whole alone.
    """
    random, document = Random("challengers"), copy.deepcopy(of)
    document |= {"paired": _paired(0.99), "promotion": _promotion("4")}
    document["challengers"] = [
        {
            "method": method,
            "role": role,
            "scores": role_scores(random),
            "paired": _paired(loss),
            "promotion": version and _promotion(version),
        }
        for method, (role, loss, version) in _FURTHER.items()
    ]
    if is_earlier:
        return document
    for part in (*document["by_step"], *document["over_time"]):
        part |= {role: part_scores(random) for role, _, _ in _FURTHER.values()}
    return document | {"champion_method": "har"}


def _paired(loss: float) -> Document:
    counts = {"origins": 700, "live": 20, "backtest": 680}
    return counts | {"champion": 0.005, "challenger": 0.005 * loss, "naive": 0.0051}


def _promotion(version: str) -> Document:
    """A verdict on a version: of three criteria one is met. A later release added the last."""
    tally = {"origins": 700, "to_champion": 0.98, "to_naive": 0.95, "coverage": 0.8}
    return {
        "decision": "keep",
        "passed": False,
        "criteria": [
            {"name": "sample", "passed": True, "finding": "700 matured forecasts."},
            {"name": "champion", "passed": False, "finding": "It may be chance."},
            {"name": "fair_weather", "passed": False, "finding": "It rained."},
        ],
        **dict.fromkeys(("whole", "live", "backtest"), tally),
        "p_value": 0.3,
        "challenger": version,
        "champion": "3",
        "passes": [],
    }
