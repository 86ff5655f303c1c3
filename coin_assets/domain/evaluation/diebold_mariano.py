"""Whether one forecaster loses less than another by more than chance: the Diebold-Mariano test.

Losses of forecasts that look 24 steps ahead overlap, so neighbouring differences say nearly the
same and their mean is far less certain than their number suggests. The sources:

- the test: Diebold and Mariano, Comparing predictive accuracy, J. Bus. Econ. Stat. 13 (1995);
- the variance under overlap: Newey and West, A simple, positive semi-definite,
  heteroskedasticity and autocorrelation consistent covariance matrix, Econometrica 55 (1987);
- lags that grow with the square root of the sample, and a Student distribution to match:
  Lazarus, Lewis, Stock and Watson, HAR inference, J. Bus. Econ. Stat. 36 (2018);
- the small sample: Harvey, Leybourne and Newbold, Testing the equality of prediction mean squared
  errors, Int. J. Forecasting 13 (1997).
"""

from math import atan2, ceil, cos, pi, sin, sqrt

import numpy as np

from coin_assets.domain.forecasting.frame import STEPS, Floats

# Weights of the lags fall to 0 at the last one. At twice the overlap most of it is still counted.
_OVERLAPS = 2
_LAGS_PER_ROOT = 1.3
_FREEDOM = 1.5  # Bartlett weights: equivalent degrees of freedom are 1.5 n / lags


def chance_of_difference(differences: Floats) -> float:
    """One-sided p-value of "the mean difference is 0 or more", against "it is below 0".

    Lags go by place in the array. Where origins are missing, neighbours overlap less than is
    assumed, which makes the answer more careful.

    Args:
        differences: loss of the first less loss of the second at each origin, ascending, finite;
            each is over `STEPS` steps.

    Returns:
        Between 0 and 1; 1 where nothing can be told: fewer than ``2 * STEPS`` differences, or all
        of them the same.
    """
    count = len(differences)
    lags = max(_OVERLAPS * STEPS, ceil(_LAGS_PER_ROOT * sqrt(count)))
    if count <= lags:
        return 1.0
    mean = float(differences.mean())
    variance = _long_run_variance(differences - mean, lags)
    if not variance > 0 or (differences == differences[0]).all():
        return 1.0
    small_sample = (count + 1 - 2 * STEPS + STEPS * (STEPS - 1) / count) / count
    statistic = sqrt(small_sample) * mean / sqrt(variance / count)
    freedom = max(1, int(_FREEDOM * count / (lags + 1)))
    tail = _student_tail(abs(statistic), freedom)
    return tail if statistic < 0 else 1.0 - tail


def _long_run_variance(centred: Floats, lags: int) -> float:
    """Variance of the mean times the sample size, by Bartlett weights.

    It is the mean square of sums over blocks that move through the sample and over its ends, as in
    the moving blocks of Kunsch, The jackknife and the bootstrap for general stationary
    observations, Ann. Stat. 17 (1989); so it is never negative.
    """
    sums = np.convolve(centred, np.ones(lags + 1))
    return float((sums**2).sum()) / ((lags + 1) * len(centred))


def _student_tail(value: float, freedom: int) -> float:
    """Chance that a Student variable exceeds ``value``, 0 or more; to about 1e-15.

    The finite sums of Abramowitz and Stegun (1964), 26.7.3 and 26.7.4: SciPy has it too, at a tenth
    of a second for the import.
    """
    angle = atan2(value, sqrt(freedom))
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for factor in range(2 + odd, freedom - 1, 2):
        term *= cos(angle) ** 2 * (factor - 1) / factor
        total += term
    inside = 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
    return max(0.0, (1 - inside) / 2)
