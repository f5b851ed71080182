"""Stretches of steps and back, beside loops."""

from __future__ import annotations

import pytest
import torch

from tsforge.forecast import middle
from tsforge.model.heads import LEVELS
from tsforge.model.zero.pooling import LONGEST, TOKENS, Detail, ahead, detail, joined, pooled, spread, stretch
from tsforge.model.zero.reading import read

MIDDLE = middle(LEVELS)


@pytest.mark.parametrize("season", [1, 2, 12, 48, 64, 65, 96, 100, 168, 288, 336, 1440, 8766])
def test_a_season_has_at_most_48_stretches(season: int) -> None:
    """Prevents: a season that the network has never seen the like of, or one pooled further than it must be."""
    k = stretch(season)
    if season <= LONGEST:
        assert k == 1
    else:
        assert season / k <= TOKENS < season / (k - 1)


@pytest.mark.parametrize(("L", "k"), [(20, 1), (20, 4), (22, 4), (23, 7)])
def test_means_are_those_of_a_loop(L: int, k: int) -> None:
    """Prevents: stretches counted from the wrong end, and unobserved steps counted as 0."""
    generator = torch.Generator().manual_seed(L * k)
    values = torch.randn(3, L, generator=generator, dtype=torch.float64)
    observed = torch.rand(3, L, generator=generator) > 0.4
    values = values * observed
    T = -(-L // k)
    for function, bounds in (
        (pooled, [(max(0, L - (T - i) * k), L - (T - i - 1) * k) for i in range(T)]),
        (ahead, [(i * k, min(L, (i + 1) * k)) for i in range(T)]),
    ):
        means, seen = function(values, observed, k)
        assert means.shape == (3, T)
        for s in range(3):
            for i, (begin, end) in enumerate(bounds):
                there = values[s, begin:end][observed[s, begin:end]]
                assert bool(seen[s, i]) == (len(there) > 0)
                assert float(means[s, i]) == pytest.approx(float(there.mean()) if len(there) else 0.0)


def through(means: list[float], t: float, k: int) -> float:
    """The line through the middles of stretches at a step, counted from the last step of the last one."""
    place = (t + (k - 1) / 2) / k + len(means) - 1
    place = min(max(place, 0.0), len(means) - 1.0)
    low = min(int(place), len(means) - 2)
    return means[low] + (place - low) * (means[low + 1] - means[low])


@pytest.mark.parametrize(("k", "gap"), [(2, 0), (5, 0), (7, 3)])
def test_what_stretches_hide_is_that_of_a_loop(k: int, gap: int) -> None:
    """Prevents: intervals of steps as narrow as those of means, or a memory of other steps than neighbours."""
    L = 6 * k
    values = torch.randn(2, L, generator=torch.Generator().manual_seed(k), dtype=torch.float64).cumsum(1)
    observed = torch.ones_like(values, dtype=torch.bool)
    observed[:, L - gap :] = False
    values = values * observed
    means, seen = pooled(values, observed, k)
    steps = detail(values, observed, means, seen, k)
    for s in range(2):
        row = means[s].tolist()
        apart = [float(values[s, t]) - through(row, t - L + 1, k) for t in range(L - gap)]
        square = sum(a * a for a in apart)
        ends = [float(values[s, (i + 1) * k - 1]) - row[i] for i in range(5 if not gap else 4)]
        follows = sum((row[i + 1] - row[i]) * d for i, d in enumerate(ends)) / sum(d * d for d in ends)
        memory = min(max(follows, 0.0), 1.0) ** (2 / (k + 1))
        assert float(steps.last[s]) == pytest.approx(float(values[s, L - 1 - gap]))
        assert float(steps.gap[s]) == gap
        assert float(steps.memory[s]) == pytest.approx(min(memory, 0.98))
        assert float(steps.noise[s]) == pytest.approx((square / len(apart)) ** 0.5)


@pytest.mark.parametrize(("k", "H"), [(1, 5), (3, 10), (7, 20)])
@pytest.mark.parametrize("memory", [0.0, 0.7])
def test_steps_lie_on_the_line_and_begin_at_the_last_one(k: int, H: int, memory: float) -> None:
    """Prevents: a forecast shifted by part of a stretch, quantiles that cross, noise that narrows an interval."""
    T, normal = -(-H // k), torch.special.ndtri(torch.tensor(LEVELS))
    answer = torch.randn(2, T, len(LEVELS), generator=torch.Generator().manual_seed(k)).sort(dim=-1).values
    known = (torch.tensor([v, v]) for v in (2.5, 1.0, memory, 0.7))
    steps = spread(answer, k, H, normal, Detail(*known))
    assert steps.shape == (2, H, len(LEVELS))
    assert (steps.diff(dim=-1) >= 0).all()
    if k == 1:
        assert torch.equal(steps, answer)
        return
    for s in range(2):
        means = [0.0, *answer[s, :, MIDDLE].tolist()]
        off = 2.5 - through(means, -1 - T * k, k)
        for h in range(1, H + 1):
            expected = through(means, h - T * k, k) + off * memory ** (h + 1)
            assert float(steps[s, h - 1, MIDDLE]) == pytest.approx(expected, rel=1e-4, abs=1e-4)
            spread_of_stretch = answer[s, (h - 1) // k] - answer[s, (h - 1) // k, MIDDLE]
            noise = 0.7 * (1 - memory ** (2 * (h + 1))) ** 0.5 * normal
            torch.testing.assert_close(
                (steps[s, h - 1] - steps[s, h - 1, MIDDLE]).abs(),
                torch.hypot(spread_of_stretch, noise),
                rtol=1e-3,
                atol=1e-3,
            )


def test_steps_that_remember_are_forecast_from_the_last_one() -> None:
    """Prevents: the hours to come forecast from the mean of half a day, where the last one says more.

    Of series with a season of 336, read in stretches of 7, and deviations of which a tenth is gone after a step.
    """
    generator, S, L, m, H = torch.Generator().manual_seed(4), 200, 2600, 336, 14
    noise = torch.randn(S, L + H, generator=generator, dtype=torch.float64)
    apart = torch.zeros_like(noise)
    for t in range(1, L + H):
        apart[:, t] = 0.9 * apart[:, t - 1] + noise[:, t]
    pattern = 30 * torch.rand(m, generator=generator, dtype=torch.float64)
    series = 200 + pattern[torch.arange(L + H) % m] + apart
    window = read(series[:, :L], torch.ones(S, L, dtype=torch.bool), m, H)
    level = torch.zeros(S, 2, len(LEVELS), dtype=torch.float64)  # it says the last stretch
    normal = torch.zeros(len(LEVELS), dtype=torch.float64)
    errors = []
    for steps in (window.steps, window.steps._replace(memory=torch.zeros(S, dtype=torch.float64))):
        x = spread(level, 7, H, normal, steps)[..., MIDDLE]
        z = window.units.loc[:, None] + window.units.scale[:, None] * x
        errors.append((window.season.restore(z) - series[:, L:]).abs().mean(dim=0))
    assert errors[0][0] < 0.8 * errors[1][0]
    assert errors[0].mean() < 0.97 * errors[1].mean()
    assert 0.7 < window.steps.memory.median() < 0.95


def test_distances_of_independent_normal_errors_join_to_those_of_their_sum() -> None:
    """Prevents: intervals of a sum that add up linearly, or of which one side is lost."""
    normal = torch.special.ndtri(torch.tensor(LEVELS))
    torch.testing.assert_close(joined(3 * normal, 4 * normal), 5 * normal)
