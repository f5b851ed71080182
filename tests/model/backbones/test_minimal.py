"""The minimal recurrent backbone against its equations, step by step."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.draw import noise
from tsforge.comparison.probes.cost import _depth
from tsforge.model.backbones.minimal import Layer, Minimal, scan
from tsforge.model.tokens.point import TokenShape

SHAPE = TokenShape(past=5, future=4, width=3)
EPSILON = torch.finfo(torch.float32).eps


def loop(a: Tensor, b: Tensor, h: Tensor) -> Tensor:
    """h_t = a_t h_{t-1} + b_t, one after the other: a, b (S, T, D), h (S, 1, D)."""
    results = []
    for t in range(a.shape[1]):
        h = a[:, t : t + 1] * h + b[:, t : t + 1]
        results.append(h)
    return torch.cat(results, dim=1)


def step(cell: str, layer: Layer, x: Tensor, h: Tensor) -> Tensor:
    """One step of the paper's equation for one sequence, x (D,) and h (D,)."""
    D = len(x)
    x = (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt() * layer.norm.weight + layer.norm.bias
    *gates, v = (layer.project.weight @ x + layer.project.bias).split(D)
    candidate = torch.stack([u + 0.5 if u >= 0 else 1 / (1 + torch.exp(-u)) for u in v])
    if cell == "gru":
        z = 1 / (1 + torch.exp(-gates[0]))
        return (1 - z) * h + z * candidate
    f, i = (1 / (1 + torch.exp(-gate)) for gate in gates)
    return f / (f + i) * h + i / (f + i) * candidate


def unroll(cell: str, stack: nn.ModuleList, xs: Tensor, states: list[Tensor]) -> Tensor:
    """What comes out of the top layer; the states are updated in place."""
    out = []
    for x in xs:
        for n, layer in enumerate(stack):
            states[n] = step(cell, layer, x, states[n])
            if layer.out is not None:
                x = x + layer.out.weight @ states[n] + layer.out.bias
        out.append(x)
    return torch.stack(out)


def built(shape: TokenShape = SHAPE, **settings: object) -> nn.Module:
    torch.manual_seed(0)
    backbone = Minimal(**settings).build(shape).double()
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return backbone


def recurrence(gates: str, T: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """a and b of gates that are mixed, nearly closed or nearly open, and a state; in double precision."""
    k = noise(2, T, 3, seed=seed) * 3 + {"mixed": 0.0, "forgetting": 25.0, "keeping": -12.0}[gates]
    return torch.sigmoid(-k), torch.sigmoid(k) * noise(2, T, 3, seed=seed + 1), noise(2, 1, 3, seed=seed + 2)


@pytest.mark.parametrize("T", [*range(1, 18), 63, 64, 65])
def test_the_scan_is_the_loop_at_every_length(T: int) -> None:
    """Prevents: a step lost or done twice where a half of the length is odd."""
    a, b, state = recurrence("mixed", T)
    torch.testing.assert_close(scan(a, b, state), loop(a, b, state))


@pytest.mark.parametrize("gates", ["mixed", "forgetting", "keeping"])
def test_the_scan_has_the_gradients_of_the_loop(gates: str) -> None:
    """Prevents: a gradient that is lost between the halves, over 1,500 steps."""
    results = []
    for way in (scan, loop):
        given = [x.requires_grad_() for x in recurrence(gates, 1500)]
        h = way(*given)
        results.append((h.detach(), *torch.autograd.grad((h * noise(*h.shape, seed=9)).sum(), given)))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("gates", ["mixed", "forgetting", "keeping"])
def test_single_precision_is_enough_for_long_sequences(gates: str) -> None:
    """Prevents: sums that lose their digits, products that become 0 or infinite, as in logarithms; 3,000 steps."""
    exact = [x.requires_grad_() for x in recurrence(gates, 3000)]
    single = [x.detach().float().requires_grad_() for x in exact]
    true, ours = scan(*exact), scan(*single)
    theirs = loop(*(x.detach() for x in single))

    def off(h: Tensor) -> float:
        return float((h.double() - true).detach().abs().max() / true.detach().abs().max())

    assert off(ours) < max(2 * off(theirs), 4 * EPSILON)
    weights = noise(*true.shape, seed=9)
    right = torch.autograd.grad((true * weights).sum(), exact)
    results = torch.autograd.grad((ours * weights.float()).sum(), single)
    for a, b in zip(results, right, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-3, atol=1e-4 * float(b.abs().max()))


def test_gates_of_exactly_0_and_1() -> None:
    """Prevents: a logarithm of 0, or 0 times infinity: a state that is held, and one that is replaced, for ever."""
    a, state = torch.zeros(1, 1000, 2), torch.full((1, 1, 2), 3.0)
    a[..., 0] = 1
    b = torch.zeros(1, 1000, 2)
    b[..., 1] = torch.arange(1000.0)
    a.requires_grad_()
    h = scan(a, b, state)
    assert torch.equal(h[..., 0], torch.full((1, 1000), 3.0))
    assert torch.equal(h[..., 1], b[..., 1])
    h.sum().backward()
    assert a.grad.isfinite().all()


def shut(cell: str, **gates: float) -> Layer:
    """A layer whose gates see nothing but their biases, by letter."""
    layer = Minimal(cell=cell).build(SHAPE).decoder[0]
    with torch.no_grad():
        layer.project.weight.zero_()
        for row, gate in enumerate("kv" if cell == "gru" else "jkv"):
            layer.project.bias[row * 3 : row * 3 + 3] = gates[gate]
    return layer


@pytest.mark.parametrize("gates", [(-200.0, -200.0), (200.0, 200.0), (-200.0, 200.0), (200.0, -200.0)])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_extreme_gates_stay_numbers(cell: str, gates: tuple[float, float]) -> None:
    """Prevents: f / (f + i) as 0 / 0 where both gates are shut, and gradients that are not numbers."""
    layer = shut(cell, j=gates[0], k=gates[1], v=gates[0])
    x = noise(1, 4, 3).float().requires_grad_()
    a, b = layer.coefficients(x)
    (a.sum() + b.sum()).backward()
    assert all(results.isfinite().all() for results in (a, b, x.grad, layer.project.weight.grad))
    if cell == "lstm" and gates[0] == gates[1]:
        torch.testing.assert_close(a, torch.full_like(a, 0.5))


@pytest.mark.parametrize(("cell", "gates"), [("gru", {"k": -20.0}), ("lstm", {"j": 20.0, "k": -20.0})])
def test_what_little_enters_is_not_rounded_away(cell: str, gates: dict[str, float]) -> None:
    """Prevents: an input gate as 1 - a, which is 0 or twice too large in single precision next to a of 1."""
    _, b = shut(cell, v=0.5, **gates).coefficients(torch.zeros(1, 1, 3))
    torch.testing.assert_close(b, torch.full_like(b, math.exp(-20.0)), rtol=1e-5, atol=0)


@pytest.mark.parametrize("decode", ["sequence", "parallel"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 3])
def test_encode_carry_the_state_decode(cell: str, layers: int, decode: str) -> None:
    """Prevents: a wrong gate, a decoder from zero, another's state, tokens that go on where each begins at the past."""
    backbone = built(cell=cell, layers=layers, decode=decode)
    past, future = noise(2, SHAPE.past, SHAPE.width), noise(2, SHAPE.future, SHAPE.width, seed=1)
    expected = torch.empty_like(future)
    for s in range(2):
        states = [torch.zeros(SHAPE.width, dtype=torch.float64)] * layers
        unroll(cell, backbone.encoder, past[s], states)
        for m in range(SHAPE.future):
            begin = states if decode == "sequence" else list(states)
            expected[s, m] = unroll(cell, backbone.decoder, future[s, m : m + 1], begin)[0]
    torch.testing.assert_close(backbone(past, future), backbone.norm(expected))


@pytest.mark.parametrize("decode", ["sequence", "parallel"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_without_a_past_it_starts_from_zero(cell: str, decode: str) -> None:
    """Prevents: an encoder that fails on nothing, or is kept and learns nothing."""
    backbone = built(SHAPE._replace(past=0), cell=cell, layers=1, decode=decode)
    future = noise(1, SHAPE.future, SHAPE.width)
    states = [torch.zeros(SHAPE.width, dtype=torch.float64)]
    expected = [
        unroll(cell, backbone.decoder, future[0, m : m + 1], states if decode == "sequence" else list(states))
        for m in range(SHAPE.future)
    ]
    torch.testing.assert_close(backbone(future[:, :0], future)[0], backbone.norm(torch.cat(expected)))
    assert backbone.encoder is None


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_an_output_knows_no_later_token(cell: str) -> None:
    """Prevents: a scan that mixes steps in both directions, and so sees later covariates first."""
    backbone = built(cell=cell)
    past, future = noise(2, SHAPE.past, SHAPE.width), noise(2, SHAPE.future, SHAPE.width, seed=1)
    before = backbone(past, future)
    future[:, 2, 0] += 1
    changed = (backbone(past, future) != before).any(-1).any(0)
    assert changed.tolist() == [False, False, True, True]


def test_dropout_acts_in_training_only() -> None:
    """Prevents: dropout that is forgotten, or that stays on when forecasting."""
    backbone = built(dropout=0.5)
    past, future = noise(2, SHAPE.past, SHAPE.width), noise(2, SHAPE.future, SHAPE.width, seed=1)
    assert not torch.equal(backbone(past, future), backbone(past, future))
    backbone.eval()
    torch.testing.assert_close(backbone(past, future), backbone(past, future), rtol=0, atol=0)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_memories_begin_at_every_length(cell: str) -> None:
    """Prevents: gates that all begin at 1/2, from where nothing beyond a few steps can be learned."""
    layer = Minimal(cell=cell).build(TokenShape(past=90, future=10, width=3)).decoder[0]
    with torch.no_grad():
        layer.project.weight.zero_()
    a, _ = layer.coefficients(torch.zeros(1, 1, 3))
    torch.testing.assert_close(a[0, 0], torch.tensor([1 / 2, 10 / 11, 100 / 101]))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_half_precision_of_products_leaves_the_states_single(cell: str) -> None:
    """Prevents: a memory of 300 steps that bfloat16 rounds to one without end."""
    backbone = Minimal(cell=cell).build(SHAPE)
    with torch.autocast("cpu", torch.bfloat16):
        a, b = backbone.decoder[0].coefficients(noise(1, 4, 3).float())
    assert a.dtype == b.dtype == torch.float32


def test_operations_in_a_row_grow_with_the_logarithm() -> None:
    """Prevents: a loop in disguise: twice the length may add a constant, and no more."""
    depths = []
    for T in (16, 32, 64, 128, 256):
        a, b, state = (x.requires_grad_() for x in recurrence("mixed", T))
        depths.append(_depth(scan(a, b, state).sum().grad_fn))
    more = [later - earlier for earlier, later in pairwise(depths)]
    assert len(set(more)) == 1
    assert more[0] <= 10
