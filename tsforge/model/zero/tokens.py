"""Tokens of a reading: patches of 8 stretches, counted back from the origin, and one query per future patch.

A token sees its steps (value, seasonal part, change, whether seen), where it lies (how far from the origin, at which
phase of the season), and the features of its sequence. Axes: S sequences, T stretches, N past and M future patches.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsforge.model.zero.reading import CHANNELS, EVEN, ODD, Reading

LENGTH, AHEAD = 8, 6  # stretches of a patch; future patches that are answered at once
BLOCK = LENGTH * AHEAD
FADING = (1.0, 4.0, 16.0)  # patches over which recency fades
HARMONICS = 2  # of the phase
SMALL = 0.035  # of a query before training
PLACE = 1 + len(FADING) + 2 * HARMONICS


class ZeroTokens(nn.Module):
    """Linear to width D. Values pass through asinh: as they are near 0, by their logarithm far from it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch = nn.Linear(LENGTH * (CHANNELS + 1), width)
        self.place = nn.Linear(PLACE, width, bias=False)
        self.features = nn.Sequential(nn.Linear(EVEN + ODD, width), nn.SiLU(), nn.Linear(width, width))
        self.query = nn.Parameter(torch.empty(AHEAD, width))
        nn.init.uniform_(self.query, -SMALL, SMALL)

    def forward(self, reading: Reading) -> tuple[Tensor, Tensor, Tensor]:
        """-> past (S, N, D), future (S, M, D), and how many past tokens of each sequence are no padding (S,)."""
        T = reading.seen.shape[1]
        steps = torch.cat([reading.steps.asinh(), reading.seen.unsqueeze(-1).float()], dim=-1)
        patches = F.pad(steps, (0, 0, -T % LENGTH, 0)).flatten(1).reshape(steps.shape[0], -1, LENGTH * (CHANNELS + 1))
        features = self.features(torch.cat([reading.even, reading.odd.asinh()], dim=-1)).unsqueeze(1)
        N = patches.shape[1]
        places = torch.arange(-N, AHEAD, device=patches.device)
        where = self.place(_places(places, reading.period)) + features
        count = (reading.lengths + LENGTH - 1) // LENGTH
        return self.patch(patches) + where[:, :N], self.query + where[:, N:], count


def _places(patch: Tensor, period: Tensor) -> Tensor:
    """Coordinates of patches (P,), which are negative before the origin, in sequences of a period (S,): (S, P, ·)."""
    far = torch.where(patch < 0, -1 - patch, patch).float()
    recency = torch.stack([far.log1p() / 4, *((-far / fade).exp() for fade in FADING)], dim=-1)
    turns = patch.float() * LENGTH / period[:, None]
    waves = [wave(2 * math.pi * n * turns) for n in range(1, HARMONICS + 1) for wave in (torch.sin, torch.cos)]
    phase = torch.stack(waves, dim=-1) * (period > 1)[:, None, None]
    return torch.cat([recency.expand(period.shape[0], -1, -1), phase], dim=-1)
