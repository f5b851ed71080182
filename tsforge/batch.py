"""What a network sees and what it is asked for.

A network's only argument is a `Context`, which ends at the forecast origin: it cannot leak.
Axes: B batch, L context, H horizon, C targets; P past, K known and F static covariates.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

UNKNOWN = torch.zeros(1, 2, 1)  # how much windows of a series vary, where that is not known
NOTHING = torch.zeros(1, 0, 1)  # what a network adds to, where that is still to be computed, if it has any


class Context(NamedTuple):
    """Everything that may be known at the forecast origin, in data units."""

    target: Tensor  # (B, L, C) float, 0 where not observed
    observed: Tensor  # (B, L, C) bool
    past: Tensor  # (B, L, P) covariates known up to the origin
    known: Tensor  # (B, L+H, K) covariates and calendar, known in advance
    static: Tensor  # (B, F) features of the series
    ordinal: Tensor  # (B,) int64, grid position of the first step; a time has the same position in every table
    usual: Tensor = UNKNOWN  # (B, 2, C) how much windows of the series deviate, and change from step to step
    base: Tensor = NOTHING  # (B, H, C) the forecast that a network adds to, computed from this context before

    def newest(self, steps: int) -> Context:
        """A context of at most `steps` steps, those before the origin."""
        cut = self.target.shape[1] - steps
        if cut <= 0:
            return self
        return self._replace(
            target=self.target[:, cut:], observed=self.observed[:, cut:], past=self.past[:, cut:],
            known=self.known[:, cut:], ordinal=self.ordinal + cut,
        )  # fmt: skip


class Truth(NamedTuple):
    """What came after the forecast origin, in data units."""

    target: Tensor  # (B, H, C) float, 0 where not observed
    observed: Tensor  # (B, H, C) bool


class Batch(NamedTuple):
    """One gather of windows."""

    context: Context
    truth: Truth

    def part(self, here: slice) -> Batch:
        """Some of its windows, which share its memory. Its context has no base."""
        target, observed, past, known, static, ordinal, usual, _ = self.context
        context = Context(
            target[here], observed[here], past[here], known[here], static[here], ordinal[here], usual[here]
        )  # fmt: skip
        return Batch(context, Truth(self.truth.target[here], self.truth.observed[here]))


class WindowShape(NamedTuple):
    """The sizes a network is built for."""

    context: int  # L, steps
    horizon: int  # H, steps
    targets: int  # C
    past: int  # P
    known: int  # K
    static: int  # F
    season: int = 1  # steps of the main season
    lags: tuple[int, ...] = ()  # steps of every cycle that tokens look back by
    known_level: bool = False  # whether what is known ahead tells the targets' level
    fallback: int = 0  # steps of the calendar's cycle, for seasonal naive where no season was detected; 0 for none
    covariates: int = 0  # how many columns of what is known ahead are those of covariates; the others, of the calendar

    def narrowed(self, context: int | None) -> WindowShape:
        """With a context of so many steps at most, and the cycles that fit into it."""
        if context is None or context >= self.context:
            return self
        lags = tuple(m for m in self.lags if m <= context or m == self.season)
        return self._replace(context=context, lags=lags)

    def with_context(self, context: int, cycles: Iterable[int]) -> WindowShape:
        """With a context of so many steps. cycles: of the calendar, in steps; those that fit into it are lags."""
        lags = tuple(sorted({self.season, *(m for m in cycles if m <= context)}))
        return self._replace(context=context, lags=lags)

    @property
    def naive_season(self) -> int:
        """Steps that seasonal naive goes back: the season, else the calendar's cycle; 1 where there is neither."""
        return self.season if self.season > 1 else max(self.fallback, 1)
