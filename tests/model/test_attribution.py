"""Attention weights against a loop and the fused kernel; gradient × input against finite differences and by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.draw import NEURAL, SHAPE, context, network, noise
from tsforge.batch import Context, WindowShape
from tsforge.errors import ModelError
from tsforge.forecast import Point, Scaling
from tsforge.model import attribution
from tsforge.model.backbones.transformer import Attention
from tsforge.model.transforms.scaling import WindowScaler

TRANSFORMERS = ("transformer", "transformer-encoder", "transformer-decoder")
D = 6


def attention(heads: int) -> Attention:
    torch.manual_seed(0)
    net = Attention(D, heads).double()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.7)
    return net


def given(kind: str) -> tuple[Tensor, Tensor]:
    x = noise(3, 4, D)
    return (x, noise(3, 5, D, seed=1)) if kind == "cross" else (x, x)


KINDS = pytest.mark.parametrize("kind", ["self", "causal", "cross"])


@KINDS
@pytest.mark.parametrize("heads", [1, 2, 3])
def test_weights_times_values_are_what_the_fused_kernel_gives(kind: str, heads: int) -> None:
    """Weights of something other than what the network computes: another scale, mask or order of heads."""
    net, (x, memory) = attention(heads), given(kind)
    value = net.key_value(memory)[..., D:].view(3, -1, heads, D // heads).transpose(1, 2)
    mixed = net.weights(x, memory, causal=kind == "causal") @ value
    torch.testing.assert_close(net.out(mixed.transpose(1, 2).flatten(2)), net(x, memory, causal=kind == "causal"))


@KINDS
def test_weights_of_one_head_by_a_loop(kind: str) -> None:
    """The softmax over the wrong axis, or keys of a neighbouring head."""
    net, (x, memory) = attention(2), given(kind)
    actual = net.weights(x, memory, causal=kind == "causal")
    s, a, d = 1, 1, 3
    for t in range(x.shape[1]):
        query = (net.query.weight @ x[s, t] + net.query.bias)[a * d : (a + 1) * d]
        seen = range(t + 1) if kind == "causal" else range(memory.shape[1])
        keys = [(net.key_value.weight[:D] @ memory[s, n])[a * d : (a + 1) * d] for n in seen]
        shares = [math.exp(float((query @ key).detach()) / math.sqrt(d)) for key in keys]
        expected = [share / sum(shares) for share in shares] + [0.0] * (memory.shape[1] - len(seen))
        assert actual[s, a, t].tolist() == pytest.approx(expected)


def test_rows_sum_to_one_and_the_future_is_masked() -> None:
    """A mask that is shifted by one, or normalised before it is applied."""
    net, (x, memory) = attention(2), given("causal")
    actual = net.weights(x, memory, causal=True)
    torch.testing.assert_close(actual.sum(dim=-1), torch.ones(3, 2, 4, dtype=torch.float64))
    seen = torch.ones(4, 4, dtype=torch.bool).tril()
    assert (actual[..., ~seen] == 0).all()
    assert (actual[..., seen] > 0).all()


@pytest.mark.parametrize("horizon", [5, 12, 20])
@pytest.mark.parametrize("channels", ["mixed", "shared"])
def test_every_attention_has_its_name_and_shape(horizon: int, channels: str) -> None:
    """Maps under a wrong name where the horizon is as long as the context; sequences of targets mixed up."""
    shape = SHAPE._replace(horizon=horizon)
    S, L = (2 if channels == "shared" else 1), shape.context
    expected = {
        "transformer": {"past": (L, L), "future": (horizon, horizon), "cross": (horizon, L)},
        "transformer-encoder": {"joint": (horizon, L + horizon)},
        "transformer-decoder": {"joint": (horizon, L + horizon)},
        "lstm": {},
    }
    for kind, maps in expected.items():
        net = network(kind, shape, tokens__channels=channels)
        actual = attribution.attention(net, context(shape, 1))
        assert {name: tuple(w.shape) for name, w in actual.items()} == {n: (2, S, 4, *s) for n, s in maps.items()}
        for weights in actual.values():
            torch.testing.assert_close(weights.sum(dim=-1), torch.ones(weights.shape[:-1]))
    causal = attribution.attention(network("transformer", shape), context(shape, 1))["future"]
    assert (causal[..., torch.ones(horizon, horizon, dtype=torch.bool).triu(1)] == 0).all()


@pytest.mark.parametrize(("kind", "name"), [("transformer", "cross"), ("transformer-encoder", "joint")])
def test_steps_that_are_not_read_have_no_attention(kind: str, name: str) -> None:
    """A map of the newest steps that is drawn over the oldest ones."""
    long, given = network(kind, recent=8), context(SHAPE)
    short = network(kind, SHAPE._replace(context=8))
    cut = [part[:, 4:] for part in given[:4]]
    left = attribution.attention(short, Context(*cut, *given[4:]))[name]
    actual = attribution.attention(long, given)[name]
    assert (actual[..., :4] == 0).all()
    torch.testing.assert_close(actual[..., 4:], left)
    assert actual.shape[-1] == SHAPE.context + (SHAPE.horizon if name == "joint" else 0)


@pytest.mark.parametrize("kind", TRANSFORMERS)
def test_looking_leaves_the_network_as_it_was(kind: str) -> None:
    """Hooks left behind, gradients left on the weights, a forecast that has moved."""
    net, window = network(kind), context(SHAPE, 1)
    before = net(window).quantiles()
    attribution.attention(net, window)
    attribution.saliency(net, window)
    assert torch.equal(net(window).quantiles(), before)
    assert all(not part._forward_hooks for part in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_nothing_is_left_behind_by_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception half way through a forward pass, after which all later ones would still be recorded."""
    net, window = network("transformer"), context(SHAPE, 1)

    def fail(_features: Tensor, _base: Tensor, _scaling: Scaling) -> Point:
        raise RuntimeError("in the head")

    monkeypatch.setattr(net.head, "forward", fail)
    for look in (attribution.attention, attribution.saliency):
        with pytest.raises(RuntimeError, match="in the head"):
            look(net, window)
    assert all(not part._forward_hooks for part in net.modules())


