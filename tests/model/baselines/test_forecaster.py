"""Baselines against slow loops over windows with missing values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.draw import BASELINES, context, truth, values
from tsforge.batch import Batch, Context, Truth, WindowShape
from tsforge.model.baselines.forecaster import Baseline, BaselineForecaster
from tsforge.model.baselines.naive import baseline

SHAPE = WindowShape(context=10, horizon=7, targets=2, past=0, known=0, static=0, season=3)
CENTRE, SPREAD = torch.tensor([40.0, -7.0]), torch.tensor([2.0, 0.5])
LEVELS = (0.1, 0.25, 0.5, 0.9)
SIMPLE = ("naive", "seasonal-naive", "drift")  # the others have their own files


def slow(kind: str, window: list[float | None], horizon: int, season: int) -> list[float]:
    """The textbook forecast of one window; None is a missing value."""
    known = [(t, y) for t, y in enumerate(window) if y is not None]
    if not known:
        return [0.0] * horizon
    (first, oldest), (last, newest) = known[0], known[-1]
    if kind == "naive":
        return [newest] * horizon
    if kind == "drift":
        slope = (newest - oldest) / (last - first) if last > first else 0.0
        return [newest + slope * (len(window) - 1 - last + h + 1) for h in range(horizon)]
    out = []
    for h in range(horizon):
        t = len(window) + h - season
        while t >= 0 and (t >= len(window) or window[t] is None):
            t -= season
        out.append(newest if t < 0 else window[t])
    return out


def one_window(window: list[float | None]) -> Context:
    target = torch.tensor([0.0 if y is None else y for y in window])[None, :, None]
    observed = torch.tensor([y is not None for y in window])[None, :, None]
    nothing = torch.zeros(1, len(window), 0)
    return Context(target, observed, nothing, nothing, torch.zeros(1, 0), torch.zeros(1, dtype=torch.int64))


VALUES = st.one_of(st.none(), st.floats(-100, 100, width=32))


@settings(deadline=None)
@given(window=st.lists(VALUES, min_size=1, max_size=20), horizon=st.integers(1, 20), season=st.integers(1, 12))
@pytest.mark.parametrize("kind", SIMPLE)
def test_point_forecast_against_a_loop(kind: str, window: list[float | None], horizon: int, season: int) -> None:
    """A phase that is off by one, a horizon cut at one season, missing values taken for zeros."""
    actual = baseline(kind, one_window(window), horizon, season).flatten().tolist()
    assert actual == pytest.approx(slow(kind, window, horizon, season), rel=1e-5, abs=1e-3)


@pytest.mark.parametrize(("begin", "step", "missing"), [(100.0, 2.0, 5), (-7.0, 0.5, 1), (1e4, -30.0, 8)])
def test_drift_goes_on_from_the_last_value_that_there_is(begin: float, step: float, missing: int) -> None:
    """A line that stands still between the last value and the forecast origin."""
    line = [begin + step * t for t in range(20)]
    window = [*line[: 12 - missing], *[None] * missing]
    actual = baseline("drift", one_window(window), 8, 1).flatten().tolist()
    assert actual == pytest.approx(line[12:], rel=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.5])
@pytest.mark.parametrize("kind", SIMPLE)
def test_many_windows_are_forecast_as_one_by_one(kind: str, missing: float) -> None:
    """Windows or channels that borrow each other's last value, with and without something missing."""
    given_ = context(SHAPE, batch=30, missing=missing)
    actual = baseline(kind, given_, SHAPE.horizon, SHAPE.season)
    for b in range(30):
        for c in range(2):
            target, observed = given_.target[b, :, c].tolist(), given_.observed[b, :, c].tolist()
            window = [y if o else None for y, o in zip(target, observed, strict=True)]
            expected = slow(kind, window, SHAPE.horizon, SHAPE.season)
            assert actual[b, :, c].tolist() == pytest.approx(expected, rel=1e-5)


def learned(kind: str, batches: list[Batch], levels: tuple[float, ...] = LEVELS) -> BaselineForecaster:
    net = Baseline(kind=kind, levels=levels).build(SHAPE)
    net.scaler.fit(CENTRE, SPREAD)
    net.fit(batches)
    return net


def batches(missing: float = 0.3) -> list[Batch]:
    return [Batch(context(SHAPE, 25, missing, 2 * i), truth(SHAPE, 25, missing, 2 * i + 1)) for i in range(3)]


