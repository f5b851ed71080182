"""What machines write: saw-teeth, pulses, triangles, steps and spikes."""

from __future__ import annotations

import torch
from torch import Tensor

from tsforge.synthesis.randomness import Random
from tsforge.synthesis.recursion import first_order

REGULAR = 4  # forms that return with the season: saw-tooth, pulse, triangle, spike


def pulses(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """A shape that returns every season; where there is none, steps or spikes at random times.

    steps, season (B,) -> values (B, T), the season of each, 1 for random times. With the phase v in [0, 1) of a season:

        saw-tooth v    pulse [v < c]    triangle min(v/c, (1 - v)/(1 - c))    spike exp(-k v)

    The size of each cycle varies a little, and noise is none or little.
    """
    B = len(steps)
    regular = (season > 1) & rng.chance(B, share=0.75)
    period = torch.where(regular, season, 1)
    time = torch.arange(length, device=rng.device) + rng.integer(B, 1, low=0, high=336) % period[:, None]
    v = (time % period[:, None]) / period[:, None]
    duty = rng.uniform(B, 1, low=0.1, high=0.9)
    fall = rng.spread(B, 1, low=2.0, high=30.0)
    forms = torch.stack([v, (v < duty).float(), torch.minimum(v / duty, (1 - v) / (1 - duty)), torch.exp(-fall * v)])
    form = rng.integer(B, low=0, high=REGULAR - 1)[:, None].expand(B, length)
    cycles = (time // period[:, None]).clamp(max=length - 1)
    sizes = 1 + rng.spread(B, 1, low=0.01, high=0.3) * rng.chance(B, 1, share=0.6) * rng.normal(B, length)
    shape = forms.gather(0, form[None])[0] * sizes.gather(1, cycles) * (1 - 2 * rng.chance(B, 1, share=0.3).float())
    values = torch.where(regular[:, None], shape, _irregular(rng, steps, length))
    noise = rng.spread(B, 1, low=0.005, high=0.15) * rng.chance(B, 1, share=0.7)
    u = (torch.arange(length, device=rng.device) / steps[:, None]).clamp(max=1.5)
    return values + noise * rng.noise(B, length) + u * rng.normal(B, 1) * rng.chance(B, 1, share=0.3), period


def _irregular(rng: Random, steps: Tensor, length: int) -> Tensor:
    """(B, T) half of them levels that hold until the next step, half spikes that fall off, a few in each series."""
    B = len(steps)
    often = (rng.spread(B, 1, low=1.5, high=20.0) / steps[:, None]).clamp(max=0.3)
    events = rng.uniform(B, length) < often
    events |= torch.arange(length, device=rng.device) == (steps[:, None] * rng.uniform(B, 1, low=0.1, high=0.9)).long()
    levels = rng.normal(B, length).gather(1, events.long().cumsum(1).clamp(max=length - 1))
    held = torch.where(rng.chance(B, 1, share=0.5), levels, (levels * 2).round() / 2)
    jumps = events * (1 + 0.3 * rng.normal(B, length))
    keep = rng.uniform(B, 1, low=0.0, high=0.9)
    spikes = first_order(keep, jumps, torch.zeros(B, device=rng.device))
    return torch.where(rng.chance(B, 1, share=0.5), held, spikes)