def test_a_forecast_computes_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training and prediction that pay for a picture nobody asked for."""
    monkeypatch.setattr(Attention, "weights", None)
    for kind in TRANSFORMERS:
        network(kind)(context(SHAPE)).point.sum().backward()


# --- gradient × input ---------------------------------------------------------------------------------------


def doubled(window: Context) -> Context:
    return Context(*(x.double() if x.is_floating_point() else x for x in window))


@pytest.mark.parametrize("kind", NEURAL)
@pytest.mark.parametrize("scaling", ["standard", "last"])
def test_saliency_is_the_finite_difference(kind: str, scaling: str) -> None:
    """Steps, targets or units mixed up; a normalisation that is differentiated too; gaps that count."""
    net, window = network(kind, scaling=scaling).double(), doubled(context(SHAPE, 1))
    actual = attribution.saliency(net, window)
    fixed = net.scaler.scaling(*window[:2])
    net.scaler.scaling = lambda *_given: fixed
    h, eps = SHAPE.horizon, 1e-6
    with torch.no_grad():
        for step in range(SHAPE.context):
            for c in range(SHAPE.targets):
                z = ((window.target - fixed.loc) / fixed.scale)[0, step, c] * window.observed[0, step, c]
                moved = [window.target.clone() for _ in range(2)]
                for target, sign in zip(moved, (1, -1), strict=True):
                    target[0, step, c] += sign * eps * fixed.scale[0, 0, c]
                up, down = (net(window._replace(target=target)).point[0] for target in moved)
                torch.testing.assert_close(actual[:h, :, step, c], (up - down) / (2 * eps) * z, rtol=1e-4, atol=1e-6)


class Toy(nn.Module):
    """ŷ = loc + scale · (A z + b): gradient × input is scale · A z, entry by entry."""

    def __init__(self, shape: WindowShape) -> None:
        super().__init__()
        self.scaler = WindowScaler(shape.targets, "standard")
        self.matrix = torch.randn(shape.horizon, shape.targets, shape.context, shape.targets)

    def forward(self, given: Context) -> Point:
        scaling = self.scaler.scaling(*given[:2])
        z = scaling.normalise(given.target) * given.observed
        return Point(torch.einsum("hclk,blk->bhc", self.matrix, z) + 0.7, scaling)


def test_saliency_of_a_linear_network_in_closed_form() -> None:
    """A saliency that does not add up to the forecast."""
    net, window = Toy(SHAPE), context(SHAPE, 1)
    actual, forecast = attribution.saliency(net, window), net(window)
    loc, scale = forecast.scaling
    z = forecast.scaling.normalise(window.target) * window.observed
    torch.testing.assert_close(actual, scale[0, 0, :, None, None] * net.matrix * z)
    torch.testing.assert_close(actual.sum(dim=(2, 3)), (forecast.point - loc - 0.7 * scale)[0], rtol=1e-4, atol=1e-4)


def test_as_many_steps_at_once_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients of one forecast step that end up with another."""
    net, window = network("gru"), context(SHAPE, 1)
    actual = attribution.saliency(net, window)
    monkeypatch.setattr(attribution, "BATCH", 3)
    torch.testing.assert_close(attribution.saliency(net, window), actual)


