"""Forecast frames, the forecaster interface, and the leak rule.

An origin is the close of the newest candle that a forecast uses. It is also the open of the first
forecast candle. Step ``h`` (1..24) is the close of the h-th candle after the origin.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.domain.candles.frame import TIMESTAMP_DTYPE
from coin_assets.domain.methods import CHAMPION, ROLES
from coin_assets.domain.timeframes import Timeframe, as_micros
from coin_assets.errors import DataRefused

STEPS = 24
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
MEDIAN = QUANTILES.index(0.5)
QUANTILE_COLUMNS = [f"q{round(level * 100):02d}" for level in QUANTILES]
PRICE_COLUMNS = ["price", *QUANTILE_COLUMNS]
FORECAST_SCHEMA = {
    "as_of": ("timestamp[us, UTC]", "origin: close of the newest candle used"),
    "role": ("string", "champion, or the challenger of a method"),
    "step": ("int64", f"1..{STEPS}, candles after the origin"),
    "price": ("float64", "median of the close of the forecast candle"),
    **{
        name: ("float64", f"{level:.0%} quantile of that close")
        for name, level in zip(QUANTILE_COLUMNS, QUANTILES, strict=True)
    },
    "model_version": ("string", "version of the model that made it"),
    "kind": ("string", "live, or backtest when made after the first forecast candle closed"),
}
_DTYPES = {"timestamp[us, UTC]": TIMESTAMP_DTYPE, "string": "str"}  # others are as documented
_TYPES = {name: _DTYPES.get(kind, kind) for name, (kind, _) in FORECAST_SCHEMA.items()}
# Kinds of forecasts; `planning.facts.LIVE` is the purpose of a run.
LIVE, BACKTEST = KINDS = ("live", "backtest")

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Version = TypeVar("Version", bound="HasCutoff")


def require_closes(are_closes: Bools, origins: pd.DatetimeIndex, timeframe: Timeframe) -> None:
    """Check that each origin is the close of a candle.

    Raises:
        DataRefused: one is not.
    """
    if not are_closes.all():
        others = origins[~are_closes]
        raise DataRefused(
            f"{len(others)} of {len(origins)} origins are not the close of a {timeframe} candle, "
            f"first {others[0]}. Pass closes of its candles."
        )


class HasCutoff(Protocol):
    """A model version with the time up to which it saw candles."""

    @property
    def cutoff(self) -> datetime:
        """Time by which all candles that the model saw had closed."""
        ...


class Forecaster(Protocol):
    """A scikit-learn estimator over candle frames of one symbol and timeframe.

    Attributes:
        name: identifies the method in artefacts.
        context: number of candles up to an origin that a forecast reads; more change nothing.
        features: names of the features, in the order of the model. Those named like an exogenous
            series read its column.
    """

    name: str
    context: int
    features: tuple[str, ...]

    def fit(self, candles: pd.DataFrame) -> Self:
        """Fit to a candle frame.

        Args:
            candles: candle frame; gaps are allowed.

        Raises:
            InsufficientData: see `trainable.why_no_model`.
        """
        ...

    def predict_quantiles(self, candles: pd.DataFrame, origins: pd.DatetimeIndex) -> Floats:
        """Quantiles of future closes.

        Args:
            candles: candle frame from `context` candles before the first origin to the last
                origin. Candles after an origin do not change its forecast, to the bit.
            origins: closes of candles in ``candles``, shape (origins,).

        Returns:
            Prices, shape (origins, `STEPS`, quantiles), non-decreasing along the last axis.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Parameters of the fitted forecaster as JSON values; `from_state` restores them."""
        ...

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The fitted forecaster whose parameters are ``state``; it forecasts the same to the bit.

        Raises:
            ValueError, KeyError, TypeError: these are not parameters of this forecaster.
        """
        ...


def forecast_frame(
    origins: pd.DatetimeIndex,
    quantiles: Floats,
    model_version: str,
    kinds: Iterable[str],
    role: str = CHAMPION,
) -> pd.DataFrame:
    """Forecast frame (`FORECAST_SCHEMA`) with `STEPS` rows an origin.

    Args:
        origins: shape (origins,).
        quantiles: prices, shape (origins, `STEPS`, quantiles).
        model_version: name of the version that made the forecasts.
        kinds: `LIVE` or `BACKTEST` for each origin.
        role: one of `ROLES`.
    """
    columns: dict[str, Any] = {
        "as_of": origins.repeat(STEPS),
        "role": role,
        "step": np.tile(np.arange(1, STEPS + 1, dtype=np.int64), len(origins)),
        "price": quantiles[:, :, MEDIAN].ravel(),
    }
    flat = quantiles.reshape(-1, len(QUANTILES))
    columns |= {name: flat[:, index] for index, name in enumerate(QUANTILE_COLUMNS)}
    columns |= {"model_version": model_version, "kind": np.repeat(list(kinds), STEPS)}
    return _typed(pd.DataFrame(columns), ("role", "model_version", "kind"))


