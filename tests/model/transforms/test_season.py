"""Seasonal indices of a window against plain loops and statsmodels, and the step that they are divided out by."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from statsmodels.tsa.seasonal import seasonal_decompose
from torch import nn

from tests.helpers.draw import SCALINGS, SHAPE, context, network, values
from tests.helpers.walks import air, walk
from tsforge.batch import Context, WindowShape
from tsforge.data.dataset import prepare
from tsforge.forecast import Point, Quantiles
from tsforge.model.transforms.scaling import WindowScaler
from tsforge.model.transforms.season import LEAST, Season, shrunken, sums
from tsforge.model.transforms.window import Window
from tsforge.settings import build

noisy = partial(walk, noise=0.05)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 12, 13, 24, 31, 32, 33])
def test_sums_over_neighbours(m: int) -> None:
    """Prevents: a step too many or too few in a moving average, and a sum that feels values outside of it."""
    for L in (m, m + 1, 50):
        series = torch.randn(2, L, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(m))
        series[0, 0], series[1, -1] = 1e300, torch.nan
        actual, expected = sums(series, m), series.unfold(1, m, 1).sum(dim=-1)
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12, equal_nan=True)


def slow(series: np.ndarray, m: int) -> np.ndarray:
    """By phase from the origin on: the mean ratio of each phase to statsmodels' trend, drawn towards 1 by hand."""
    n = len(series)
    if m == 1 or n < 2 * m + 1 or (series <= 0).any():
        return np.ones(m)
    ratio = series / seasonal_decompose(series, model="multiplicative", period=m).trend
    by_phase = [[r for t, r in enumerate(ratio) if (t - n) % m == p and np.isfinite(r)] for p in range(m)]
    mean = np.array([np.mean(rs) for rs in by_phase])
    index = mean / mean.mean()
    off = sum((r - index[p]) ** 2 for p, rs in enumerate(by_phase) for r in rs)
    freedom = max(sum(len(rs) for rs in by_phase) - m, 1)
    noise = off / freedom * np.mean([1 / len(rs) for rs in by_phase])
    spread = ((index - 1) ** 2).sum() / (m - 1)
    return 1 + (index - 1) * max(0.0, 1 - noise / spread)


def fast(series: np.ndarray, m: int, padding: int = 0) -> np.ndarray:
    target = torch.tensor(np.r_[np.full(padding, 7.0), series])[None, :, None]
    observed = (torch.arange(padding + len(series)) >= padding)[None, :, None]
    return shrunken(target, observed, m)[0, :, 0].numpy()


@pytest.mark.parametrize("m", [2, 3, 4, 7, 12])
@pytest.mark.parametrize("strength", [0.0, 0.05, 0.3])
def test_against_statsmodels_and_a_loop(m: int, strength: float) -> None:
    """A phase off by one, variances over the wrong axis, a last season that is not whole."""
    for seed in range(10):
        series = noisy(2 * m + 1 + 3 * seed, m, strength, seed)
        np.testing.assert_allclose(fast(series, m), slow(series, m), rtol=1e-9)


def test_noise_is_no_season_and_a_season_is_kept() -> None:
    """Indices that are kept or dropped whatever the window says."""
    noise = [np.ptp(fast(noisy(72, 12, 0.0, seed), 12)) for seed in range(20)]
    season = [np.ptp(fast(noisy(72, 12, 0.3, seed), 12)) for seed in range(20)]
    assert np.mean(noise) < 0.05 < 0.5 < np.mean(season)
    assert np.ptp(fast(air(), 12)) == pytest.approx(np.ptp(slow(air(), 12)))
    assert np.ptp(fast(air(), 12)) > 0.4


@pytest.mark.parametrize("padding", [1, 5, 12, 40])
def test_padding_does_not_matter(padding: int) -> None:
    """A short series beside longer ones, whose placeholders enter the indices."""
    np.testing.assert_allclose(fast(air()[:50], 12, padding), fast(air()[:50], 12), rtol=1e-12)


@pytest.mark.parametrize("bad", ["hole", "zero", "negative", "short", "tiny"])
def test_what_cannot_be_divided_by_is_left_as_it_is(bad: str) -> None:
    """Phases counted across a gap, division by 0, one season taken for a pattern."""
    series, observed = air().copy(), np.ones(144, dtype=bool)
    if bad == "hole":
        observed[60] = False
    elif bad == "short":
        series, observed = series[:24], observed[:24]
    elif bad == "tiny":
        series[np.arange(144) % 12 == 3] *= LEAST / 10
    else:
        series[60] = 0.0 if bad == "zero" else -3.0
    target, seen = torch.tensor(series)[None, :, None], torch.tensor(observed)[None, :, None]
    assert (shrunken(target, seen, 12) == 1).all()


