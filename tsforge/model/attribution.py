"""Where a forecast comes from: the weights of a network's attention, and gradient × input. Networks do not change.

Axes: B batch, L context, H horizon, C targets; S sequences, A attention heads, N past and M future tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsforge.batch import Context
from tsforge.errors import ModelError
from tsforge.forecast import Forecast
from tsforge.model.backbones.transformer import Attention
from tsforge.model.baselines.forecaster import BaselineForecaster
from tsforge.model.counts import NegativeBinomial
from tsforge.model.ensemble import Ensemble
from tsforge.model.network import Network

BATCH = 64  # forecast steps whose gradients are taken at once
MOST = 2**29  # gradients: 2 GiB of them
STEPS = 16  # of a horizon, at which columns are weighed


def attention(network: nn.Module, context: Context) -> dict[str, Tensor]:
    """The weights of every `Attention` in a network, by what attends to what; empty where it has none.

    Within the "past" (layers, S, A, N, N) and the "future" (.., M, M); "cross" (.., M, N) of the future to the past;
    "joint" (.., M, N+M) in one stack over both, the future's rows; "other" over tokens that are none of these.

    Every row sums to 1. For an ensemble: the weights of the member with the largest weight that has attention, the
    first of equals. For a network that reads only the newest steps, as a token each, "cross" and "joint" have all steps
    of the context, with 0 for those that it does not read.
    """
    if isinstance(network, Ensemble):
        weights = network.weights or [1.0] * len(network.members)
        for k in sorted(range(len(weights)), key=lambda k: -weights[k]):
            if maps := attention(network.members[k], context):
                return maps
        return {}
    L = context.target.shape[1]
    N, M = network.tokens.shape[:2] if isinstance(network, Network) else (L, context.known.shape[1] - L)
    layers: dict[str, list[Tensor]] = {}

    def look(module: nn.Module, given: tuple[Tensor, Tensor], options: dict[str, Any], _out: Tensor) -> None:
        assert isinstance(module, Attention)
        weights = module.weights(*given, **options)
        kind = "cross" if given[0] is not given[1] else _kind(weights.shape[-1], N, M, options["causal"])
        layers.setdefault(kind, []).append(weights[..., N:, :] if kind == "joint" else weights)

    with torch.no_grad(), ExitStack() as hooks:  # none is left behind, whatever happens
        for module in network.modules():
            if isinstance(module, Attention):
                hooks.callback(module.register_forward_hook(look, with_kwargs=True).remove)
        network(context)
    unread = L - N if isinstance(network, Network) and network.context == N else 0
    before = {"cross": unread, "joint": unread}
    return {kind: F.pad(torch.stack(maps), (before.get(kind, 0), 0)) for kind, maps in layers.items()}


def _kind(tokens: int, past: int, future: int, causal: bool) -> str:
    """What the tokens of a self-attention are; where past and future are equally many, only the future is masked."""
    if tokens == past + future:
        return "joint"
    if tokens not in (past, future):
        return "other"
    ahead = causal if past == future else tokens == future
    return "future" if ahead else "past"


def saliency(network: nn.Module, context: Context) -> Tensor:
    """Gradient × input of one window (B = 1): ∂ŷ/∂z · z, (H, C, L, C), in data units.

    ŷ (H, C) is the point forecast in data units and z (L, C) the normalised context, (y - loc) / scale, with loc and
    scale held fixed. To first order, each entry is what a past step and target adds to a forecast step and target,
    counted from the level of the window: a linear network's entries sum to ŷ - loc, but for a constant. 0 where
    nothing was observed.
    (Shrikumar et al. 2016, "Not Just a Black Box"; Ancona et al. 2018, "Towards better understanding of
    gradient-based attribution methods", section 2)
    Raises ModelError where the forecast has no gradient, one that is not finite, or too many of them.
    """
    _, L, C = context.target.shape
    H = context.known.shape[1] - L
    if (count := H * C * L * C) > MOST:
        raise ModelError(
            f"{H} steps of {C} targets have {count:,} gradients with respect to {L} steps of {C} targets: too many",
            "explain a model of fewer targets, or of one target and many series",
        )
    outputs = torch.cartesian_prod(torch.arange(H), torch.arange(C))  # (H·C, 2)
    entries = torch.cat([_times_input(network, context, chosen) for chosen in torch.split(outputs, BATCH)])
    if not entries.isfinite().all():
        raise ModelError(
            "the gradient of this forecast is not a number: the model computes with gaps, as naive2 does with its "
            "moving average",
            "explain another model; seasonal-naive is near to naive2",
        )
    return entries.view(H, C, L, C)


def _times_input(network: nn.Module, context: Context, outputs: Tensor) -> Tensor:
    """Gradient × input of the chosen (step, target) pairs (R, 2), one copy of the window for each: (R, L, C)."""
    R = len(outputs)
    many = Context(*(x.repeat(R, *[1] * (x.dim() - 1)) for x in context))
    target = many.target.requires_grad_()
    with torch.enable_grad():
        forecast = network(many)
        chosen = _centre(forecast)[torch.arange(R), outputs[:, 0], outputs[:, 1]]
        slope = torch.autograd.grad(chosen.sum(), target, allow_unused=True)[0] if chosen.requires_grad else None
    if slope is None:
        raise ModelError(
            "the forecast of this model has no gradient: nothing of the past but its level goes into it",
            "explain a model that looks at the steps of the past",
        )
    gap = target.detach() - _level(network, many, forecast)
    return torch.where(many.observed, slope * gap, torch.zeros_like(gap))


def by_column(network: nn.Module, context: Context, columns: Sequence[tuple[str, slice]]) -> Tensor | None:
    """How much some columns add to the forecasts of windows by gradient × input, in data units: (columns, C).

    columns: each a field of the context ("past", "known" or "static") and which of its features are its own. What they
    add, Σ ∂ŷ/∂x · x over their steps and features, is signed within a forecast step and a window, and its size is the
    mean over these. Numbers are z-scores, so that it counts from the mean of a column. None without a gradient.
    """
    H = context.known.shape[1] - context.target.shape[1]
    leaves = {name: getattr(context, name).clone().requires_grad_() for name in ("past", "known", "static")}
    with torch.enable_grad():
        centre = _centre(network.eval()(context._replace(**leaves)))  # (B, H, C)
    if not centre.requires_grad:
        return None
    steps = sorted({round(k * (H - 1) / max(min(H, STEPS) - 1, 1)) for k in range(min(H, STEPS))})
    sizes = torch.zeros(len(columns), centre.shape[2], len(steps), dtype=torch.float64)
    for c in range(centre.shape[2]):
        for k, h in enumerate(steps):
            slopes = torch.autograd.grad(centre[:, h, c].sum(), list(leaves.values()), retain_graph=True,
                                         allow_unused=True)  # fmt: skip
            added = {name: slope if slope is None else (slope * leaf).detach()
                     for (name, leaf), slope in zip(leaves.items(), slopes, strict=True)}  # fmt: skip
            for j, (name, features) in enumerate(columns):
                part = added[name]
                if part is not None:
                    sizes[j, c, k] = part[..., features].flatten(1).sum(dim=1).abs().mean()
    found = sizes.mean(dim=2)
    return found if found.isfinite().all() else None


def _centre(forecast: Forecast) -> Tensor:
    """The point forecast; of a distribution of counts its mean, as a median of whole numbers has no gradient."""
    return forecast.mean if isinstance(forecast, NegativeBinomial) else forecast.point


def _level(network: nn.Module, context: Context, forecast: Forecast) -> Tensor:
    """The loc of each window, (B, 1, C), of the first member of an ensemble."""
    while isinstance(network, Ensemble):
        network = network.members[0]
    if isinstance(network, BaselineForecaster):  # whose forecast moves its loc with the step
        return network.scaler.scaling(context.target, context.observed).loc
    return forecast.scaling.loc.detach()
