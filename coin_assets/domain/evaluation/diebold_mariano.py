"""The Diebold-Mariano test of equal forecast accuracy.

Forecasts over 24 steps overlap, so neighbouring loss differences are strongly correlated. The
variance of their mean is estimated accordingly. Sources:

- the test: Diebold and Mariano, Comparing predictive accuracy, J. Bus. Econ. Stat. 13 (1995);
- the variance under overlap: Newey and West, A simple, positive semi-definite,
  heteroskedasticity and autocorrelation consistent covariance matrix, Econometrica 55 (1987);
- lags that grow with the square root of the sample, and a Student distribution to match:
  Lazarus, Lewis, Stock and Watson, HAR inference, J. Bus. Econ. Stat. 36 (2018);
- the small sample: Harvey, Leybourne and Newbold, Testing the equality of prediction mean squared
  errors, Int. J. Forecasting 13 (1997).
"""

from math import ceil, sqrt

import numpy as np

from coin_assets.domain.forecasting.frame import STEPS, Floats

# Bartlett weights fall to 0 at the last lag. Twice the overlap keeps most of its weight.
_OVERLAPS = 2
_LAGS_PER_ROOT = 1.3
_FREEDOM = 1.5  # Bartlett weights: equivalent degrees of freedom are 1.5 n / lags


def chance_of_difference(differences: Floats) -> float:
    """One-sided p-value of "the mean difference is 0 or more", against "it is below 0".

    Lags are counted in array positions. Missing origins make neighbours overlap less than assumed,
    so the p-value is conservative.

    Args:
        differences: loss of the first forecaster less that of the second, shape (origins,), in
            ascending order of origins, finite; each is a mean over `STEPS` steps.

    Returns:
        0 to 1; 1 if there are no more differences than lags, or all are equal.
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

    The mean square of sums over moving blocks (Kunsch, The jackknife and the bootstrap for general
    stationary observations, Ann. Stat. 17, 1989), blocks over the ends included. Never negative.

    Args:
        centred: differences less their mean, shape (n,).
        lags: number of lags with a weight above 0.
    """
    sums = np.convolve(centred, np.ones(lags + 1))
    return float((sums**2).sum()) / ((lags + 1) * len(centred))


def _student_tail(value: float, freedom: int) -> float:
    """Probability that a Student variable exceeds ``value``, which is 0 or more."""
    from scipy.special import stdtr  # SciPy takes a fifth of a second to import

    return float(stdtr(freedom, -value))
