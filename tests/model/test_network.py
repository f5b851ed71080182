"""Whole networks: what may and may not matter to a forecast, and what happens when units change."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.draw import (
    BASELINES,
    FORMS,
    MATRIX,
    NEURAL,
    PATCH,
    POINT,
    RELATIVE,
    SCALINGS,
    SHAPE,
    context,
    network,
    truth,
    values,
)
from tsforge.batch import Batch, Context, WindowShape
from tsforge.errors import ConfigError
from tsforge.model.baselines.forecaster import BaselineForecaster
from tsforge.model.baselines.naive import seasonal_naive
from tsforge.model.network import parameters
from tsforge.model.transforms.scaling import last_observed
from tsforge.model.transforms.season import Season
from tsforge.model.transforms.window import Window
from tsforge.model.zoo import ZOO

CENTRE, SPREAD = torch.tensor([4.0, 6.0]), torch.tensor([3.0, 1.5])


def ready(kind: str, shape: WindowShape = SHAPE, **settings: object) -> nn.Module:
    """A network that has learned the level of its data, and a baseline its errors too."""
    net = network(kind, shape, **settings)
    net.scaler.fit(CENTRE, SPREAD)
    if isinstance(net, BaselineForecaster):
        net.fit([Batch(context(SHAPE, 50, seed=7), truth(SHAPE, 50, seed=8))])
    return net


def test_every_named_model_is_tested_here() -> None:
    """A new row of the zoo that none of these tests would look at."""
    assert {*NEURAL, *RELATIVE, *BASELINES} == set(ZOO)


@pytest.mark.parametrize("kind", ZOO)
def test_a_forecast_covers_horizon_and_targets(kind: str) -> None:
    """Axes in another order than the rest of the project expects."""
    forecast = ready(kind)(context(SHAPE))
    assert forecast.point.shape == (4, SHAPE.horizon, SHAPE.targets)
    assert forecast.quantiles().shape == (4, SHAPE.horizon, SHAPE.targets, len(forecast.levels))
    assert forecast.loss(truth(SHAPE)).shape == ()


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("channels", ["mixed", "shared"])
@pytest.mark.parametrize("kind", POINT)
def test_what_was_not_observed_does_not_matter(kind: str, channels: str, scaling: str) -> None:
    """A placeholder for a missing value that a network takes for data."""
    assert_unobserved_is_ignored(ready(kind, tokens__channels=channels, scaling=scaling))


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("kind", FORMS)
def test_what_was_not_observed_does_not_matter_to_stretches_and_channels(kind: str, affine: bool, scaling: str) -> None:
    """A placeholder that is taken for data, or a shift that turns what reads 0 into a value."""
    assert_unobserved_is_ignored(ready(kind, scaling=scaling, affine=affine))


@pytest.mark.parametrize("kind", ["gru", *FORMS, *RELATIVE])
def test_what_was_not_observed_does_not_matter_to_steps_around_a_network(kind: str) -> None:
    """A placeholder that enters the indices of a season or the logarithm of a ratio."""
    assert_unobserved_is_ignored(ready(kind, adjust="season", growth=True, scaling="change"))


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("kind", ["gru", *FORMS, *RELATIVE])
def test_a_multiple_of_positive_windows_has_a_multiple_of_the_forecast(kind: str, missing: float) -> None:
    """Levels that differ by 10,000, of which the largest would be all that a shared network learns from."""
    net = ready(kind, adjust="season", growth=True, scaling="change", base="none")
    net.scaler.fit(CENTRE, SPREAD, torch.full((2,), 1e-6))
    given = context(SHAPE, missing=missing)
    given = given._replace(target=(given.target.abs() + 0.1) * given.observed)
    many = given._replace(target=given.target * 1e4)
    torch.testing.assert_close(values(net, many), 1e4 * values(net, given), rtol=1e-3, atol=1e-2)
    loss = net(given).loss(truth(SHAPE))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("kind", BASELINES)
def test_what_was_not_observed_does_not_matter_to_baselines(kind: str) -> None:
    """A placeholder in the forecasts that every score stands beside."""
    assert_unobserved_is_ignored(ready(kind))


def assert_unobserved_is_ignored(net: nn.Module) -> None:
    given = context(SHAPE, batch=8, missing=0.4)
    observed = given.observed.clone()
    observed[0, :, 1] = False  # a channel and a window of which nothing is known
    observed[1] = False
    given = given._replace(observed=observed, target=given.target * observed)
    other = torch.where(observed, given.target, 100 * torch.randn(8, SHAPE.context, SHAPE.targets))
    assert torch.equal(values(net, given), values(net, given._replace(target=other)))


def newest(given: Context, steps: int) -> Context:
    """The end of a window, cut by hand."""
    L = given.target.shape[1]
    return Context(
        given.target[:, L - steps :], given.observed[:, L - steps :], given.past[:, L - steps :],
        given.known[:, L - steps :], given.static, given.ordinal + L - steps,
    )  # fmt: skip


@pytest.mark.parametrize("kind", [*NEURAL, *RELATIVE])
def test_the_newest_steps_alone_are_read_where_that_is_asked_for(kind: str) -> None:
    """Covariates, phases of a cycle or the level of the window that are still those of its oldest step."""
    cycle = {} if kind in RELATIVE else {"cycle": 5}
    short = ready(kind, shape=SHAPE._replace(context=8), adjust="none", **cycle)
    long, given = ready(kind, recent=8, adjust="none", **cycle), context(SHAPE)
    torch.testing.assert_close(values(long, given), values(short, newest(given, 8)))
    more = ready(kind, recent=SHAPE.context + 9, adjust="none", **cycle)
    torch.testing.assert_close(values(more, given), values(ready(kind, adjust="none", **cycle), given))


def test_a_season_is_taken_from_all_of_a_context_of_which_the_newest_steps_are_read() -> None:
    """Indices of two seasons where six are known, or those of the horizon with the wrong phase."""
    shape = SHAPE._replace(context=24)
    given = context(shape, missing=0.0)
    given = given._replace(target=given.target.abs() + 0.5)
    window, ahead = Season(shape)(Window.of(given))
    plain = ready("gru", shape=shape._replace(context=8), base="none")
    whole = ready("gru", shape=shape, base="none", adjust="season", recent=8)
    expected = values(plain, newest(window.context, 8)) * ahead.unsqueeze(-1)
    assert (ahead - 1).abs().max() > 0.05
    torch.testing.assert_close(values(whole, given), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", ["mixed", "shared"])
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru", "transformer", "transformer-decoder"])
def test_known_covariates_do_not_matter_before_their_step(kind: str, channels: str) -> None:
    """A decoder that looks ahead: its forecast of tomorrow would change with the plans for next week."""
    net, given = ready(kind, tokens__channels=channels), context(SHAPE)
    before = values(net, given)
    for m in range(SHAPE.horizon):
        known = given.known.clone()
        known[:, SHAPE.context + m] += 3
        moved = (values(net, given._replace(known=known)) - before).abs().amax(dim=(0, 2, 3)) > 1e-5
        assert not moved[:m].any()
        assert moved[m]


def test_the_bidirectional_encoder_sees_all_known_covariates() -> None:
    """A mask that crept into the arrangement whose point is to have none."""
    net, given = ready("transformer-encoder"), context(SHAPE)
    known = given.known.clone()
    known[:, -1] += 3
    moved = (values(net, given._replace(known=known)) - values(net, given)).abs().amax(dim=(0, 2, 3))
    assert (moved > 1e-5).all()


@pytest.mark.parametrize("field", ["target", "past", "known", "static"])
@pytest.mark.parametrize("kind", NEURAL)
def test_all_that_is_known_can_matter(kind: str, field: str) -> None:
    """An input that is dropped on the way, which no loss curve would show."""
    net, given = ready(kind), context(SHAPE)
    value = getattr(given, field).clone()
    value[:, -1] += 1
    changed = values(net, given._replace(**{field: value * given.observed if field == "target" else value}))
    assert (changed - values(net, given)).abs().max() > 1e-5


@pytest.mark.parametrize("kind", ZOO)
def test_a_forecast_does_not_depend_on_its_company(kind: str) -> None:
    """Statistics over the batch, or sequences of shared channels that are mixed between windows."""
    net, given = ready(kind), context(SHAPE, batch=6)
    together = values(net, given)
    crowd = Context(*(torch.cat([100 * x if x.is_floating_point() else x, x]) for x in given))
    torch.testing.assert_close(values(net, crowd)[6:], together, rtol=1e-4, atol=1e-4)
    for b in range(6):
        alone = values(net, Context(*(x[b : b + 1] for x in given)))
        torch.testing.assert_close(alone[0], together[b], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("base", ["none", "seasonal", "linear"])
@pytest.mark.parametrize("kind", [k for k in NEURAL if k not in MATRIX])
def test_shared_channels_follow_a_permutation(kind: str, base: str) -> None:
    """A readout that undoes the split into channels in another order than the split was made."""
    shape = SHAPE._replace(targets=3)
    shared = {"tokens__channels": "shared"} if kind in POINT else {"tokens__channel_embedding": False}
    net = network(kind, shape, base=base, **shared)
    order = torch.tensor([2, 0, 1])
    given = context(shape)
    permuted = given._replace(target=given.target[..., order], observed=given.observed[..., order])
    centre, spread = torch.tensor([1.0, 4.0, 9.0]), torch.tensor([1.0, 2.0, 3.0])
    net.scaler.fit(centre, spread)
    before = values(net, given)
    net.scaler.fit(centre[order], spread[order])
    torch.testing.assert_close(values(net, permuted), before[:, :, order], rtol=1e-5, atol=1e-5)
    assert (before[:, :, order] - before).abs().max() > 0.1


@pytest.mark.parametrize("kind", [*PATCH, *MATRIX, "lstm"])
def test_channels_with_shared_weights_are_forecast_alone(kind: str) -> None:
    """Sequences of several channels that are cut out of the wrong axis, and so see each other."""
    net, given = ready(kind, **({"tokens__channels": "shared"} if kind in POINT else {})), context(SHAPE)
    other = given.target.clone()
    other[:, :, 1] += torch.randn(4, SHAPE.context, generator=torch.Generator().manual_seed(3))
    moved = (values(net, given._replace(target=other)) != values(net, given)).amax(dim=(0, 1, 3))
    assert moved.tolist() == [False, True]


def test_an_inverted_transformer_relates_the_channels() -> None:
    """An encoder over channels that sees each of them alone."""
    net, given = ready("inverted-transformer"), context(SHAPE)
    other = given.target.clone()
    other[:, -1, 1] += 1
    moved = (values(net, given._replace(target=other)) - values(net, given)).abs().amax(dim=(0, 1, 3))
    assert (moved > 1e-5).all()


def rescaled(given: Context, factor: float, shift: float) -> Context:
    return given._replace(target=(factor * given.target + shift) * given.observed)


@pytest.mark.parametrize("scaling", ["none", "last", "standard"])  # "change" is relative to the level
@pytest.mark.parametrize("kind", ["lstm", "transformer", "rnn", *FORMS])
def test_a_change_of_units_changes_only_the_units(kind: str, scaling: str) -> None:
    """A forecast that depends on whether the table was in kW or MW, °C or K."""
    net, given = ready(kind, scaling=scaling), context(SHAPE)
    before = values(net, given)
    net.scaler.fit(20 * CENTRE - 300, 20 * SPREAD)
    after = values(net, rescaled(given, 20, -300))
    torch.testing.assert_close(after, 20 * before - 300, rtol=1e-4, atol=2e-2)


LEVELLED = ("naive2", "theta", "ets", "mstl", "shape-ridge", "croston", "tsb")  # they divide, or count from 0


def window_change(kind: str, scaling: str, factor: float, shift: float) -> tuple[Tensor, Tensor]:
    """The forecast of changed windows beside the changed forecast, what was learned being the same."""
    net, given = ready(kind, scaling=scaling), context(SHAPE)
    net.scaler.fit(CENTRE, torch.full((2,), 1e-3) if scaling == "standard" else SPREAD)
    return values(net, rescaled(given, factor, shift)), factor * values(net, given) + shift


@pytest.mark.parametrize("kind", [*NEURAL, *(k for k in BASELINES if k not in LEVELLED)])
@pytest.mark.parametrize(("factor", "shift"), [(1, 50), (3, 0), (0.5, -20)])
def test_standard_scaling_follows_level_and_size_of_a_window(kind: str, factor: float, shift: float) -> None:
    """A series at a level or of a size not met in training, and a forecast that ignores it."""
    if kind in BASELINES:
        net, given = ready(kind), context(SHAPE)
        net.scaler.fit(CENTRE, torch.full((2,), 1e-3))
        actual, expected = values(net, rescaled(given, factor, shift)), factor * values(net, given) + shift
    else:
        actual, expected = window_change(kind, "standard", factor, shift)
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["lstm", "transformer", "rnn"])
def test_last_scaling_follows_the_level_alone(kind: str) -> None:
    """A window that is divided by its own deviation although "last" keeps the size as information."""
    actual, expected = window_change(kind, "last", 1, 50)
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)
    actual, expected = window_change(kind, "last", 3, 0)
    assert (actual - expected).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["lstm", "transformer", "rnn"])
@pytest.mark.parametrize(("factor", "shift"), [(1, 50), (3, 0)])
def test_no_scaling_keeps_level_and_size(kind: str, factor: float, shift: float) -> None:
    """A window that is normalised although "none" was asked for: the level could not be learned from."""
    actual, expected = window_change(kind, "none", factor, shift)
    assert (actual - expected).abs().max() > 0.1


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("kind", NEURAL)
def test_poor_windows_have_finite_forecasts_and_gradients(kind: str, scaling: str) -> None:
    """One dead sensor in a batch that turns every weight into NaN."""
    net = ready(kind, scaling=scaling)
    for target, observed in ((7.0, True), (0.0, False), (1e6, True)):
        seen = torch.full((4, SHAPE.context, SHAPE.targets), observed)
        given = context(SHAPE)._replace(target=torch.full(seen.shape, target), observed=seen)
        net.zero_grad()
        if scaling == "none":
            net.scaler.fit(torch.full((SHAPE.targets,), target), SPREAD)
        forecast = net(given)
        forecast.loss(truth(SHAPE)._replace(target=forecast.point.detach() + 1)).backward()
        assert forecast.quantiles().isfinite().all()
        assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize("kind", NEURAL)
def test_the_seasonal_base_is_seasonal_naive(kind: str) -> None:
    """A silent network that is no longer the baseline it claims to start from."""
    net = ready(kind, head__type="point", base="seasonal", cycle="none")
    given = context(SHAPE, missing=0.0)
    for parameter in net.head.parameters():
        nn.init.zeros_(parameter)
    expected = seasonal_naive(given.target, given.observed, SHAPE.horizon, SHAPE.season)
    torch.testing.assert_close(net(given).point, expected, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        net.gate[1:3] = 0.0
    middle = net.scaler.scaling(given.target, given.observed).loc.expand(-1, 2, -1)
    torch.testing.assert_close(net(given).point[:, 1:3], middle)
    torch.testing.assert_close(net(given).point[:, 3:], expected[:, 3:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["gru", "patch-gru", "patch-transformer"])
def test_the_linear_base_is_a_map_of_the_normalised_context(kind: str) -> None:
    """A map that mixes channels, that sees what was not observed, or that is added after the scale is undone."""
    given = context(SHAPE, seed=3)
    bare, net = ready(kind, head__type="point", base="none"), ready(kind, head__type="point", base="linear")
    actual = net.load_state_dict(bare.state_dict(), strict=False)
    assert actual.missing_keys == ["line.weight", "line.bias"]
    loc, scale = net.scaler.scaling(given.target, given.observed)
    expected = bare(given).point.clone()
    for b in range(len(expected)):
        for c in range(SHAPE.targets):
            seen = ((given.target[b, :, c] - loc[b, 0, c]) / scale[b, 0, c]) * given.observed[b, :, c]
            for h in range(SHAPE.horizon):
                expected[b, h, c] += scale[b, 0, c] * (net.line.weight[h] @ seen + net.line.bias[h])
    torch.testing.assert_close(net(given).point, expected)


@pytest.mark.parametrize("kind", NEURAL)
def test_without_a_base_a_silent_network_says_the_mean(kind: str) -> None:
    """A base that is added although none was asked for."""
    net = ready(kind, head__type="point", base="none", cycle="none")
    given = context(SHAPE)
    for parameter in net.head.parameters():
        nn.init.zeros_(parameter)
    expected = net.scaler.scaling(given.target, given.observed).loc.expand(-1, SHAPE.horizon, -1)
    torch.testing.assert_close(net(given).point, expected)
    assert net.gate is None


@pytest.mark.parametrize("kind", NEURAL)
def test_state_can_be_stored_and_restored(kind: str) -> None:
    """Something that a forecast needs and that the weights do not hold."""
    net, again = ready(kind), network(kind, seed=1)
    given = context(SHAPE)
    assert not torch.equal(values(net, given), values(again, given))
    again.load_state_dict(net.state_dict())
    assert torch.equal(values(net, given), values(again, given))


@pytest.mark.parametrize("kind", ZOO)
def test_parameters_are_those_that_training_changes(kind: str) -> None:
    """A count that includes buffers, or weights that are held fixed."""
    net = ready(kind)
    assert parameters(net) == sum(p.numel() for p in net.parameters())
    first = next(net.parameters(), None)
    if first is not None:
        first.requires_grad_(False)
        assert parameters(net) == sum(p.numel() for p in net.parameters()) - first.numel()


@pytest.mark.parametrize("lags", [(), (4,), (2, 4, 7)])
@pytest.mark.parametrize("kind", NEURAL)
def test_any_number_of_lags_fits(kind: str, lags: tuple[int, ...]) -> None:
    """Sizes that are right for one cycle only; and a lag that leaks nothing and is looked at."""
    shape = SHAPE._replace(lags=lags, context=7)
    given = context(shape)
    actual = values(network(kind, shape, base="none"), given)
    assert actual.isfinite().all()
    assert actual.shape[:3] == (4, shape.horizon, shape.targets)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("loss", ["scaled-mae", "scaled-pinball"])
def test_a_scaled_loss_is_the_error_relative_to_the_level(loss: str, scaling: str, affine: bool) -> None:
    """Errors in other units than those of sMAPE, MAPE and WAPE: a level of another window, or of the truth."""
    net, given, after = ready("nlinear", scaling=scaling, affine=affine, head__loss=loss), context(SHAPE), truth(SHAPE)
    forecast = net(given)
    forecasts = forecast.quantiles() if forecast.levels else forecast.point[..., None]
    losses = []
    for b in range(4):
        for c in range(SHAPE.targets):
            level = given.target[b, :, c][given.observed[b, :, c]].abs().mean()
            for h in range(SHAPE.horizon):
                if after.observed[b, h, c]:
                    gap = (after.target[b, h, c] - forecasts[b, h, c]) / level
                    tau = torch.tensor(forecast.levels or (0.5,))
                    losses.append((2 * torch.where(gap > 0, tau * gap, (tau - 1) * gap)).mean())
    torch.testing.assert_close(forecast.loss(after), torch.stack(losses).mean())


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("kind", NEURAL)
def test_a_cycle_is_a_matter_of_phase_alone(kind: str, affine: bool) -> None:
    """A cycle that is never looked up, counts from each window, or turns what was not observed into values."""
    net, given = ready(kind, cycle=3, affine=affine), context(SHAPE, missing=0.4)
    forecasts = values(net, given)
    assert torch.equal(values(net, given._replace(ordinal=given.ordinal + 9)), forecasts)
    moved = values(net, given._replace(ordinal=given.ordinal + 1))
    assert ((moved - forecasts).abs().amax(dim=(1, 3)) > 1e-3).all()
    assert_unobserved_is_ignored(net)


@pytest.mark.parametrize("kind", ["nlinear", "lstm", "patch-gru"])
def test_a_learned_cycle_is_the_network_of_what_is_left(kind: str) -> None:
    """A cycle in other units than the window's, or taken after the tokens have looked."""
    net, plain = ready(kind, cycle=4, scaling="none", base="none"), ready(kind, scaling="none", base="none")
    plain.load_state_dict({name: value for name, value in net.state_dict().items() if name != "cycle.table"})
    given = context(SHAPE)
    steps = given.ordinal[:, None] + torch.arange(SHAPE.context + SHAPE.horizon)
    cycle = (SPREAD * net.cycle.table[steps % 4]).detach()
    left = given._replace(target=(given.target - cycle[:, : SHAPE.context]) * given.observed)
    expected = values(plain, left) + cycle[:, SHAPE.context :].unsqueeze(-1)
    torch.testing.assert_close(values(net, given), expected, rtol=1e-4, atol=1e-4)


