"""Random numbers of a batch, from a seed, on the device of the tensors they fill."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

NORMAL = 1e4  # degrees of freedom of a Student-t that is as good as normal
TINY = 1e-7


class Random:
    """torch's random numbers from numbers that name a batch; the caller's own stay as they were.

    The same words give the same numbers on one machine and device. Shapes are given first, as in torch.
    """

    def __init__(self, words: Sequence[int], device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device)
        low, high = np.random.SeedSequence(words).generate_state(2).tolist()
        self.generator.manual_seed(low + (high % 2**31) * 2**32)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Evenly between low and high."""
        return torch.rand(shape, generator=self.generator, device=self.device) * (high - low) + low

    def spread(self, *shape: int, low: float, high: float) -> Tensor:
        """Between low and high, equal ratios equally likely."""
        return self.uniform(*shape, low=float(np.log(low)), high=float(np.log(high))).exp()

    def normal(self, *shape: int) -> Tensor:
        """Mean 0, variance 1."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def upward(self, *shape: int) -> Tensor:
        """Normal numbers, three in four of them with the sign turned to plus: as tables grow more often than shrink."""
        numbers = self.normal(*shape)
        return torch.where(self.chance(*shape, share=0.5), numbers.abs(), numbers)

    def integer(self, *shape: int, low: int, high: int) -> Tensor:
        """Whole numbers from low to high, both included."""
        return torch.randint(low, high + 1, shape, generator=self.generator, device=self.device)

    def chance(self, *shape: int, share: float) -> Tensor:
        """True with probability `share`."""
        return torch.rand(shape, generator=self.generator, device=self.device) < share

    def choice(self, size: int, shares: Sequence[float]) -> Tensor:
        """(size,) numbers 0, 1, ... of which k has probability shares[k] / sum(shares)."""
        ends = torch.tensor(shares, dtype=torch.float32, device=self.device).cumsum(0)
        return torch.searchsorted(ends[:-1], self.uniform(size) * ends[-1], right=True)

    def order(self, size: int) -> Tensor:
        """The numbers 0 ... size - 1 in a random order."""
        return torch.randperm(size, generator=self.generator, device=self.device)

    def gamma(self, shape: Tensor) -> Tensor:
        """Gamma numbers of scale 1 and the given shapes."""
        return torch._standard_gamma(shape, generator=self.generator)

    def poisson(self, rate: Tensor) -> Tensor:
        """Counts of the given means, as float32."""
        return torch.poisson(rate, generator=self.generator)

    def student(self, freedom: Tensor, length: int) -> Tensor:
        """(B,) degrees of freedom -> (B, T) Student-t numbers, from two even ones u and v each:

            t = √(ν (u^(-2/ν) - 1)) cos 2πv        with ν = `NORMAL` as good as normal

        (Bailey 1994, "Polar generation of random variates with the t-distribution", Math. Comp. 62)
        """
        u, v = self.uniform(len(freedom), length).clamp_(min=TINY), self.uniform(len(freedom), length)
        nu = freedom[:, None]
        return (nu * torch.expm1(u.log_().mul_(-2 / nu))).sqrt_().mul_(v.mul_(2 * torch.pi).cos_())

    def noise(self, size: int, length: int) -> Tensor:
        """(B, T) numbers of mean 0 and variance 1: of each series normal, Student-t or log-normal.

        A third is normal, a third has tails (2.5 to 10 degrees of freedom), a third is skewed, to either side.
        """
        form = self.uniform(size)
        freedom = torch.where(form < 1 / 3, self.spread(size, low=2.5, high=10.0), NORMAL)
        numbers = self.student(freedom, length) * ((freedom - 2) / freedom).sqrt()[:, None]
        skew = self.uniform(size, low=0.2, high=0.9)[:, None] * (1 - 2 * self.chance(size, 1, share=0.3).float())
        rows = (form > 2 / 3).nonzero()[:, 0]
        width = skew[rows].abs()
        # exp(s z) has mean exp(s²/2) and deviation exp(s²/2) √(exp(s²) - 1)
        skewed = ((width * numbers[rows] - width**2 / 2).exp() - 1) / torch.expm1(width**2).sqrt()
        numbers[rows] = skewed * skew[rows].sign()
        return numbers
