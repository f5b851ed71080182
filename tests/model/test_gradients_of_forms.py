"""Every parameter of tokens of stretches and of channels learns from data, whatever the backbone behind them.

As in `test_gradients.py`, what no data can reach is named, and the test holds to it in both directions.
"""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from tests.helpers.draw import check_gradients, in_motion
from tsforge.batch import WindowShape
from tsforge.model.backbones.linear import Matrix
from tsforge.model.backbones.minimal import Minimal
from tsforge.model.backbones.recurrent import Recurrent
from tsforge.model.backbones.transformer import Transformer
from tsforge.model.heads import PointHead, QuantileHead
from tsforge.model.network import Network, Neural
from tsforge.model.tokens.patch import PatchTokens
from tsforge.model.tokens.variate import VariateTokens

H = 5

TOKENS = {
    "segments": PatchTokens(length=3, channel_embedding=True),
    "patches": PatchTokens(length=3, stride=2, readout="flatten", channel_embedding=True, features=2),
    "variates": VariateTokens(channel_embedding=True),
}
WAYS = ("sequence", "parallel")
BACKBONES = {
    **{f"{cell}-{way}": Recurrent(cell=cell, decode=way, layers=2) for cell in ("rnn", "lstm", "gru") for way in WAYS},
    **{f"min-{cell}-{way}": Minimal(cell=cell, decode=way, layers=2) for cell in ("gru", "lstm") for way in WAYS},
    **{
        f"{arrangement}-{norm}": Transformer(arrangement=arrangement, heads=2, norm=norm)
        for arrangement in ("encoder-decoder", "encoder", "decoder") for norm in ("pre", "post")
    },
    "matrix": Matrix(),
}  # fmt: skip
SHAPES = tuple(
    WindowShape(7, H, C, *covariates, season=3) for C in (1, 3) for covariates in ((0, 0, 0), (2, 3, 1), (0, 2, 0))
)


def unreachable(network: Network, name: str) -> Tensor:
    """Entries of a parameter that no data can reach: what a single step from a state of 0 multiplies by it."""
    parameter = dict(network.named_parameters())[name]
    off = torch.zeros_like(parameter, dtype=torch.bool)
    if getattr(network.backbone, "parallel", False) and not network.tokens.shape.past and "decoder" in name:
        D = network.tokens.shape.width
        if "weight_hh" in name:
            off[:] = True
        elif len(parameter) == 4 * D:  # the forget gate of an LSTM
            off[D : 2 * D] = True
    return off


PAIRS = [  # tokens that are all answered leave nothing for an encoder-decoder to attend to: see test_patches.py
    pair for pair in product(TOKENS, BACKBONES) if pair[0] != "patches" or not pair[1].startswith("encoder-decoder")
]


def shapes(tokens: str, backbone: str) -> list[WindowShape]:
    """Those where something can be learned: not from the attention of a single channel to itself, or to nothing."""
    if tokens != "variates":
        return list(SHAPES)
    crossing = backbone.startswith("encoder-decoder")
    return [shape for shape in SHAPES if shape.targets > 1 and (shape.known or not crossing)]


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize(("tokens", "backbone"), PAIRS)
def test_every_parameter_gets_a_gradient(tokens: str, backbone: str, affine: bool) -> None:
    """A token that nobody reads, a vector of a channel that is never added, a stack that nothing enters."""
    head = PointHead() if affine else QuantileHead(levels=(0.1, 0.5, 0.85))
    config = Neural(
        kind="lstm", width=4, base="none", affine=affine, cycle=4 if affine else "none", tokens=TOKENS[tokens],
        backbone=BACKBONES[backbone], head=head,
    )  # fmt: skip
    for shape in shapes(tokens, backbone):
        network = in_motion(config, shape)
        off = {name: unreachable(network, name) for name, _ in network.named_parameters()}
        check_gradients(network, shape, off, shape)