def test_the_cycle_is_the_season_or_a_number() -> None:
    """A table of another length than the season of the data, or one where none was asked for."""
    assert len(network("cyclenet").cycle.table) == SHAPE.season
    assert len(network("lstm", cycle=7).cycle.table) == 7
    assert "cycle" not in network("lstm").transforms
    assert "cycle" not in network("cyclenet", cycle="none").transforms
    with pytest.raises(ConfigError, match=r"model\.cycle: cannot be true or false"):
        network("lstm", cycle=True)
    for wrong in (1, 0, -3, 2.5, "year"):
        with pytest.raises(ConfigError, match=r"model\.cycle.*\"none\", \"season\" or a number"):
            network("lstm", cycle=wrong)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_a_scaled_loss_of_growth_is_relative_to_the_last_value(missing: float) -> None:
    """Series that grew, whose early low values would make their errors count most."""
    net, after = ready("growth-gru", adjust="none"), truth(SHAPE)
    given = context(SHAPE, missing=missing)
    given = given._replace(target=(given.target.abs() + 0.1) * given.observed)
    forecast, losses = net(given), []
    level = last_observed(given.target, given.observed)
    for q, tau in enumerate(forecast.levels):
        gap = (after.target - forecast.quantiles()[..., q]) / level
        losses.append((2 * torch.maximum(tau * gap, (tau - 1) * gap))[after.observed].mean())
    torch.testing.assert_close(forecast.loss(after), torch.stack(losses).mean(), rtol=1e-4, atol=1e-4)
