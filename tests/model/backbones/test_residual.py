"""Residual blocks over padded sequences."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from tsforge.model.backbones.residual import Mixer, ResidualStack

MIXERS = get_args(Mixer)
N, M, D = 9, 3, 32


def stack(mixer: Mixer) -> ResidualStack:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = ResidualStack(mixer, 2, D)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return net.eval()


def tokens(S: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(S, N, D, generator=generator), torch.randn(S, M, D, generator=generator)


@pytest.mark.parametrize("mixer", MIXERS)
def test_padding_is_not_read(mixer: Mixer) -> None:
    """Prevents: a short sequence that is answered otherwise beside a long one."""
    net, (past, future) = stack(mixer), tokens()
    count = torch.tensor([N, 5, 1, 0])
    answer = net(past, future, count)
    for s, n in enumerate(count.tolist()):
        alone = net(past[s : s + 1, N - n :], future[s : s + 1], torch.tensor([n]))
        torch.testing.assert_close(answer[s : s + 1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mixer", MIXERS)
def test_all_of_the_past_is_read(mixer: Mixer) -> None:
    """Prevents: tokens that no answer depends on; and a test of padding that a constant would pass."""
    net, (past, future) = stack(mixer), tokens()
    count = torch.full((4,), N)
    answer = net(past, future, count)
    for token in range(N):
        other = past.clone()
        other[:, token] += 1
        assert ((net(other, future, count) - answer).abs().amax(dim=(1, 2)) > 1e-4).all(), token


@pytest.mark.parametrize("mixer", MIXERS)
def test_an_answer_depends_on_no_later_query(mixer: Mixer) -> None:
    """Prevents: a forecast of tomorrow that changes with how far ahead was asked."""
    net, (past, future) = stack(mixer), tokens()
    count = torch.tensor([N, 5, 1, 3])
    other = future.clone()
    other[:, -1] += 1
    before, after = net(past, future, count), net(past, other, count)
    torch.testing.assert_close(before[:, :-1], after[:, :-1])
    assert not torch.equal(before[:, -1], after[:, -1])


@pytest.mark.parametrize("layers", [1, 3])
def test_blocks_are_of_one_size(layers: int) -> None:
    """Prevents: a mixer that wins by having more weights."""
    sizes = [sum(p.numel() for p in ResidualStack(mixer, layers, 96).parameters()) for mixer in MIXERS]
    assert max(sizes) < 1.02 * min(sizes)
    assert max(sizes) == pytest.approx(12 * 96**2 * layers, rel=0.02)