@pytest.mark.parametrize("kind", SIMPLE)
def test_error_quantiles_against_numpy(kind: str) -> None:
    """Errors in the wrong units, of steps not observed, or pooled over steps, channels, batches."""
    net = learned(kind, batches())
    for h in range(SHAPE.horizon):
        for c in range(2):
            errors = []
            for given_, after in batches():
                for b in range(25):
                    if not after.observed[b, h, c]:
                        continue
                    target, observed = given_.target[b, :, c].tolist(), given_.observed[b, :, c].tolist()
                    window = [y if o else None for y, o in zip(target, observed, strict=True)]
                    seen = np.array([y for y in window if y is not None])
                    scale = np.sqrt(seen.var() + (0.01 * float(SPREAD[c])) ** 2)
                    point = slow(kind, window, SHAPE.horizon, SHAPE.season)[h]
                    errors.append((float(after.target[b, h, c]) - point) / scale)
            expected = np.quantile(errors, LEVELS) - np.quantile(errors, 0.5)
            np.testing.assert_allclose(net.errors[h, c].numpy(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", BASELINES)
def test_the_median_is_the_baseline_itself(kind: str) -> None:
    """A biased error quantile that moves the point forecast, so that no score is the baseline's own."""
    net = learned(kind, batches())
    given_ = context(SHAPE, missing=0.2, seed=9)
    if net.ridge is None:
        expected = baseline(kind, given_, SHAPE.horizon, SHAPE.season)
    else:
        expected = net.ridge(given_, net.scaler.scaling(*given_[:2]))
    with torch.no_grad():
        torch.testing.assert_close(net(given_).point, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(net(given_).quantiles()[..., 2], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", BASELINES)
@pytest.mark.parametrize("levels", [(0.2,), (0.9, 0.1), (0.05, 0.3, 0.7)])
def test_levels_need_no_median(kind: str, levels: tuple[float, ...]) -> None:
    """Quantiles at other levels than those asked for, or crossing ones."""
    net = learned(kind, batches(), levels)
    forecast = net(context(SHAPE, seed=9))
    assert forecast.levels == tuple(sorted(levels))
    assert forecast.quantiles().shape[-1] == len(levels)
    assert (forecast.quantiles().diff(dim=-1) >= 0).all()


@pytest.mark.parametrize("kind", BASELINES)
def test_training_steps_without_any_truth_have_no_interval(kind: str) -> None:
    """NaN quantiles where no training window reaches."""
    given_, after = batches()[0]
    blind = after.observed.clone()
    blind[:, 3] = False
    net = learned(kind, [Batch(given_, after._replace(observed=blind))])
    assert net.errors.isfinite().all()
    assert (net.errors[3] == 0).all()
    assert (net.errors[2].abs().sum(-1) > 0).all()


@pytest.mark.parametrize("kind", BASELINES)
def test_a_window_with_nothing_observed_gets_the_training_level(kind: str) -> None:
    """A forecast of 0, which is far from a series at 40."""
    net = learned(kind, batches())
    nothing = context(SHAPE, missing=1.0)
    expected = CENTRE.expand(4, SHAPE.horizon, 2)
    torch.testing.assert_close(net(nothing).point, expected)


@pytest.mark.parametrize("kind", BASELINES)
def test_state_can_be_stored_and_restored(kind: str) -> None:
    """Intervals that are lost with the model directory."""
    net = learned(kind, batches())
    again = Baseline(kind=kind, levels=LEVELS).build(SHAPE)
    again.load_state_dict(net.state_dict())
    given_ = context(SHAPE, seed=9)
    assert torch.equal(values(net, given_), values(again, given_))
    assert not list(net.parameters())


@pytest.mark.parametrize("season", [1, 5])
def test_each_asks_for_the_context_it_needs(season: int) -> None:
    """A context shorter than a season, in which seasonal naive and Naive2 are only naive."""
    least = {kind: Baseline(kind=kind).least_context(season) for kind in BASELINES}
    assert least == {
        "naive": 1,
        "seasonal-naive": season,
        "drift": 1,
        "naive2": 32 * season,
        "linear": 1,
        "theta": max(120, 10 * season),
        "ets": max(120, 10 * season),
        "mstl": max(120, 10 * season),
        "shape-ridge": {1: 120, 5: 280}[season],
        "croston": 240,
        "tsb": 240,
    }


def test_more_errors_than_torch_takes_at_once() -> None:
    """A long horizon on many channels: torch.nanquantile refuses more than 2^24 values."""
    shape = WindowShape(context=4, horizon=1100, targets=8, past=0, known=0, static=0)
    windows = 2000
    assert windows * shape.horizon * shape.targets > 2**24
    net = Baseline(kind="naive", levels=(0.1, 0.5, 0.9)).build(shape)
    after = torch.randn(windows, shape.horizon, shape.targets)
    nothing = torch.zeros(windows, 4, 0)
    given_ = Context(
        torch.tensor([-1.0, 1.0, -1.0, 1.0])[None, :, None].expand(windows, -1, 8),
        torch.ones(windows, 4, 8, dtype=torch.bool), nothing, nothing, torch.zeros(windows, 0),
        torch.arange(windows),
    )  # fmt: skip
    net.fit([Batch(given_, Truth(after, torch.ones_like(after, dtype=torch.bool)))])
    spread = (net.errors[..., 2] - net.errors[..., 0])[[0, 549, 1099]]
    expected = np.quantile(after[:, [0, 549, 1099]], 0.9, axis=0) - np.quantile(after[:, [0, 549, 1099]], 0.1, axis=0)
    np.testing.assert_allclose(spread, expected, rtol=1e-3)
