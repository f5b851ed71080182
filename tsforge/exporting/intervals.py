"""The corrections of `evaluation.conformal` on tensors: quantiles as the network gave them to those of `predict`.

Axes: B batch, H horizon, C targets, Q levels of the model, R levels of its reach, P pairs of levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor, nn

from tsforge.evaluation.conformal import TAIL, Calibration
from tsforge.evaluation.quantiles import pairs_of
from tsforge.fitted.model import Model


class Corrected(nn.Module):
    """Quantiles corrected where the model has corrections, and at the wanted levels, linear between those it has.

    wanted: within the reach of the model.
    """

    shifts: Tensor
    mix: Tensor

    def __init__(self, model: Model, wanted: Sequence[float]) -> None:
        super().__init__()
        self.calibration = model.calibration
        self.levels, self.reach = model.levels, model.reach
        shifts = torch.zeros(0)
        if model.calibration is not None:
            shifts = torch.from_numpy(_table(model.calibration))
        self.register_buffer("shifts", shifts, persistent=False)
        self.wanted = tuple(wanted)
        self.places = None if set(wanted) - set(self.reach) else [self.reach.index(level) for level in wanted]
        self.register_buffer("mix", torch.from_numpy(_between(self.reach, self.wanted)), persistent=False)

    def forward(self, point: Tensor, quantiles: Tensor, spread: Tensor) -> Tensor:
        """point (B, H, C), quantiles (B, H, C, Q or 0), spread (B, C), one normalised unit -> (B, H, C, R)."""
        if self.calibration is None:
            return quantiles
        return self._moved(point.unsqueeze(-1), quantiles, spread[:, None, :, None])

    def at(self, quantiles: Tensor) -> Tensor:
        """(B, H, C, R) -> (B, H, C, wanted), once they are within their bounds."""
        if self.places is not None:
            return quantiles if self.wanted == self.reach else quantiles[..., self.places]
        return quantiles @ self.mix.to(quantiles.dtype)

    def _moved(self, point: Tensor, quantiles: Tensor, unit: Tensor) -> Tensor:
        """Each pair moved apart, and all in order from the middle outwards, (B, H, C, R) in data units."""
        if quantiles.shape[-1]:
            offset = (quantiles - point) / unit
        else:
            offset = torch.zeros_like(point).expand(*point.shape[:-1], len(self.levels))
        middle = _middle(offset, self.levels)
        assert self.calibration is not None
        if self.calibration.tail is not None:
            offset = _with_tail(offset, middle, self.levels)
        pairs, parts = pairs_of(self.reach), list(offset.unbind(-1))
        for p, (a, b) in enumerate(zip(pairs.low, pairs.high, strict=True)):
            shift = self.shifts[..., p]
            parts[a], parts[b] = parts[a] - shift, parts[b] + shift
        return torch.stack(_ordered(parts, middle.squeeze(-1), pairs.middle), dim=-1) * unit + point


def _table(calibration: Calibration) -> np.ndarray:
    """How far each pair is moved, the widest first, (H, C, P)."""
    table = np.array(calibration.moved or calibration.widening, dtype=np.float32)
    if calibration.tail is None:
        return table
    return np.concatenate([np.array(calibration.tail, dtype=np.float32)[..., None], table], axis=-1)


def _middle(offset: Tensor, levels: tuple[float, ...]) -> Tensor:
    """The level nearest 0.5, or halfway between the two that are, (B, H, C, 1)."""
    a, b = pairs_of(levels).middle
    return (offset[..., a : a + 1] + offset[..., b : b + 1]) / 2


def _with_tail(offset: Tensor, middle: Tensor, levels: tuple[float, ...]) -> Tensor:
    """With the levels 0.025 and 0.975, as far beyond the outermost as those of a normal lie."""
    normal = NormalDist()
    times = normal.inv_cdf(TAIL) / normal.inv_cdf(levels[0])
    first, last = offset[..., :1], offset[..., -1:]
    low = torch.minimum(middle + times * (first - middle), first)
    high = torch.maximum(middle + times * (last - middle), last)
    return torch.cat([low, offset, high], dim=-1)


def _ordered(parts: list[Tensor], middle: Tensor, places: tuple[int, int]) -> list[Tensor]:
    """Levels that would pass their neighbour on the inside stop there."""
    below, above = places
    last = middle
    for q in range(below if above > below else below - 1, -1, -1):
        last = parts[q] = torch.minimum(parts[q], last)
    last = middle
    for q in range(above if above > below else above + 1, len(parts)):
        last = parts[q] = torch.maximum(parts[q], last)
    return parts


def _between(has: tuple[float, ...], wanted: tuple[float, ...]) -> np.ndarray:
    """The matrix (R, wanted) that takes quantiles at some levels to others, linear between the two nearest."""
    mix = np.zeros((len(has), len(wanted)))
    for column, level in enumerate(wanted):
        above = int(np.clip(np.searchsorted(has, level), min(1, len(has) - 1), len(has) - 1))
        below = max(0, above - 1)
        width = has[above] - has[below]
        share = (level - has[below]) / width if width > 0 else 0.0
        mix[below, column] += 1 - share
        mix[above, column] += share
    return mix
