"""The weights as one vector: a view, never another number."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from tsforge.training.averaging import Average
from tsforge.training.weights import ALIGNED, Weights


def network(seed: int = 0) -> nn.Module:
    """With sizes that are no multiple of anything, and a parameter that is not trained."""
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 1))
    made[3].bias.requires_grad_(False)
    return made


def loss(made: nn.Module) -> torch.Tensor:
    given = torch.linspace(-1, 1, 12, dtype=made[0].weight.dtype).view(4, 3)
    value: torch.Tensor = made(given).square().sum()
    return value


def test_steps_are_those_of_every_tensor_by_itself() -> None:
    """A gradient of another parameter, one that is added to the last step's, or a norm that counts the gaps."""
    ours, plain = network(), network()
    weights = Weights(ours)
    assert len(weights.tensors) == 1
    ways = [torch.optim.AdamW(weights.tensors, lr=0.1), torch.optim.AdamW(plain.parameters(), lr=0.1)]
    weights.begin()
    for _ in range(20):
        loss(ours).backward()
        loss(plain).backward()
        weights.clip(0.3)
        nn.utils.clip_grad_norm_(plain.parameters(), 0.3)
        for way in ways:
            way.step()
        weights.forget()
        ways[1].zero_grad()
        for left, right in zip(ours.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-6)


def test_parameters_begin_where_memory_is_aligned_and_do_not_overlap() -> None:
    made = network()
    (vector,) = Weights(made).tensors
    places = sorted((p.data_ptr() - vector.data_ptr(), p.numel()) for p in made.parameters() if p.requires_grad)
    ends = [place + 4 * count for place, count in places]
    assert all(place % (4 * ALIGNED) == 0 for place, _ in places)
    assert all(end <= begin for end, (begin, _) in zip(ends, places[1:], strict=False))


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_average_is_exchanged_and_exchanged_back(decay: float) -> None:
    """Live weights that are lost in a validation, or an average that is that of another parameter."""
    made = network()
    weights = Average(Weights(made).tensors, decay)
    before = copy.deepcopy(made.state_dict())
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 1.0
    weights.update()
    live = copy.deepcopy(made.state_dict())
    weights.swap()
    share = 1 - min(decay, 1 / 11)  # of the newest weights
    trained = {name for name, parameter in made.named_parameters() if parameter.requires_grad}
    for name, value in made.state_dict().items():
        torch.testing.assert_close(value, before[name] + (share if name in trained else 1.0))
    weights.swap()
    for name, value in made.state_dict().items():
        assert torch.equal(value, live[name])


def test_released_weights_have_memory_of_their_own() -> None:
    """A model whose every tensor, copied or saved, takes the memory of all."""
    made = network()
    weights = Weights(made)
    weights.begin()
    loss(made).backward()
    weights.release()
    for parameter in made.parameters():
        assert parameter.grad is None
        assert parameter.untyped_storage().nbytes() == 4 * parameter.numel()


def test_what_is_not_in_single_precision_stays_as_it_is() -> None:
    made = network().double()
    weights = Weights(made)
    weights.begin()
    loss(made).backward()
    assert weights.tensors == [p for p in made.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in weights.tensors[:2])
    weights.forget()
    assert all(not p.grad.any() for p in weights.tensors if p.grad is not None)
