"""Forecasting methods, and the roles of their model versions.

One champion forecasts for readers. Each method has a challenger's role of its own, so that several
challengers forecast the same origins and each has its own record.
"""

from dataclasses import dataclass

CHAMPION, CHALLENGER, CHALLENGER_NAIVE, CHALLENGER_EXOGENOUS = ROLES = (
    "champion",
    "challenger",
    "challenger_naive",
    "challenger_har_exogenous",
)
# Exogenous series; see `forecasting.exogenous`.
IMPLIED, FUNDING, OPEN_INTEREST = EXOGENOUS = (
    "implied_volatility",
    "funding_rate",
    "open_interest",
)
# Series that the market's own exchange serves; others have a source of their own.
OF_MARKET = (FUNDING, OPEN_INTEREST)
HAR, NAIVE, HAR_EXOGENOUS = "har", "naive", "har_exogenous"


@dataclass(frozen=True)
class Method:
    """A forecasting method.

    Attributes:
        name: in settings, and in folders of versions.
        forecaster: `Forecaster.name` of its estimator.
        role: of its challengers, in roles, forecasts and evaluations.
        is_reference: whether it is the naive forecast that all losses are compared with. Nothing
            that matters is fitted, so one version forecasts like another.
        reads_exogenous: whether it needs exogenous series (`COIN_EXOGENOUS`).
    """

    name: str
    forecaster: str
    role: str
    is_reference: bool = False
    reads_exogenous: bool = False


METHODS = {
    each.name: each
    for each in (
        Method(HAR, "har_ridge", CHALLENGER),
        Method(NAIVE, "naive_returns", CHALLENGER_NAIVE, is_reference=True),
        Method(HAR_EXOGENOUS, "har_exogenous_ridge", CHALLENGER_EXOGENOUS, reads_exogenous=True),
    )
}
# Always trained. Without a recorded champion its versions forecast.
DEFAULT_METHOD = HAR
CHALLENGER_ROLES = tuple(each.role for each in METHODS.values())
# Members of an evaluation with challengers of further methods; absent without one.
CHALLENGERS, CHAMPION_METHOD = "challengers", "champion_method"


def method_of_forecaster(forecaster: str) -> Method:
    """The method whose estimator is called ``forecaster``.

    Raises:
        KeyError: there is none.
    """
    return {each.forecaster: each for each in METHODS.values()}[forecaster]


def method_of_role(role: str) -> Method:
    """The method whose challengers have ``role``.

    Raises:
        KeyError: there is none.
    """
    return {each.role: each for each in METHODS.values()}[role]
