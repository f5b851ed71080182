"""Every parameter of every combination of tokens, backbone and head learns from data.

A parameter that can be reached by no data is named by `unreachable`, which the test holds to in both
directions: what it names gets no gradient, everything else does.
"""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from tests.helpers.draw import check_gradients, in_motion
from tsforge.batch import WindowShape
from tsforge.model.backbones.minimal import Minimal
from tsforge.model.backbones.recurrent import Recurrent
from tsforge.model.backbones.transformer import Transformer
from tsforge.model.heads import PointHead, QuantileHead
from tsforge.model.network import Network, Neural
from tsforge.model.tokens.point import PointTokens

L, H = 6, 5

BACKBONES = {
    **{f"{cell}-{n}": Recurrent(cell=cell, layers=n) for cell in ("rnn", "lstm", "gru") for n in (1, 2)},
    **{f"min-{cell}-{n}": Minimal(cell=cell, layers=n) for cell in ("gru", "lstm") for n in (1, 2)},
    **{
        f"{arrangement}-{norm}-{n}": Transformer(arrangement=arrangement, layers=n, heads=2, norm=norm)
        for arrangement in ("encoder-decoder", "encoder", "decoder") for norm in ("pre", "post") for n in (1, 2)
    },
}  # fmt: skip
HEADS = (QuantileHead(levels=(0.1, 0.5, 0.85)), PointHead())
# 8 lies beyond the context, but some future steps are still whole seasons after a known one; 20 reaches none.
SEASONS = (1, 3, 8, 20)


def reached(season: int, steps: range) -> Tensor:
    """For each step of a window, whether a whole number of seasons before it there is a known step."""
    return torch.tensor([any((t - j) % season == 0 for j in range(min(L, t))) for t in steps])


def unreachable(network: Network, shape: WindowShape) -> dict[str, Tensor]:
    """Entries that no data can reach: where a cycle is longer than the context, no value lies before."""
    off = {name: torch.zeros_like(p, dtype=torch.bool) for name, p in network.named_parameters()}
    if network.gate is not None:
        off["gate"][:, 0] = ~reached(shape.season, range(L, L + H))
    tokens = network.tokens
    each = 2 * (1 if tokens.shared else shape.targets)  # values and masks of one token
    lags = shape.lags if len(tokens.before) else ()
    for i, cycle in enumerate(lags):
        if not reached(cycle, range(L)).any():
            start = each + shape.past + i * each
            off["tokens.past.weight"][:, start : start + each] = True
        if not reached(cycle, range(L, L + H)).any():
            off["tokens.future.weight"][:, i * each : (i + 1) * each] = True
    return off


# C, (P, K, F) and the season; each number of targets meets each season, with or without covariates.
SIZES = (
    *((C, covariates, 1) for C in (1, 3) for covariates in ((0, 0, 0), (2, 3, 1))),
    (1, (2, 3, 1), 3), (3, (0, 0, 0), 3), (1, (0, 0, 0), 8), (3, (2, 3, 1), 8),
    (1, (2, 3, 1), 20), (3, (0, 3, 0), 20),
)  # fmt: skip


def combinations() -> list[tuple[Neural, WindowShape]]:
    """Every tokens × base × head, in windows of every size."""
    cases = []
    for channels, seasonal, base, head, (C, covariates, season) in product(
        ("mixed", "shared"), (True, False), ("none", "seasonal"), HEADS, SIZES
    ):
        if not seasonal and base == "none" and season > 1:
            continue  # nothing looks at the season
        tokens = PointTokens(channels=channels, seasonal=seasonal)
        cycle = "none" if seasonal else 4
        config = Neural(kind="lstm", width=4, base=base, cycle=cycle, tokens=tokens, head=head)
        lags = tuple(sorted({2, season}))
        cases.append((config, WindowShape(L, H, C, *covariates, season=season, lags=lags)))
    return cases


@pytest.mark.parametrize("name", BACKBONES)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    """A layer that is built and never used, a token seen too late, a mask that hides a stream."""
    for config, shape in combinations():
        network = in_motion(config.model_copy(update={"backbone": BACKBONES[name]}), shape)
        check_gradients(network, shape, unreachable(network, shape), (config, shape))


@pytest.mark.parametrize("season", SEASONS)
def test_unreachable_is_the_exception(season: int) -> None:
    """A list of exceptions that grows until the test above cannot fail."""
    shape = WindowShape(L, H, 1, 0, 0, 0, season=season, lags=(season,))
    off = unreachable(Neural(kind="lstm", width=4).build(shape), shape)
    named = {name for name, entries in off.items() if entries.any()}
    past_and_gate = {"tokens.past.weight", "gate"}
    assert named == {1: set(), 3: set(), 8: past_and_gate, 20: past_and_gate | {"tokens.future.weight"}}[season]
