"""The season out of sequences by indices of their own, drawn towards none by the share of their variance that is noise.

    r_t = y_t / M_t or y_t - M_t      M: the moving average over one season, centred
    s_p = mean of r_t over the steps of phase p, over (or less) the mean of all s
    s_p ← c + w (s_p - c)             c = 1 or 0;  w = max(0, 1 - noise / spread) as in `transforms.season`

A ratio where all values of a sequence are above 0, else a difference. Steps that were not observed give no r_t; M is
taken over straight lines through them. Axes: S sequences, L context, H horizon; m steps of one season.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tsforge.model.baselines.adjusting import filled
from tsforge.model.transforms.season import LEAST, moving_average, phases


class Seasonless(NamedTuple):
    """Sequences without their season, in double precision, and what gives it back to what follows.

    values: (S, L), 0 where not observed. factor, offset: (S, H). share: (S,) w, 0 where nothing was taken off.
    """

    values: Tensor
    factor: Tensor
    offset: Tensor
    share: Tensor

    def restore(self, ahead: Tensor) -> Tensor:
        """What follows the values (S, H), with its season."""
        return ahead * self.factor + self.offset

    def remove(self, ahead: Tensor) -> Tensor:
        """What follows (S, H) without its season."""
        return (ahead - self.offset) / self.factor


def without_season(target: Tensor, observed: Tensor, m: int, horizon: int) -> Seasonless:
    """Take the season of m steps out of sequences (S, L) that have two of them and a step; others stay as they are.

    Its indices are constants for gradients.
    """
    values = torch.where(observed, target, torch.zeros_like(target)).double()
    S, L = values.shape
    factor, offset = values.new_ones(S, horizon), values.new_zeros(S, horizon)
    if m == 1 or 2 * m + 1 > L:
        return Seasonless(values, factor, offset, values.new_zeros(S))
    positive = (torch.where(observed, values, torch.ones_like(values)) > 0).all(dim=1)
    index, share = _indices(values, observed, positive, m)
    past, ahead = (torch.arange(*span, device=values.device) % m for span in ((-L, 0), (0, horizon)))
    factor = torch.where(positive[:, None], index, torch.ones_like(index))
    offset = torch.where(positive[:, None], torch.zeros_like(index), index)
    plain = torch.where(observed, (values - offset[:, past]) / factor[:, past], torch.zeros_like(values))
    return Seasonless(plain, factor[:, ahead], offset[:, ahead], share)


@torch.no_grad()
def _indices(values: Tensor, observed: Tensor, positive: Tensor, m: int) -> tuple[Tensor, Tensor]:
    """Indices by the phase counted from the end (S, m), none where they cannot be had; and their weight w (S,)."""
    whole = filled(values.unsqueeze(-1), observed.unsqueeze(-1))
    trend = moving_average(whole, m)
    centre = positive.to(values.dtype)  # 1 for ratios, 0 for differences
    apart = torch.where(positive[:, None, None], whole / trend, whole - trend)
    apart = torch.where(observed.unsqueeze(-1), apart, torch.full_like(apart, torch.nan))
    by_phase = phases(apart, m).squeeze(-1)  # (S, seasons, m)
    index = by_phase.nanmean(dim=1)
    mean = index.mean(dim=1, keepdim=True)
    index = torch.where(positive[:, None], index / mean, index - mean)
    count = (~by_phase.isnan()).sum(dim=1)  # (S, m)
    error = (by_phase - index[:, None]).square().nan_to_num(0.0).sum(dim=(1, 2))
    noise = error / (count.sum(dim=1) - m).clamp(min=1) * count.clamp(min=1).double().reciprocal().mean(dim=1)
    gap = index - centre[:, None]
    spread = gap.square().sum(dim=1) / (m - 1)
    share = (1 - noise / spread.clamp(min=torch.finfo(spread.dtype).tiny)).clamp(min=0, max=1)
    drawn = centre[:, None] + gap * share[:, None]
    long = (~whole.isnan()).sum(dim=(1, 2)) > 2 * m
    usable = long & (~positive[:, None] | (drawn > LEAST)).all(dim=1) & drawn.isfinite().all(dim=1)
    none = centre[:, None].expand_as(drawn)
    return torch.where(usable[:, None], drawn, none), torch.where(usable, share, torch.zeros_like(share))
