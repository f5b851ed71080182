"""Forecasts of counts: a negative binomial distribution, and a mean that Tweedie's deviance is measured from.

Both are of values that are never negative, in units that multiply and do not shift (`WindowScaler`, "level").
Axes: B batch, H horizon, C targets, Q quantile levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from tsforge.batch import Truth
from tsforge.forecast import Point, Quantiles, Scaling, masked_mean


@dataclass(frozen=True)
class NegativeBinomial:
    """Counts k with P(k) = Γ(k + r) / (k! Γ(r)) · (r / (r + μ))^r · (μ / (r + μ))^k and r = 1 / α.

    Their mean is μ and their variance μ + α μ² (NB2; Hilbe 2011, "Negative Binomial Regression"; in networks Salinas et
    al. 2020, "DeepAR"): where α falls to 0 that of Poisson. The quantile at τ is the least k that is not passed with a
    chance of τ or more. It is a whole number, and never falls as τ grows.
    """

    mean: Tensor  # μ (B, H, C), in data units
    dispersion: Tensor  # α (B, H, C)
    scaling: Scaling  # whose loc is 0
    levels: tuple[float, ...]
    by_mean: bool = False  # whether the point forecast is the mean, else the median
    weight: Tensor | None = None  # (B, 1, C), of each window in the loss; 1 where None

    @property
    def normalised(self) -> Tensor:
        """(B, H, C, Q) quantiles in normalised units."""
        return self.quantiles() / self.scaling.scale.unsqueeze(-1)

    @property
    def point(self) -> Tensor:
        return self.mean if self.by_mean else self._quantiles((0.5,)).squeeze(-1)

    def quantiles(self) -> Tensor:
        return self._quantiles(self.levels)

    def loss(self, truth: Truth) -> Tensor:
        """The mean negative log likelihood over steps, of counts as they are.

        In double precision: r may be large, and then the difference of Γ(k + r) and Γ(r) is small beside both.
        """
        k, mean, r = truth.target.double(), self.mean.double(), 1 / self.dispersion.double()
        k = torch.where(truth.observed, k, torch.zeros_like(k))
        likelihood = torch.lgamma(k + r) - torch.lgamma(r) - torch.lgamma(k + 1)
        likelihood = likelihood - r * torch.log1p(mean / r) + k * (mean.log() - (r + mean).log())
        return masked_mean(-likelihood, truth.observed, self.weight).to(self.mean.dtype)

    def part(self, here: slice) -> NegativeBinomial:
        return replace(
            self, mean=self.mean[here], dispersion=self.dispersion[here], scaling=self.scaling.part(here), weight=None
        )

    def mapped(self, change: Callable[..., Tensor], *given: Tensor) -> Quantiles:
        """Its quantiles and its point forecast, changed: no negative binomial any more."""
        values = change(self.normalised, *(part.unsqueeze(-1) for part in given))
        centre = change(self.point / self.scaling.scale, *given)
        return Quantiles(values, self.scaling, self.levels, own=centre)

    @torch.no_grad()
    def _quantiles(self, levels: tuple[float, ...]) -> Tensor:
        """(B, H, C, levels), by SciPy, as torch has no distribution function of this family."""
        from scipy.stats import nbinom  # half a second

        mean, r = self.mean.double().cpu().numpy()[..., None], 1 / self.dispersion.double().cpu().numpy()[..., None]
        values = nbinom.ppf(levels, r, r / (r + mean))
        return torch.from_numpy(values).to(self.mean)


@dataclass(frozen=True)
class Tweedie:
    """A mean μ above 0, trained by Tweedie's deviance between the Poisson (power 1) and the gamma (2) distribution.

        d(y, μ) = 2 (y^(2-p) / ((1-p)(2-p)) - y μ^(1-p) / (1-p) + μ^(2-p) / (2-p))

    The variance that it takes for granted is in proportion to μ^p: sums of a Poisson number of gamma variables, which
    have zeros and a skewed rest. (Tweedie 1984; Jørgensen 1987, "Exponential dispersion models")
    """

    normalised: Tensor  # μ (B, H, C), in normalised units
    scaling: Scaling  # whose loc is 0
    power: float
    weight: Tensor | None = None  # (B, 1, C), of each window in the loss; 1 where None
    levels: ClassVar[tuple[float, ...]] = ()

    @property
    def point(self) -> Tensor:
        return self.scaling.restore(self.normalised)

    def quantiles(self) -> Tensor:
        return self.point.unsqueeze(-1)[..., :0]

    def loss(self, truth: Truth) -> Tensor:
        """The mean deviance over steps, in normalised units: large series count no more than small ones."""
        given = torch.where(truth.observed, self.scaling.normalise(truth.target), torch.ones_like(self.normalised))
        return masked_mean(deviance(given, self.normalised, self.power), truth.observed, self.weight)

    def part(self, here: slice) -> Tweedie:
        return replace(self, normalised=self.normalised[here], scaling=self.scaling.part(here), weight=None)

    def mapped(self, change: Callable[..., Tensor], *given: Tensor) -> Point:
        """Its mean, changed."""
        return Point(change(self.normalised, *given), self.scaling)


def deviance(y: Tensor, mean: Tensor, power: float) -> Tensor:
    """Tweedie's deviance of values y, 0 or more, from means above 0; power between 1 and 2."""
    a, b = 1 - power, 2 - power
    return 2 * (y.pow(b) / (a * b) - y * mean.pow(a) / a + mean.pow(b) / b)
