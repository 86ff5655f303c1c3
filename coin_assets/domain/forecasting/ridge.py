"""Ridge regression on growing histories, in closed form and reproducible to the bit.

Source: Hoerl and Kennard (Ridge regression: biased estimation for nonorthogonal problems,
Technometrics 12, 1970). `Moments` adds sums of products block by block. A fit on a longer history
therefore costs one small solve, which keeps walk-forward fits cheap.
"""

from dataclasses import dataclass

import numpy as np

from coin_assets.domain.forecasting.frame import Floats

# Matrix products and solvers differ in the last bits with the number of threads. Coefficients of
# standardised features are rounded to fewer digits, which removes those bits.
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
        """Predicted targets.

        Each row is the same to the bit whatever the other rows are. A matrix product does not
        guarantee that.

        Args:
            columns: one array of shape (rows,) a feature.

        Returns:
            Shape (rows, targets).
        """
        total = np.tile(self.intercepts, (len(columns[0]), 1))
        for column, coefficients in zip(columns, self.coefficients, strict=True):
            total += column[:, None] * coefficients
        return total


@dataclass(frozen=True)
class Moments:
    """Weighted sums of products of features and targets.

    The moments of two sets of rows add up to those of their union.

    Attributes:
        weight: sum of the weights.
        features, targets: sums, shapes (features,) and (targets,).
        squares: sums of squared features, shape (features,).
        crossed, products: sums of products, shapes (features, features) and (features, targets);
            unlike the others not reproducible in the last bits.
    """

    weight: float
    features: Floats
    targets: Floats
    squares: Floats
    crossed: Floats
    products: Floats

    @classmethod
    def zero(cls, features: int, targets: int) -> "Moments":
        """The moments of no rows."""
        return cls.of(np.zeros((0, features)), np.zeros((0, targets)), np.zeros(0))

    @classmethod
    def of(cls, features: Floats, targets: Floats, weights: Floats) -> "Moments":
        """The moments of some rows.

        Args:
            features: shape (rows, features).
            targets: shape (rows, targets).
            weights: shape (rows,), 0 or more.
        """
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
        """The linear map with the least penalised weighted squared error.

        Features are standardised. The penalty acts like rows of that total weight in which the
        targets do not depend on the features and each feature has standard deviation 1. Those rows
        keep the coefficient small of a feature that hardly varies among few rows. A constant
        feature gets coefficient 0. Without any weight all coefficients are 0.

        Args:
            penalty: 0 or more, in the unit of the weights.
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
        # Divided by 1 + ridge, so that the result has a limit as the penalty grows.
        ridge = penalty / self.weight
        shrunk = np.linalg.solve(
            correlation / (1 + ridge) + np.eye(len(centre)) * (ridge / (1 + ridge)),
            shares / (1 + ridge),
        )
        coefficients = np.asarray(np.round(shrunk, _DECIMALS) * inverse[:, None], dtype=np.float64)
        return Linear(level - (centre[:, None] * coefficients).sum(axis=0), coefficients)
