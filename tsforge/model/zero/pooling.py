"""Long seasons in short sequences: means over stretches of steps, and what follows at full resolution again.

Axes: S sequences, L steps, T = L / k stretches of k steps, counted back from the end; H steps ahead.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LONGEST, TOKENS = 64, 48  # steps of a season that is read as it is; stretches of one that is not, at most
LASTING = 0.98  # of what a step lies off is left after one more, at most


def stretch(season: int) -> int:
    """Steps that are read as one: as few as leave a season of more than 64 steps at most 48 of them."""
    return 1 if season <= LONGEST else -(-season // TOKENS)


def pooled(values: Tensor, observed: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Means of what was observed (S, L) -> (S, T), 0 where nothing was; and where something was. The oldest stretch
    may be short."""
    if k == 1:
        return values, observed
    lacking = -values.shape[1] % k
    values, observed = (F.pad(part, (lacking, 0)).reshape(part.shape[0], -1, k) for part in (values, observed))
    count = observed.sum(dim=-1)
    return (values * observed).sum(dim=-1) / count.clamp(min=1), count > 0


def ahead(values: Tensor, observed: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """As `pooled`, of what follows (S, H): counted from the beginning, the last stretch may be short."""
    lacking = -values.shape[1] % k
    return pooled(F.pad(values, (0, lacking)), F.pad(observed, (0, lacking)), k)


def newest(seen: Tensor) -> Tensor:
    """Where the newest step that was seen of sequences (S, T) lies, (S,); 0 without any."""
    return (seen * torch.arange(1, seen.shape[1] + 1, device=seen.device)).argmax(dim=1)


class Detail(NamedTuple):
    """What stretches hide of a sequence, (S,) each; 0 where k is 1.

    last: the newest value, and gap: the steps since then. memory: how much of what a step lies off is left after one
    more. noise: how far steps lie from the line through the middles of the stretches.
    """

    last: Tensor
    gap: Tensor
    memory: Tensor
    noise: Tensor


@torch.no_grad()
def detail(values: Tensor, observed: Tensor, means: Tensor, seen: Tensor, k: int) -> Detail:
    """That of sequences (S, L) whose stretches have means (S, T).

    Memory: by regression, how much the mean of a stretch follows what the last step before it was off the mean of
    its own stretch, w = Σ (z_j+1 - z_j) d_j / Σ d_j² with d_j of that step: 0 for noise, 1 for a random walk. Half a
    stretch and half a step lie between the two.
    """
    S, L = values.shape
    if k == 1:
        return Detail(*(values.new_zeros(S) for _ in range(4)))
    steps = torch.arange(1 - L, 1, device=values.device)
    known = observed & (line(seen.double(), steps, k) == 1)
    apart = torch.where(known, values - line(means, steps, k), torch.zeros_like(values))
    noise = (apart.square().sum(dim=1) / known.sum(dim=1).clamp(min=1)).sqrt()
    ends = slice((L - 1) % k, None, k)  # the last step of each stretch
    both = seen[:, 1:] & seen[:, :-1] & observed[:, ends][:, :-1]
    off = torch.where(both, (values[:, ends] - means)[:, :-1], torch.zeros_like(means[:, 1:]))
    follows = (means.diff(dim=1) * off).sum(dim=1) / off.square().sum(dim=1).clamp(min=torch.finfo(means.dtype).tiny)
    memory = follows.clamp(0, 1) ** (2 / (k + 1))
    at = newest(observed)
    last = values.gather(1, at[:, None]).squeeze(1)
    return Detail(last, (L - 1 - at).to(values.dtype), memory.clamp(max=LASTING), noise)


def line(means: Tensor, steps: Tensor, k: int) -> Tensor:
    """Straight lines between the middles of stretches (S, T), at steps (H,) counted from the last one of them, or
    (S, H): (S, H). Level before the first middle and behind the last."""
    T = means.shape[1]
    place = ((steps + (k - 1) / 2) / k + T - 1).clamp(0, T - 1).expand(means.shape[0], -1)
    low = place.floor().long().clamp(max=max(T - 2, 0))
    high = (low + 1).clamp(max=T - 1)
    return torch.lerp(means.gather(1, low), means.gather(1, high), (place - low).to(means.dtype))


def spread(answer: Tensor, k: int, horizon: int, normal: Tensor, steps: Detail) -> Tensor:
    """Quantiles of stretches (S, T, Q) as those of steps (S, H, Q), all counted from the last stretch that was seen.

    Medians lie on the line through those of the stretches, and decay from the last step to it, as an autoregression of
    order one does. Distances from the median are those of the stretch, joined with those of a step about the line.

    normal: (Q,), distances of a normal's quantiles from its median. steps: in the units of the answer.
    """
    if k == 1:
        return answer[:, :horizon]
    median = middle(answer)
    means = torch.cat([torch.zeros_like(median[:, :1]), median], dim=1).squeeze(-1)  # from the last stretch on
    T, ahead = means.shape[1], torch.arange(1, horizon + 1, device=answer.device)
    along = line(means, ahead - (T - 1) * k, k)
    off = steps.last - line(means, -steps.gap[:, None] - (T - 1) * k, k).squeeze(1)
    fading = steps.memory[:, None] ** (ahead + steps.gap[:, None])
    noise = steps.noise[:, None] * (1 - fading.square()).sqrt()
    apart = (answer - median).repeat_interleave(k, dim=1)[:, :horizon]
    return (along + off[:, None] * fading).unsqueeze(-1) + joined(apart, noise.unsqueeze(-1) * normal)


def middle(quantiles: Tensor) -> Tensor:
    """The median of quantiles (..., Q) whose levels lie evenly on both sides of it, (..., 1)."""
    half = quantiles.shape[-1] // 2
    return quantiles[..., half : half + 1]


def joined(first: Tensor, second: Tensor) -> Tensor:
    """Distances (..., Q) of quantiles from the median, of the sum of two independent errors with distances such as
    these."""
    square = first.square() + second.square()
    root = torch.where(square > 0, square, torch.ones_like(square)).sqrt()  # whose gradient at 0 is no number
    return torch.sign(first + second) * torch.where(square > 0, root, torch.zeros_like(root))