def test_windows_and_targets_have_their_own_indices() -> None:
    """Indices of one series used for another, or of one target for all."""
    many = np.stack([noisy(40, 6, 0.3, seed) for seed in range(8)]).reshape(4, 2, 40)
    target = torch.tensor(many).movedim(1, 2)
    actual = shrunken(target, torch.ones_like(target, dtype=torch.bool), 6)
    for b in range(4):
        for c in range(2):
            np.testing.assert_allclose(actual[b, :, c].numpy(), slow(many[b, c], 6), rtol=1e-9)


@pytest.mark.parametrize("context_length", [36, 41, 48])
@pytest.mark.parametrize("horizon", [5, 12, 30])
def test_what_is_divided_out_comes_back(context_length: int, horizon: int) -> None:
    """Indices that are applied a step early or late: a pure season would not come back as it went."""
    m, pattern = 12, torch.linspace(0.5, 1.5, 12)
    steps = torch.arange(context_length + horizon)
    whole = (40 * pattern[steps % m])[None, :, None]
    target, after = whole[:, :context_length], whole[:, context_length:]
    step = Season(WindowShape(context_length, horizon, 1, 0, 0, 0, season=m))
    observed, nothing = torch.ones_like(target, dtype=torch.bool), torch.zeros(1, 0)
    window, index = step(Window.of(Context(target, observed, nothing, nothing, nothing, nothing)))
    flat = window.context.target
    torch.testing.assert_close(flat, flat.mean().expand_as(flat))
    torch.testing.assert_close(flat[:, :1] * index, after)


@pytest.mark.parametrize("kind", SCALINGS)
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_undone_in_the_units_of_any_scaling(kind: str, missing: float) -> None:
    """A forecast of y / s that is multiplied in normalised units, where only its deviation from loc would be."""
    shape = SHAPE._replace(context=20, horizon=6)
    given = context(shape, batch=10, missing=missing)
    target = given.target.abs() + given.observed
    step = Season(shape)
    window, index = step(Window.of(given._replace(target=target)))
    assert missing or (index != 1).any()
    scaling = WindowScaler(2, kind).scaling(window.context.target, given.observed)
    after = 5 + torch.rand(10, 6, 2, generator=torch.Generator().manual_seed(1))
    divided = scaling.normalise(after / index)
    torch.testing.assert_close(step.undo(Point(divided, scaling), index).point, after)
    three = torch.stack([divided - 0.1, divided, divided + 0.3], dim=-1)
    quantiles = step.undo(Quantiles(three, scaling, (0.1, 0.5, 0.9)), index).quantiles()
    torch.testing.assert_close(quantiles[..., 1], after)
    assert (quantiles.diff(dim=-1) > 0).all()
    torch.testing.assert_close(quantiles[..., 2] - after, 0.3 * scaling.scale * index)


@pytest.mark.parametrize("growth", [False, True])
def test_a_silent_network_repeats_the_season(growth: bool) -> None:
    """Steps around the network that are undone in another order than done."""
    shape = WindowShape(36, 20, 1, 0, 0, 0, season=12)
    net = network("patch-gru", shape, adjust="season", growth=growth, scaling="change", base="none", head__type="point")
    for parameter in net.head.parameters():
        nn.init.zeros_(parameter)
    target = torch.tensor(air()[:36], dtype=torch.float32).expand(4, 1, 36).mT
    given = context(shape, missing=0.0)._replace(target=target)
    index = torch.tensor(slow(air()[:36], 12), dtype=torch.float32)
    expected = air()[35] / index[-1] * index[torch.arange(20) % 12]
    torch.testing.assert_close(values(net, given)[0, :, 0, 0], expected, rtol=1e-5, atol=1e-3)


def test_a_context_too_short_for_indices_is_raised_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """A season that nobody divides by, because no window ever holds two of them."""
    frame = pd.DataFrame({"t": range(200), "y": noisy(200, 7, 0.3)})

    def settled(season: int, **settings: object) -> int:
        settings |= {"data.horizon": 5, "data.season": season, "data.context": 8, "model.kind": "gru"}
        experiment = build(settings)
        dataset = prepare(experiment.data, frame, experiment.model)
        assert dataset.source.shape.context == dataset.config.context
        return dataset.source.shape.context

    assert settled(7, **{"model.adjust": "season"}) == 15
    assert "context raised from 8 to 15" in caplog.text
    assert settled(7) == 8
    assert settled(1, **{"model.adjust": "season"}) == 8
