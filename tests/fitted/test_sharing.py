"""One network for many threads: whoever else asks, an answer is the same to the last bit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from tsforge.batch import Context, WindowShape
from tsforge.fitted.sharing import ROWS, TRIED, Shared
from tsforge.forecast import Forecast
from tsforge.model.baselines.forecaster import Baseline
from tsforge.model.network import Neural
from tsforge.model.zero.network import Zero
from tsforge.model.zoo import complete

SHAPE = WindowShape(context=24, horizon=6, targets=2, past=0, known=3, static=0, season=6)


def contexts(count: int, size: int, shape: WindowShape = SHAPE) -> list[Context]:
    """Random walks; every second one has gaps, so that some batches are whole and others are not."""
    generator = torch.Generator().manual_seed(3)
    found = []
    for i in range(count):
        L, H, C, _, K, *_ = shape
        target = 100 + torch.randn(size, L, C, generator=generator).cumsum(1)
        observed = torch.rand(size, L, C, generator=generator) > (0.2 if i % 2 else -1.0)
        found.append(Context(
            target * observed, observed, torch.zeros(size, L, 0), torch.randn(size, L + H, K, generator=generator),
            torch.zeros(size, 0), torch.zeros(size, dtype=torch.int64), torch.ones(size, 2, C),
        ))  # fmt: skip
    return found


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    kinds = (
        "rnn",
        "lstm",
        "gru",
        "min-gru",
        "transformer",
        "patch-gru",
        "growth-gru",
        "inverted-transformer",
        "nlinear",
    )
    built: dict[str, nn.Module] = {kind: Neural(**complete({"kind": kind})).build(SHAPE) for kind in kinds}
    built["zero"] = Zero(width=64).build(SHAPE)
    built |= {kind: Baseline(kind=kind).build(SHAPE) for kind in ("linear", "drift")}
    for network in built.values():
        for parameter in network.parameters():
            if not parameter.any():  # what begins at 0 would hide what is multiplied by it
                nn.init.normal_(parameter, std=0.1)
    return {name: network.eval() for name, network in built.items()}


def values(forecast: Forecast) -> torch.Tensor:
    return torch.cat([forecast.point.unsqueeze(-1), forecast.quantiles()], dim=-1)


@pytest.mark.parametrize("name", networks())
def test_an_answer_is_the_same_alone_and_in_company(name: str) -> None:
    """Prevents: a forecast whose last digits depend on what other callers ask. At any place in the batch."""
    network = networks()[name]
    asked = [*contexts(8, 1), *contexts(4, 3)]
    with torch.inference_mode():
        alone = [values(Shared(network)(context)) for context in asked]
        own = [values(network(context)) for context in asked]
    shared, sizes = Shared(network), []
    network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0].target)))
    shared._computing.acquire()  # as if a batch were computed: all arrive meanwhile

    def ask(context: Context) -> torch.Tensor:
        with torch.inference_mode():
            return values(shared(context))

    with ThreadPoolExecutor(len(asked)) as pool:
        futures = [pool.submit(ask, context) for context in asked]
        while len(shared._waiting) < len(asked):
            threading.Event().wait(0.001)
        shared._computing.release()
        together = [future.result() for future in futures]
    assert sizes == [ROWS] * len(sizes)
    assert (
        len(sizes) <= TRIED + 4
    )  # 20 windows in batches of 8, beside those by which it is seen that places do not matter
    for one, other, plain in zip(alone, together, own, strict=True):
        assert torch.equal(one, other)
        assert torch.allclose(one, plain, rtol=1e-5)


@pytest.mark.parametrize("width", [2, 4, 6, 8, 24])
def test_a_narrow_network_answers_alike_in_company(width: int) -> None:
    """Prevents: products that are rounded by the place of a row in the batch, which another caller decides."""
    torch.manual_seed(0)
    network = Neural(**complete({"kind": "rnn", "width": width})).build(SHAPE).eval()
    asked = contexts(24, 1)
    shared = Shared(network)

    def ask(context: Context) -> bytes:
        with torch.inference_mode():
            return values(shared(context)).numpy().tobytes()

    alone = [ask(context) for context in asked]
    with ThreadPoolExecutor(12) as pool:
        for _ in range(4):
            assert list(pool.map(ask, asked)) == alone


def test_many_windows_and_closed_forms_that_search_are_computed_by_themselves() -> None:
    network = networks()["gru"]
    (many,) = contexts(1, ROWS + 1)
    theta = Baseline(kind="theta").build(SHAPE).eval()
    (one,) = contexts(1, 1)
    with torch.inference_mode():
        assert torch.equal(values(Shared(network)(many)), values(network(many)))
        assert torch.equal(values(Shared(theta)(one)), values(theta(one)))


def test_a_failure_reaches_those_who_asked_and_no_others() -> None:
    """Prevents: callers that wait for ever for a batch that failed."""

    class Failing(nn.Module):
        def forward(self, context: Context) -> Forecast:
            raise ValueError(f"no forecast of {len(context.target)}")

    shared = Shared(Failing())
    for context in contexts(2, 1):
        with pytest.raises(ValueError, match=f"no forecast of {ROWS}"):
            shared(context)
    assert not shared._waiting
