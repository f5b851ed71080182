"""Every transform of a network: what it does to a window, it undoes in the forecast, with values missing."""

from __future__ import annotations

import pytest
import torch

from tests.helpers.draw import CENTRE, SCALINGS, SHAPE, SPREAD, context, network
from tsforge.forecast import Forecast, Point, Quantiles
from tsforge.model.network import Network
from tsforge.model.transforms.window import Window

STEPS = ("season", "recent", "scaler", "growth", "affine", "cycle")
EQUAL = SHAPE._replace(context=SHAPE.season * 3, horizon=SHAPE.season * 3)  # the horizon has the phases of the context


def everything(**settings: object) -> Network:
    """A network with every transform, whose size, shift and cycle are random."""
    net = network("gru", EQUAL, adjust="season", growth=True, affine=True, cycle=SHAPE.season, **settings)
    net.scaler.fit(torch.tensor(CENTRE), torch.tensor(SPREAD))
    return net


def forecasts(window: Window) -> tuple[Forecast, Forecast]:
    """The window as if it had been forecast, as a point and as the middle one of three quantiles."""
    values = window.context.target
    three = torch.stack([values - 0.2, values, values + 0.1], dim=-1)
    return Point(values, window.scaling), Quantiles(three, window.scaling, (0.1, 0.5, 0.9))


def test_every_transform_is_tested_here() -> None:
    """A new one that none of these tests would look at."""
    assert tuple(everything().transforms) == STEPS


@pytest.mark.parametrize("missing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("name", [*STEPS, "all"])
def test_what_is_done_to_a_window_is_undone_in_its_forecast(name: str, scaling: str, missing: float) -> None:
    """Another order, phase, unit or channel on the way back; gaps that are taken for values; quantiles that cross."""
    recent = {"recent": 8} if name == "recent" else {}
    net, given = everything(scaling=scaling, **recent), context(EQUAL, 20, missing)
    positive = (given.target.abs() + 0.5) * given.observed
    given = given._replace(target=torch.where(torch.arange(20)[:, None, None] < 15, positive, given.target))
    if name == "all":
        window, states = net.transform(given)
        undone = [net.undo(forecast, states) for forecast in forecasts(window)]
    else:
        before = Window.of(given) if STEPS.index(name) <= STEPS.index("scaler") else net.scaler(Window.of(given))[0]
        window, state = net.transforms[name](before)
        undone = [net.transforms[name].undo(forecast, state) for forecast in forecasts(window)]
        assert missing or name == "recent" or (window.context.target != before.context.target).any()
    if name not in ("recent", "all"):
        (ahead,) = forecasts(before)[:1]
        ahead = net.transforms[name].ahead(ahead.normalised, window, state)
        torch.testing.assert_close(ahead[given.observed], window.context.target[given.observed], rtol=1e-4, atol=1e-4)
    steps = window.context.target.shape[1]
    expected, seen = given.newest(steps).target, given.newest(steps).observed
    assert steps == (8 if name == "recent" else EQUAL.context)
    torch.testing.assert_close(undone[0].point[seen], expected[seen], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(undone[1].point[seen], expected[seen], rtol=1e-4, atol=1e-4)
    assert (undone[1].quantiles().diff(dim=-1)[seen] > 0).all()
