"""Networks that add to a closed form: what they say while they are silent, and what they add to."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.draw import SCALINGS, context, network, values
from tsforge.batch import Context, WindowShape
from tsforge.errors import ConfigError
from tsforge.model import attribution, stacked
from tsforge.model.baselines import ets, theta
from tsforge.model.baselines.naive import ClosedKind, seasonal_naive
from tsforge.model.network import Network, Neural
from tsforge.settings import build

CLOSED = get_args(ClosedKind)
SHAPE = WindowShape(context=40, horizon=6, targets=2, past=1, known=2, static=1, season=4, lags=(4,))
NETWORKS = ("gru", "transformer", "patch-gru", "growth-gru", "inverted-transformer", "cyclenet")
FORMS = {"theta": theta.forecast, "ets": ets.forecast, "seasonal-naive": seasonal_naive}


def silent(kind: str, base: str, shape: WindowShape = SHAPE, **settings: object) -> Network:
    """A network whose head says 0 but for its random transforms."""
    net = network(kind, shape, base=base, **settings)
    assert isinstance(net, Network)
    net.scaler.fit(torch.tensor([6.0, 5.0]), torch.tensor([2.0, 3.0]))
    for parameter in net.head.parameters():
        nn.init.zeros_(parameter)
    return net


def windows(missing: float = 0.2, batch: int = 5) -> Context:
    """Positive values with a season and a rise, each series of another size."""
    given = context(SHAPE, batch, missing)
    t = torch.arange(SHAPE.context)[:, None]
    line = 20 + 0.2 * t + 5 * torch.sin(t * torch.pi / 2) + given.target.abs() / 5
    sizes = torch.logspace(-1, 3, batch)[:, None, None]
    observed = given.observed.clone()
    observed[0, :17] = False  # a series that began late
    return given._replace(target=line * sizes * observed, observed=observed)


def slow(base: str, given: Context) -> Tensor:
    """Each target of each window by itself, cut to its own length."""
    answer = torch.zeros(len(given.target), SHAPE.horizon, SHAPE.targets)
    for b in range(len(given.target)):
        for c in range(SHAPE.targets):
            first = int(given.observed[b, :, c].int().argmax())
            y, seen = (part[b : b + 1, first:, c : c + 1] for part in given[:2])
            answer[b, :, c] = FORMS[base](y, seen, SHAPE.horizon, SHAPE.season)[0, :, 0]
    return answer


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("base", FORMS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_silent_network_forecasts_what_it_adds_to(kind: str, base: str, missing: float) -> None:
    """Prevents: a base of another window, scale or order of steps; gaps and padding that count as values."""
    given = windows(missing)
    net = silent(kind, base)
    expected = slow(base, given)
    torch.testing.assert_close(net(given).point, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize(
    "settings",
    [
        {"adjust": "season"}, {"growth": True, "scaling": "change"}, {"affine": True}, {"cycle": 4}, {"recent": 9},
        {"adjust": "season", "growth": True, "affine": True, "cycle": 4, "recent": 9, "scaling": "change"},
        {"head__type": "point"},
        {"tokens__channels": "shared"},
    ],
)  # fmt: skip
def test_whatever_is_done_to_a_window_the_base_comes_through(settings: dict[str, object], scaling: str) -> None:
    """Prevents: a season, a logarithm, or learned sizes and cycles that are taken off the base and not put back."""
    given = windows()
    net = silent("gru", "theta", **{"scaling": scaling} | settings)
    torch.testing.assert_close(net(given).point, slow("theta", given), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("base", CLOSED)
def test_what_a_network_adds_has_the_size_of_its_window(base: str) -> None:
    """Prevents: a correction in data units, which is nothing for large series and all of it for small ones."""
    given = windows(0.0)
    net = silent("gru", base)
    before = net(given).point
    nn.init.constant_(net.head.out.bias[5:6], 0.5)  # the middle level, and with it all others
    added = (net(given).point - before)[1:] / given.target[1:].std(dim=1, keepdim=True, correction=0)
    torch.testing.assert_close(added, torch.full_like(added, 0.5), rtol=0.01, atol=0.01)
    quantiles = net(given).quantiles()
    assert (quantiles.diff(dim=-1) > 0).all()


@pytest.mark.parametrize("base", CLOSED)
def test_a_window_without_values_is_forecast_by_the_training_level(base: str) -> None:
    """Prevents: the 0 of a closed form that saw nothing, taken for a forecast; numbers that are none."""
    given = context(SHAPE, 3, missing=1.0)
    net = silent("gru", base)
    torch.testing.assert_close(net(given).point, net.scaler.centre.expand(3, 6, 2))


@pytest.mark.parametrize("head", ["quantile", "point"])
def test_training_begins_with_the_base(head: str) -> None:
    """Prevents: random corrections of a good forecast that hundreds of steps go into unlearning."""
    given = windows()
    net = Neural(kind="gru", base="theta", head={"type": head}).build(SHAPE)  # type: ignore[arg-type]
    torch.testing.assert_close(net(given).point, slow("theta", given), rtol=1e-4, atol=1e-4)


def test_a_base_that_was_computed_before_is_taken() -> None:
    """Prevents: a closed form that is computed again at every step of a training."""
    given, net = windows(), silent("gru", "theta")
    other = given._replace(base=torch.full((5, 6, 2), 50.0))
    torch.testing.assert_close(net(other).point, other.base)
    torch.testing.assert_close(net(given._replace(base=net.base(given))).point, net(given).point)


@pytest.mark.parametrize("base", CLOSED)
def test_what_was_not_observed_does_not_matter(base: str) -> None:
    """Prevents: a placeholder of a missing value, or of the time before a series began, that a base takes for data."""
    net, given = network("gru", SHAPE, base=base), windows()
    other = given._replace(target=torch.where(given.observed, given.target, torch.full_like(given.target, 0.125)))
    torch.testing.assert_close(values(net, other), values(net, given))


@pytest.mark.parametrize("base", ["theta", "drift", "seasonal-naive"])
def test_attribution_knows_the_base(base: str) -> None:
    """Prevents: an explanation of the correction alone, which says nothing of where most of the forecast is from."""
    given = Context(*(part[1:2].double() if part.is_floating_point() else part[1:2] for part in windows(0.0)))
    net = silent("gru", base, shape=SHAPE._replace(season=1, lags=())).double()
    forecast, far = net(given), 1e-4
    entries = attribution.saliency(net, given)  # (H, C, L, C)
    for step in (0, 20, 39):
        moved = given.target.clone()
        moved[0, step, 0] += far
        with torch.no_grad():
            slope = (net.base(given._replace(target=moved)) - net.base(given))[0, :, 0] / far
            expected = slope * (given.target[0, step, 0] - forecast.scaling.loc[0, 0, 0])
        torch.testing.assert_close(entries[:, 0, step, 0], expected, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("base", ["theta", "ets", "mstl", "croston", "tsb"])
def test_smoothing_has_a_gradient_whether_a_season_shows_or_not(base: str) -> None:
    """Prevents: explanations that are no numbers, as of windows with a season that is divided out."""
    for given in (windows(), windows(0.0), context(SHAPE, 5)):
        for b in range(2):
            one = Context(*(part[b : b + 1] for part in given))
            assert attribution.saliency(silent("gru", base), one).isfinite().all()


def test_side_by_side_each_adds_to_its_own_base() -> None:
    """Prevents: networks that are trained together, and lose what they add to or take that of another."""
    nets = [network("gru", SHAPE, seed=seed, base="theta") for seed in range(3)]
    given = [context(SHAPE, seed=10 + i) for i in range(3)]
    given[1] = given[1]._replace(base=nets[1].base(given[1]))  # computed before
    for net, one, together in zip(nets, given, stacked.forward(nets, given), strict=True):
        torch.testing.assert_close(together.quantiles(), net(one).quantiles(), rtol=1e-4, atol=1e-4)


def test_lengths_that_a_base_asks_for() -> None:
    """Prevents: theta on the two seasons that a recurrent net reads, or a net that reads ten because theta does."""
    plain, over = Neural(kind="gru"), Neural(kind="gru", base="theta")
    assert (plain.least_context(12), plain.roomy_context(12), plain.any_history) == (1, 0, False)
    assert (over.least_context(12), over.roomy_context(12), over.any_history) == (120, 120, True)
    assert Neural(kind="gru", base="seasonal-naive").least_context(1, 7) == 7
    assert Neural(kind="gru", base="naive", adjust="season").least_context(12) == 25
    assert (plain.reading(36).recent, over.reading(36).recent, over.reading(0).recent) == (None, 36, None)
    assert Neural(kind="gru", base="theta", recent=50).reading(36).recent == 50


@pytest.mark.parametrize(("base", "meant"), [("thet", "theta"), ("seasonal_naive", "seasonal-naive"), ("etc", "ets")])
def test_a_base_that_there_is_not_is_named_with_the_nearest(base: str, meant: str) -> None:
    """Prevents: a list of a dozen names to read through for a slip of the finger."""
    with pytest.raises(ConfigError, match=r"model\.base") as caught:
        build({"model.base": base, "model.kind": "gru"})
    assert meant in caught.value.hint