def test_saliency_of_the_ridge_by_its_matrix() -> None:
    """The last value counted twice or not at all, as the others are taken relative to it."""
    net, window = network("linear"), context(SHAPE, 1)
    net.ridge.weight.copy_(torch.randn(net.ridge.weight.shape))
    actual, loc = attribution.saliency(net, window), net.scaler.scaling(*window[:2]).loc[0, 0]
    for c in range(SHAPE.targets):
        seen = window.observed[0, :, c]
        weight = net.ridge.weight[:-1].T * seen  # (H, L)
        newest = int(seen.nonzero()[-1])
        weight[:, newest] = 1 + weight[:, newest] - weight.sum(dim=1)
        torch.testing.assert_close(actual[:, c, :, c], weight * (window.target[0, :, c] - loc[c]) * seen)
        assert (actual[:, c, :, 1 - c] == 0).all()


def test_saliency_of_the_baselines_by_hand() -> None:
    """naive looks at its last value, seasonal naive at the value one season before, drift at both ends."""
    window = context(SHAPE, 1, missing=0.0)
    H, L, m = SHAPE.horizon, SHAPE.context, SHAPE.season
    step = torch.arange(1, H + 1) / (L - 1)
    slopes = {kind: torch.zeros(H, L) for kind in ("naive", "seasonal-naive", "drift")}
    slopes["naive"][:, -1] = 1
    slopes["seasonal-naive"][torch.arange(H), L - m + torch.arange(H) % m] = 1
    slopes["drift"][:, -1], slopes["drift"][:, 0] = 1 + step, -step
    for kind, slope in slopes.items():
        net = network(kind)
        gap = (window.target - net.scaler.scaling(*window[:2]).loc)[0, :, 0]
        torch.testing.assert_close(attribution.saliency(net, window)[:, 0, :, 0], slope * gap)


class Level(nn.Module):
    """Forecasts the level of the window, whatever its steps."""

    def __init__(self, own: bool) -> None:
        super().__init__()
        self.scaler = WindowScaler(SHAPE.targets, "standard")
        self.own = nn.Parameter(torch.ones(1)) if own else None

    def forward(self, given: Context) -> Point:
        scaling = self.scaler.scaling(*given[:2])
        zero = torch.zeros(len(given.target), SHAPE.horizon, SHAPE.targets)
        return Point(zero if self.own is None else zero + self.own, scaling)


def test_where_there_is_no_gradient_it_says_so() -> None:
    """A picture of zeros or NaN, or an error from deep inside torch."""
    window = context(SHAPE, 1)
    for net in (Level(own=False), Level(own=True)):
        with pytest.raises(ModelError, match="no gradient"):
            attribution.saliency(net, window)
    with pytest.raises(ModelError, match="not a number"):
        attribution.saliency(network("naive2"), window)


def test_more_gradients_than_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of hundreds of targets that fills the memory."""
    monkeypatch.setattr(attribution, "MOST", SHAPE.horizon * SHAPE.context * SHAPE.targets**2 - 1)
    with pytest.raises(ModelError, match="240 gradients"):
        attribution.saliency(network("gru"), context(SHAPE, 1))
