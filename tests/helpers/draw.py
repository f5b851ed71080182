"""Random windows for the tests of the networks."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from tsforge.batch import Batch, Context, Truth, WindowShape
from tsforge.model.network import Network, Neural
from tsforge.model.transforms.scaling import WindowScaler
from tsforge.settings import build

torch.set_num_threads(1)

SHAPE = WindowShape(context=12, horizon=5, targets=2, past=2, known=3, static=2, season=4, lags=(4, 7))
RECURRENT = ("rnn", "lstm", "gru", "min-gru", "min-lstm")
POINT = (*RECURRENT, "transformer", "transformer-encoder", "transformer-decoder")  # a token per step
PATCH = ("patch-rnn", "patch-lstm", "patch-gru", "patch-transformer")
VARIATE = ("inverted-transformer", "nlinear", "cyclenet")
MATRIX = ("nlinear", "cyclenet")  # one matrix of each channel by itself: no layers, and covariates meet no channel
RELATIVE = ("growth-gru",)  # a form whose windows are relative to their own level
FORMS = (*PATCH, *VARIATE)
NEURAL = (*POINT, *FORMS)
SCALINGS = ("none", "last", "local", "standard", "change")
CENTRE, SPREAD = (3.0, -2.0), (2.0, 0.5)  # what a scaler takes from a training part
BASELINES = (
    "naive", "seasonal-naive", "drift", "naive2", "theta", "ets", "mstl", "shape-ridge", "croston", "tsb", "linear",
)  # fmt: skip
TINY = 1e-12  # in double precision: below what any reachable parameter has, above rounding errors


def noise(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def context(shape: WindowShape, batch: int = 4, missing: float = 0.2, seed: int = 0) -> Context:
    """Random values, some of them missing."""
    g = torch.Generator().manual_seed(seed)
    L, H, C, P, K, F, *_ = shape
    observed = torch.rand(batch, L, C, generator=g) >= missing
    return Context(
        target=(5 + 3 * torch.randn(batch, L, C, generator=g)) * observed,
        observed=observed,
        past=torch.randn(batch, L, P, generator=g),
        known=torch.randn(batch, L + H, K, generator=g),
        static=torch.randn(batch, F, generator=g),
        ordinal=torch.randint(-100, 10**9, (batch,), generator=g),
        usual=torch.zeros(batch, 2, C),
    )


def truth(shape: WindowShape, batch: int = 4, missing: float = 0.2, seed: int = 1) -> Truth:
    """Random values, some of them missing."""
    g = torch.Generator().manual_seed(seed)
    observed = torch.rand(batch, shape.horizon, shape.targets, generator=g) >= missing
    return Truth((5 + 3 * torch.randn(batch, shape.horizon, shape.targets, generator=g)) * observed, observed)


def scaler(kind: str) -> WindowScaler:
    """A scaler for two targets that knows their level."""
    net = WindowScaler(2, kind)
    net.fit(torch.tensor(CENTRE), torch.tensor(SPREAD))
    return net


def network(kind: str, shape: WindowShape = SHAPE, seed: int = 0, **settings: object) -> nn.Module:
    """A named model with random weights that are large enough to be seen in its forecast.

    settings: dotted paths below "model." with "__" for the dots, as tokens__channels="shared".
    """
    overrides = {"model.kind": kind} | ({"model.width": 8} if kind in (*NEURAL, *RELATIVE) else {})
    overrides |= {"model.tokens.length": 4} if kind in PATCH else {}
    overrides |= {"model.tokens.stride": 3} if kind == "patch-transformer" else {}
    overrides |= {"model." + name.replace("__", "."): value for name, value in settings.items()}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = build(overrides).model.build(shape)
        with torch.no_grad():
            for name, parameter in net.named_parameters():
                if name != "gate":
                    parameter.add_(0.2 * torch.randn_like(parameter))
    return net.eval()


def values(net: nn.Module, given: Context) -> torch.Tensor:
    """(B, H, C, Q): everything a forecast says, the point where it has no quantiles."""
    with torch.no_grad():
        forecast = net(given)
        return forecast.quantiles() if forecast.levels else forecast.point.unsqueeze(-1)


def in_motion(config: Neural, shape: WindowShape) -> Network:
    """In double precision and away from the start, where symmetries can cancel a gradient."""
    torch.manual_seed(0)
    net = config.build(shape).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


@cache
def window_batch(shape: WindowShape) -> Batch:
    """Seven windows with missing values; each step and target has five truths.

    An odd number, as the gradients of absolute and pinball losses are counts that could cancel to 0.
    """
    given, after = context(shape, batch=7), truth(shape, batch=7, missing=0.0)
    observed = torch.rand(7, shape.horizon, shape.targets, generator=torch.Generator().manual_seed(2)).argsort(dim=0)
    doubles = {field: getattr(given, field).double() for field in ("target", "past", "known", "static")}
    return Batch(given._replace(**doubles), Truth((after.target * (observed >= 2)).double(), observed >= 2))


def check_gradients(net: Network, shape: WindowShape, off: dict[str, Tensor], case: object) -> None:
    """Every entry of every parameter has a gradient, but for those that are `off`."""
    batch = window_batch(shape)
    net(batch.context).loss(batch.truth).backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None, (name, case)
        alive = weight.grad.abs() > TINY
        if ".feed.0." in name or ".feed.2.weight" in name:
            assert alive.any(), (name, case)  # single ReLU units may be asleep
        else:
            assert torch.equal(alive, ~off[name]), (name, case)
