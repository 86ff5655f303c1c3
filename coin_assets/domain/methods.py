"""Forecasting methods, and the roles of their model versions.

One champion forecasts for readers. Each method has a challenger's role of its own, so that several
challengers forecast the same origins and each has its own record.
"""

from dataclasses import dataclass

CHAMPION, CHALLENGER, CHALLENGER_NAIVE = ROLES = ("champion", "challenger", "challenger_naive")
HAR, NAIVE = "har", "naive"


@dataclass(frozen=True)
class Method:
    """A forecasting method.

    Attributes:
        name: in settings, and in folders of versions.
        forecaster: `Forecaster.name` of its estimator.
        role: of its challengers, in roles, forecasts and evaluations.
        is_reference: whether it is the naive forecast that all losses are compared with. Nothing
            that matters is fitted, so one version forecasts like another.
    """

    name: str
    forecaster: str
    role: str
    is_reference: bool = False


METHODS = {
    each.name: each
    for each in (
        Method(HAR, "har_ridge", CHALLENGER),
        Method(NAIVE, "naive_returns", CHALLENGER_NAIVE, is_reference=True),
    )
}
# Always trained. Without a recorded champion its versions forecast.
DEFAULT_METHOD = HAR
CHALLENGER_ROLES = tuple(each.role for each in METHODS.values())
# Member of an evaluation with the challengers of further methods; absent without one.
CHALLENGERS = "challengers"


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
