"""Ridge regression on growing histories, in closed form and the same to the bit every time.

Hoerl and Kennard (Ridge regression: biased estimation for nonorthogonal problems, Technometrics
12, 1970). Sums of products are kept block by block, so that a fit on a longer history costs one
small solve: this is what makes forecasts of the past by models of their time cheap.
"""

from dataclasses import dataclass

import numpy as np

from coin_assets.domain.forecasting.frame import Floats

# Matrix products and solvers differ in the last bits with the number of threads. Coefficients of
# standardised features are rounded so much coarser than that, that no such bit is ever seen.
_DECIMALS = 6


@dataclass(frozen=True)
class Linear:
    """A fitted linear map of features to targets.

    Attributes:
        intercepts: shape (targets,).
        coefficients: shape (features, targets).
    """

    intercepts: Floats
    coefficients: Floats

    def predict(self, columns: list[Floats]) -> Floats:
        """Targets of shape (rows, targets).

        Each row is the same to the bit whatever the others are; a matrix product would not be.
        """
        total = np.tile(self.intercepts, (len(columns[0]), 1))
        for column, coefficients in zip(columns, self.coefficients, strict=True):
            total += column[:, None] * coefficients
        return total


@dataclass(frozen=True)
class Moments:
    """Weighted sums of products of features and targets; those of two row sets add up.

    Attributes:
        weight: sum of the weights.
        features, targets: sums, shapes (features,) and (targets,).
        squares: sums of squared features, shape (features,).
        crossed, products: shapes (features, features) and (features, targets); inexact in the
            last bits, the others are not.
    """

    weight: float
    features: Floats
    targets: Floats
    squares: Floats
    crossed: Floats
    products: Floats

    @classmethod
    def zero(cls, features: int, targets: int) -> "Moments":
        """Of no rows."""
        return cls.of(np.zeros((0, features)), np.zeros((0, targets)), np.zeros(0))

    @classmethod
    def of(cls, features: Floats, targets: Floats, weights: Floats) -> "Moments":
        """Of rows of ``features`` and ``targets``."""
        weighted = features * weights[:, None]
        return cls(
            float(weights.sum()),
            weighted.sum(axis=0),
            (weights[:, None] * targets).sum(axis=0),
            (weighted * features).sum(axis=0),
            weighted.T @ features,
            weighted.T @ targets,
        )

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.weight + other.weight,
            self.features + other.features,
            self.targets + other.targets,
            self.squares + other.squares,
            self.crossed + other.crossed,
            self.products + other.products,
        )

    def solve(self, penalty: float) -> Linear:
        """The map with the least weighted squared error plus penalty.

        Features are standardised before; the penalty counts like so much weight of rows that say
        that nothing depends on them, and that a feature is spread by 1 about its mean: among few
        rows one may hardly change, and must not count for the more when it does. A feature that
        never changes gets no say, and without any weight nothing does.
        """
        if not self.weight > 0:
            return Linear(np.zeros_like(self.targets), np.zeros_like(self.products))
        centre = self.features / self.weight
        level = self.targets / self.weight
        deviation = np.sqrt(np.maximum(self.squares / self.weight - centre**2, 0.0))
        constant = deviation <= 1e-6 * (np.abs(centre) + 1e-6)
        spread = np.sqrt((self.weight * deviation**2 + penalty) / (self.weight + penalty))
        inverse = np.where(constant, 0.0, 1.0 / spread)
        covariance = self.crossed / self.weight - np.outer(centre, centre)
        correlation = covariance * np.outer(inverse, inverse)
        shares = (self.products / self.weight - np.outer(centre, level)) * inverse[:, None]
        # Divided by what the penalty adds, so that an infinite one is the limit of large ones.
        ridge = penalty / self.weight
        shrunk = np.linalg.solve(
            correlation / (1 + ridge) + np.eye(len(centre)) * (ridge / (1 + ridge)),
            shares / (1 + ridge),
        )
        coefficients = np.asarray(np.round(shrunk, _DECIMALS) * inverse[:, None], dtype=np.float64)
        return Linear(level - (centre[:, None] * coefficients).sum(axis=0), coefficients)
