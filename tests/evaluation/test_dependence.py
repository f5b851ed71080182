"""How errors hang together: against tables that were put in, slow loops and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tsforge.evaluation import dependence
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Distribution, Floats

H, C, N = 4, 2, 6


def outcome(errors: Floats, series: Floats, time: Floats) -> Outcome:
    """Forecasts of 0 in units of 2, whose truths are these errors (W, H, C), NaN where not observed."""
    W = len(errors)
    spread = np.full((W, C), 2.0)
    distribution = Distribution.of_point((), np.zeros_like(errors), spread)
    return Outcome(
        np.nan_to_num(errors), ~np.isnan(errors), np.zeros_like(errors), distribution, spread, spread,
        series.astype(np.int64), time.astype(np.int64),
    )  # fmt: skip


def tables() -> tuple[Floats, Floats, Floats]:
    """Correlations of steps, targets and series that differ from what tables are shrunk to."""
    apart = np.abs(np.subtract.outer(np.arange(H), np.arange(H)))
    steps = 0.5 * 0.8**apart + 0.5 * np.eye(H)
    targets = np.array([[1.0, -0.5], [-0.5, 1.0]])
    series = np.eye(N)
    series[:3, :3], series[3:, 3:] = 0.7, 0.2
    np.fill_diagonal(series, 1.0)
    return steps, targets, series


def drawn(origins: int, random: np.random.Generator) -> Outcome:
    """Errors of series at the same origins, far from normal, of different sizes by step; a tenth is missing."""
    steps, targets, series = (np.linalg.cholesky(t) for t in tables())
    noise = random.normal(size=(origins, N, H, C))
    z = np.einsum("ij,hk,cd,tjkd->tihc", series, steps, targets, noise)
    errors = (np.sinh(2 * z) * np.arange(1, H + 1)[:, None]).reshape(-1, H, C)
    errors[random.random(errors.shape) < 0.1] = np.nan
    time, of = (axis.reshape(-1) for axis in np.indices((origins, N)))
    return outcome(errors, of, time * H)


def test_the_tables_that_were_put_in_are_found() -> None:
    """Prevents: steps, targets or series mixed up; missing truths that count as errors of 0; sizes that play a part."""
    found = dependence.fit(drawn(1500, np.random.default_rng(0)), [f"s{i}" for i in range(N)])
    assert found is not None
    assert (found.windows, found.origins, found.keys) == (1500 * N, 1500, tuple(f"s{i}" for i in range(N)))
    for name, table in zip(("steps", "targets", "series"), tables(), strict=True):
        np.testing.assert_allclose(getattr(found, name), table, atol=0.06, err_msg=name)
    pairs = tables()[2][np.triu_indices(N, 1)]
    assert found.common == pytest.approx(pairs.mean(), abs=0.05)


def test_few_windows_are_drawn_to_what_they_can_tell() -> None:
    """Prevents: correlations that are the noise of a few windows; tables that are none."""
    random = np.random.default_rng(1)
    truth = tables()[2]
    wide, shrunk = [], []
    for _ in range(20):
        o = drawn(4, random)
        found = dependence.fit(o, [str(i) for i in range(N)])
        assert found is not None
        for table in (found.steps, found.targets, found.series):
            assert np.linalg.eigvalsh(table)[0] > 0
            np.testing.assert_allclose(np.diagonal(table), 1)
        scores = dependence.normal_scores(o)
        flat = np.stack([scores[o.series == i].reshape(-1) for i in range(N)])
        plain = np.ma.corrcoef(np.ma.masked_invalid(flat)).filled(0)
        wide.append(np.square(plain - truth).mean())
        shrunk.append(np.square(found.series - truth).mean())
    assert np.mean(shrunk) < np.mean(wide)
    assert dependence.fit(drawn(1, random), [str(i) for i in range(N)]) is None


def test_scores_are_those_of_ranks() -> None:
    """Prevents: ranks over all steps together, equal values in the order they stand in."""
    random = np.random.default_rng(2)
    errors = np.round(random.normal(size=(40, H, C)), 1)
    errors[3:9, 1, 0] = np.nan
    scores = dependence.normal_scores(outcome(errors, np.zeros(40), np.arange(40)))
    for h in range(H):
        for c in range(C):
            seen = ~np.isnan(errors[:, h, c])
            ranks = stats.rankdata(errors[seen, h, c])
            np.testing.assert_allclose(scores[seen, h, c], stats.norm.ppf((ranks - 0.5) / seen.sum()), atol=1e-9)
            assert np.isnan(scores[~seen, h, c]).all()


def test_windows_count_in_units_of_their_own_interval() -> None:
    """Prevents: windows with wide intervals whose errors are all extreme, so that steps seem to move together."""
    random = np.random.default_rng(3)
    size = np.exp(random.normal(size=(400, 1, 1)) * 2)
    errors = random.normal(size=(400, H, C)) * size
    spread = np.ones((400, C))
    offset = np.stack([-size, size]) * np.ones((2, 400, H, C))
    own = Distribution((0.1, 0.9), np.zeros_like(errors), spread, offset)
    o = Outcome(
        errors, np.ones(errors.shape, dtype=np.bool_), np.zeros_like(errors), own, spread, spread,
        np.zeros(400, dtype=np.int64), np.arange(400),
    )  # fmt: skip
    even = outcome(errors / size, np.zeros(400), np.arange(400))
    np.testing.assert_allclose(dependence.normal_scores(o), dependence.normal_scores(even), atol=1e-9)
