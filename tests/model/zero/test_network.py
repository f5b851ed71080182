"""The network `zero` as a whole: what its weights know nothing of, and what may not matter to a forecast."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

from tsforge.batch import Context, Truth, WindowShape
from tsforge.model.backbones.residual import Mixer
from tsforge.model.heads import LEVELS
from tsforge.model.network import parameters
from tsforge.model.zero.network import Zero, ZeroNetwork
from tsforge.model.zero.pooling import stretch
from tsforge.model.zero.reading import MOST

MIXERS = get_args(Mixer)
H = 60  # more than one block


def network(mixer: Mixer = "gru", seed: int = 0, season: int = 1, horizon: int = H, targets: int = 1) -> ZeroNetwork:
    """A small one with random weights that are large enough to be seen in its forecast."""
    shape = WindowShape(1, horizon, targets, 0, 0, 0, season=season)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Zero(mixer=mixer, width=32).build(shape)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return net.eval()


def context(values: Tensor, observed: Tensor | None = None) -> Context:
    """Of windows (B, L, C) without covariates."""
    observed = torch.ones_like(values, dtype=torch.bool) if observed is None else observed
    B, nothing = len(values), values[..., :0]
    target = torch.where(observed, values, torch.zeros_like(values))
    return Context(target, observed, nothing, nothing, values[:, 0, :0], torch.zeros(B, dtype=torch.int64))


def walks(B: int, L: int, C: int = 1, seed: int = 0, level: float = 0.0, season: int = 1) -> Tensor:
    """Random walks around a level, with a season's wave on them."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randn(B, L, C, generator=generator, dtype=torch.float64).cumsum(1)
    wave = (2 * torch.pi * torch.arange(L, dtype=torch.float64) / season).sin()[:, None] if season > 1 else 0.0
    return level + steps + 3 * wave


def said(net: ZeroNetwork, given: Context) -> Tensor:
    with torch.no_grad():
        return net(given).quantiles()


@pytest.mark.parametrize("mixer", MIXERS)
def test_weights_know_no_length(mixer: Mixer) -> None:
    """Prevents: weights of one table's context, horizon, season or targets, which no other could use."""
    state = network(mixer).state_dict()
    for shape in (WindowShape(5, 1, 1, 0, 0, 0), WindowShape(900, 300, 3, 2, 4, 1, season=168, lags=(24, 168))):
        other = Zero(mixer=mixer, width=32).build(shape)
        assert {k: v.shape for k, v in other.state_dict().items()} == {k: v.shape for k, v in state.items()}


def test_mixers_are_of_one_size() -> None:
    """Prevents: a comparison of mixers that compares sizes; and a file of more than five megabytes."""
    sizes = [parameters(Zero(mixer=mixer).build(WindowShape(9, 9, 1, 0, 0, 0))) for mixer in MIXERS]
    assert max(sizes) < 1.01 * min(sizes)
    assert 4 * max(sizes) < 4.5e6


