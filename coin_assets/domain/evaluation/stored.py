"""Shape of a stored evaluation: the members that its readers use, and their types."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from coin_assets.domain.json_format import Document, parse_time


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Window(_Strict):
    start: str
    end: str


class _Scores(_Strict):
    origins: int
    live: int
    backtest: int
    versions: dict[str, int]
    pinball: float
    skill: float | None
    mae: float
    smape: float
    mase: float | None
    directional_accuracy: float | None
    coverage_80: float | None
    coverage_90: float | None
    sharpness: float


class _Drift(_Strict):
    state: Literal["unknown", "stable", "drifting"]
    since: str | None
    reasons: list[str]


class _Promotion(_Strict):
    challenger: str
    decision: Literal["promote", "keep", "retire"]
    passes: list[str]


class _Paired(_Strict):
    champion: float
    challenger: float


class _Challenger(_Strict):
    method: str
    role: str
    scores: _Scores | None
    paired: _Paired | None = None
    promotion: _Promotion | None


class _Evaluation(_Strict):
    symbol: str
    timeframe: str
    as_of: str
    window: _Window
    champion: _Scores | None
    challenger: _Scores | None
    paired: _Paired | None = None
    drift: _Drift
    promotion: _Promotion | None
    champion_method: str | None = None
    challengers: list[_Challenger] = []  # of further methods


def require_evaluation(document: Document) -> None:
    """Check a document that `Evaluation.document` is said to have made.

    Raises:
        ValueError: a member that readers use is missing, or of another type.
    """
    found = _Evaluation.model_validate(document)
    times = [found.as_of, found.window.start, found.window.end]
    for promotion in (found.promotion, *(each.promotion for each in found.challengers)):
        times += promotion.passes if promotion else []
    times += [found.drift.since] if found.drift.since is not None else []
    for text in times:
        parse_time(text)
    if found.drift.state == "drifting" and found.drift.since is None:
        raise ValueError("it drifts, but not since when")