def validated_forecasts(frame: pd.DataFrame, timeframe: Timeframe) -> pd.DataFrame:
    """``frame`` in canonical types, if it is a forecast frame.

    Raises:
        DataRefused: missing columns, wrong types, incomplete steps, crossing or non-positive
            quantiles, an unknown role or kind, no model version, or unaligned origins.
    """
    missing = [name for name in FORECAST_SCHEMA if name not in frame.columns]
    if missing:
        raise DataRefused(
            f"Forecast columns {missing} are missing; need {list(FORECAST_SCHEMA)}. Nothing was "
            "stored. Make the frame with forecast_frame."
        )
    is_ordered = list(frame.columns) == list(FORECAST_SCHEMA)
    rows = (frame if is_ordered else frame[list(FORECAST_SCHEMA)]).reset_index(drop=True)
    if rows.empty:
        return rows
    try:
        rows = _typed(rows, _TYPES)
    except (TypeError, ValueError) as error:
        raise DataRefused(
            f"Forecast columns have wrong types: {error}. Nothing was stored. Make the frame with "
            "forecast_frame."
        ) from error
    quantiles = np.column_stack([rows[name].to_numpy() for name in QUANTILE_COLUMNS])
    for rule, broken in {
        "quantiles are finite and above zero": ~(
            np.isfinite(quantiles).all(axis=1) & (quantiles > 0).all(axis=1)
        ),
        "quantiles do not cross": (np.diff(quantiles, axis=1) < 0).any(axis=1),
        "price is the median": rows["price"].to_numpy() != quantiles[:, MEDIAN],
        "role is one of " + ", ".join(ROLES): _is_none_of(rows["role"], ROLES),
        "kind is one of " + ", ".join(KINDS): _is_none_of(rows["kind"], KINDS),
        "a model version is named": rows["model_version"].isna().to_numpy(),
        f"origins lie on {timeframe} boundaries": np.asarray(
            timeframe.floor_all(rows["as_of"]) != pd.DatetimeIndex(rows["as_of"])
        ),
        f"every origin has the steps 1..{STEPS} once": _lacking_steps(rows),
    }.items():
        if broken.any():
            offender = rows.iloc[int(np.flatnonzero(broken)[0])]
            raise DataRefused(
                f"Forecasts break the rule that {rule}: {int(broken.sum())} rows, first as_of "
                f"{offender['as_of']} step {offender['step']}. Nothing was stored."
            )
    return rows


def _is_none_of(texts: "pd.Series[str]", known: tuple[str, ...]) -> Bools:
    """Mask of the rows whose text is not among ``known``."""
    others = [text for text in texts.unique() if text not in known]
    # Comparing each row takes far longer, and usually there is nothing to find.
    return texts.isin(others).to_numpy() if others else np.zeros(len(texts), dtype=bool)


def _typed(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """``frame`` with the columns ``names`` in canonical types."""
    # Casting takes time even where the type is right.
    known = dict(zip(frame.columns, frame.dtypes, strict=True))
    wrong = {name: _TYPES[name] for name in names if str(known[name]) != _TYPES[name]}
    return frame.astype(wrong) if wrong else frame


def _lacking_steps(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Mask of the rows whose role and origin lack one of the steps 1..`STEPS`, or repeat one."""
    if _is_in_blocks(rows):  # grouping takes far longer
        return np.zeros(len(rows), dtype=bool)
    steps = rows.groupby(["role", "as_of"])["step"]
    lacking = (
        (steps.transform("nunique") != STEPS)
        | (steps.transform("size") != STEPS)
        | ~rows["step"].between(1, STEPS)
    )
    return np.asarray(lacking, dtype=bool)


def _is_in_blocks(rows: pd.DataFrame) -> bool:
    """Whether each role and origin has its steps once, in one block, as in `forecast_frame`."""
    if len(rows) % STEPS:
        return False
    steps = rows["step"].to_numpy().reshape(-1, STEPS)
    roles = rows["role"].to_numpy().reshape(-1, STEPS)
    origins = as_micros(rows["as_of"]).reshape(-1, STEPS)
    heads = zip(roles[:, 0].tolist(), origins[:, 0].tolist(), strict=True)
    return bool(
        (steps == np.arange(1, STEPS + 1)).all()
        and (roles == roles[:, :1]).all()
        and (origins == origins[:, :1]).all()
        and len(set(heads)) == len(steps)
    )


def eligible_version(versions: Iterable[Version], origin: datetime) -> Version | None:
    """The version with the newest cutoff not after ``origin``; None if there is none.

    Of two versions with the same cutoff the later one in ``versions`` is taken.
    """
    eligible = [version for version in versions if version.cutoff <= origin]
    return max(reversed(eligible), key=lambda version: version.cutoff, default=None)


def kind_of(origin: datetime, timeframe: Timeframe, now: datetime) -> str:
    """`LIVE` while the first forecast candle is still open at ``now``, else `BACKTEST`."""
    return LIVE if now < timeframe.next(origin) else BACKTEST