@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("season", [1, 12, 96])
def test_padding_changes_nothing(mixer: Mixer, season: int) -> None:
    """Prevents: a state that runs through padding, or attention to it; lengths counted with it."""
    net = network(mixer, season=season)
    L = 3 * season + 9
    short, other = walks(1, L, season=season), walks(1, 2 * L + 5, seed=1)
    long = torch.cat([torch.zeros(1, len(other[0]) - L, 1), short], dim=1)
    observed = torch.arange(long.shape[1])[:, None] >= long.shape[1] - L
    batch = context(torch.cat([long, other]), torch.stack([observed, torch.ones_like(observed)]))
    torch.testing.assert_close(said(net, batch)[:1], said(net, context(short)), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("season", [1, 7])
def test_upside_down_is_upside_down(mixer: Mixer, season: int) -> None:
    """Prevents: a preference for growth, or quantiles left in place where the forecast was turned round.

    Of series of both signs, whose seasons are differences: those above 0 have ratios.
    """
    net, values = network(mixer, season=season), walks(4, 50, seed=3, season=season)
    values = values - values.mean(dim=1, keepdim=True)
    assert torch.equal(said(net, context(-values)), -said(net, context(values)).flip(-1))


@pytest.mark.parametrize("season", [1, 12, 96])
@pytest.mark.parametrize("level", [0.0, 500.0])
def test_units_do_not_matter(season: int, level: float) -> None:
    """Prevents: a forecast that depends on whether euros or cents were counted."""
    net, values = network(season=season), walks(4, 4 * season + 30, seed=4, level=level, season=season)
    for factor in (2.0**-20, 4.0, 2.0**30):  # exact in binary
        assert torch.equal(said(net, context(factor * values)), factor * said(net, context(values)))


@pytest.mark.parametrize("season", [1, 12])
def test_a_shift_moves_values_and_leaves_the_units(season: int) -> None:
    """Prevents: normalised values of a level: what it is to be told of the level are features."""
    from tsforge.model.zero.reading import read

    values = walks(4, 60, seed=5, season=season)[..., 0]
    values, observed = values - values.amin(dim=1, keepdim=True) - 30, torch.ones(4, 60, dtype=torch.bool)
    near, far = (read(values - shift, observed, season, 5) for shift in (0.0, 4.0))
    ratio = (far.units.scale / near.units.scale).float()[:, None, None]
    torch.testing.assert_close(near.reading.steps, far.reading.steps * ratio, rtol=1e-3, atol=1e-3)
    assert (ratio - 1).abs().max() < 0.05  # a little of the level is in the unit
    assert not torch.equal(near.reading.odd[:, 0], far.reading.odd[:, 0])


@pytest.mark.parametrize("mixer", MIXERS)
def test_targets_are_sequences_of_their_own(mixer: Mixer) -> None:
    """Prevents: targets mixed up on the way, or one read with the features of another."""
    values = walks(3, 40, 2, seed=6, season=7)
    both = said(network(mixer, season=7, targets=2), context(values))
    for c in range(2):
        alone = said(network(mixer, season=7), context(values[..., c : c + 1]))
        torch.testing.assert_close(both[:, :, c : c + 1], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("season", [1, 12, 168])
def test_quantiles_never_cross_and_grow_wider_with_blocks(season: int) -> None:
    """Prevents: crossing quantiles once stretches, blocks and seasons are put together again."""
    k = stretch(season)
    net = network(season=season, horizon=150 * k)
    forecast = said(net, context(walks(3, 3 * season + 40, seed=7, level=100, season=season)))
    assert forecast.shape == (3, 150 * k, 1, len(LEVELS))
    assert (forecast.diff(dim=-1) >= 0).all()
    flat = network(season=1, horizon=150)
    torch.nn.init.zeros_(flat.out.weight)
    width = said(flat, context(walks(1, 40)))[0, :, 0]
    width = width[:, -1] - width[:, 0]
    assert (width[48:96] > width[47]).all()
    assert (width[96:144] > width[48:96]).all()


@pytest.mark.parametrize("mixer", MIXERS)
def test_a_longer_horizon_begins_with_the_shorter_one(mixer: Mixer) -> None:
    """Prevents: a forecast of tomorrow that depends on how far ahead was asked."""
    given = context(walks(2, 80, seed=8, season=12))
    long = said(network(mixer, season=12, horizon=130), given)
    for horizon in (1, 8, 48, 49, 100):
        short = said(network(mixer, season=12, horizon=horizon), given)
        torch.testing.assert_close(short, long[:, :horizon], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("season", [12, 96, 336])
def test_a_season_comes_back_at_full_resolution(season: int) -> None:
    """Prevents: the shape of a long season lost in stretches, or set back by part of one."""
    pattern = torch.rand(season, generator=torch.Generator().manual_seed(season), dtype=torch.float64) + 0.5
    L, horizon = 4 * season + 5, season + 7
    values = 50 * pattern[torch.arange(L + horizon) % season]
    net = Zero(width=32).build(WindowShape(L, horizon, 1, 0, 0, 0, season=season)).eval()  # it says the last level
    with torch.no_grad():
        point = net(context(values[None, :L, None])).point[0, :, 0]
    torch.testing.assert_close(point, values[L:], rtol=1e-4, atol=1e-4)


def test_contexts_of_nothing_and_of_one_value_are_forecast() -> None:
    """Prevents: a division by 0, or an index out of range, where a series has hardly begun or stands still."""
    values = torch.zeros(4, 30, 1, dtype=torch.float64)
    values[1, -1], values[2], values[3, 10] = 7.0, 5.0, -3.0
    observed = torch.ones(4, 30, 1, dtype=torch.bool)
    observed[0], observed[1, :-1], observed[3, 11:] = False, False, False
    for season in (1, 12):
        assert said(network(season=season), context(values, observed)).isfinite().all()


@pytest.mark.parametrize("mixer", MIXERS)
def test_every_weight_is_trained(mixer: Mixer) -> None:
    """Prevents: a part of the network that nothing is learned by."""
    net = network(mixer, season=12).train()
    given = context(walks(6, 90, seed=9, season=12))
    truth = walks(6, H, seed=10)
    net(given).loss(Truth(truth, torch.ones_like(truth, dtype=torch.bool))).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("season", [1, 12])
def test_errors_count_in_units_of_mase(season: int) -> None:
    """Prevents: a training in which volatile series count more than quiet ones."""
    net, values = network(season=season), walks(5, 70, seed=11, season=season)
    truth = walks(5, H, seed=12)
    forecast = net(context(values))
    loss = forecast.loss(Truth(truth, torch.ones_like(truth, dtype=torch.bool)))
    gap = truth.unsqueeze(-1) - forecast.quantiles().detach()
    level = torch.tensor(LEVELS, dtype=torch.float64)
    pinball = 2 * torch.maximum(level * gap, (level - 1) * gap).mean(dim=(1, 2, 3))
    scale = (values[:, season:] - values[:, :-season]).abs().mean(dim=(1, 2))
    assert float(loss.detach()) == pytest.approx(float((pinball / scale).mean()), rel=1e-4)


def test_of_a_long_series_the_newest_steps_are_read() -> None:
    """Prevents: a network asked for lengths that it was never trained on."""
    values = walks(1, MOST + 200, seed=13)
    net = network()
    short, long = said(net, context(values[:, -MOST:])), said(net, context(values))
    spread = (short[..., -1:] - short[..., :1]).mean()
    assert (short - long).abs().mean() < 0.5 * spread  # features alone are of the whole


@pytest.mark.parametrize("season", [1, 12, 96])
def test_a_forecast_says_what_it_looks_at(season: int) -> None:
    """Prevents: an explanation that finds nothing, or numbers that are none, as of a root at 0."""
    given = context(walks(2, 3 * season + 30, seed=14, level=50.0, season=season))
    given = given._replace(target=given.target.requires_grad_())
    network(season=season)(given).point[:, 3].sum().backward()
    gradient = given.target.grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert (gradient[:, -10:].abs().sum(dim=(1, 2)) > 0).all()
