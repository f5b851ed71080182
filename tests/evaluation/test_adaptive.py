"""Moving intervals where truths lie on forecasts, levels stand alone and fits change, against a loop over intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tsforge.evaluation import adaptive, outcome
from tsforge.evaluation.adaptive import adapt
from tsforge.evaluation.conformal import Calibration, apply_all
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Distribution
from tsforge.evaluation.scores import by_series, by_step, by_window, scores

W, H, C = 60, 12, 2  # more steps than are moved origin by origin
FEW = (0.05, 0.1, 0.5, 0.9, 0.95)
Issued = tuple[np.ndarray, np.ndarray]


def random_outcome(
    levels: tuple[float, ...], series: int = 1, stride: int = 1, hits: float = 0.4, seed: int = 0
) -> Outcome:
    """Forecasts of which many are exactly right, with quantiles that are not symmetric; some truths are missing."""
    rng = np.random.default_rng(seed)
    n = W * series
    point = rng.integers(-3, 4, (n, H, C)).astype(np.float32)
    truth = np.where(rng.random(point.shape) < hits, point, point + 2 * rng.normal(size=point.shape)).astype(np.float32)
    observed = rng.random(point.shape) > 0.1
    inner = np.arange(len(levels)) - (len(levels) - 1) / 2
    offset = np.sort(inner + rng.normal(0, 0.2, (n, H, C, len(levels))), axis=-1)
    offset -= np.median(offset, axis=-1, keepdims=True)
    spread = np.ones((n, C), dtype=np.float32)
    place = np.arange(n)
    return Outcome(
        np.where(observed, truth, 0), observed, point,
        Distribution.of_values(point[..., None] + offset, levels, point, spread),
        np.ones((n, C)), np.ones((n, C)), place % series, 5 + stride * (place // series),
    )  # fmt: skip


def start(levels: tuple[float, ...], pairs: int) -> Calibration:
    widening = np.random.default_rng(1).normal(0, 0.5, (H, C, pairs))
    return Calibration(levels=levels, widening=widening.tolist(), unit=np.ones((H, C)).tolist(), windows=50)


def slow(o: Outcome, begin: Calibration, pairs: list[tuple[int, int]], gamma: float) -> tuple[np.ndarray, int]:
    """Every interval computed, put in order and judged as it was issued; how many closed ones were hit is counted."""
    levels = o.levels
    middle = min(range(len(levels)), key=lambda q: abs(levels[q] - 0.5))
    quantiles = o.quantiles.astype(float).copy()
    widening = np.array(begin.widening)
    pending: list[tuple[int, int, int, int, float]] = []
    closed_hits = 0
    for now in sorted(set(o.time.tolist())):
        for entry in [e for e in pending if e[0] < now]:
            _, h, c, p, change = entry
            widening[h, c, p] += change
            pending.remove(entry)
        here = np.flatnonzero(o.time == now)
        for h, c in np.ndindex(H, C):
            for w in here:
                q = quantiles[w, h, c]
                for p, (a, b) in enumerate(pairs):
                    q[a], q[b] = q[a] - widening[h, c, p], q[b] + widening[h, c, p]
                for k in range(middle - 1, -1, -1):
                    q[k] = min(q[k], q[k + 1])
                for k in range(middle + 1, len(q)):
                    q[k] = max(q[k], q[k - 1])
            seen = [w for w in here if o.observed[w, h, c]]
            for p, (a, b) in enumerate(pairs):
                share = 1 - (levels[b] - levels[a])
                total = 0.0
                for w in seen:
                    low, high, y = quantiles[w, h, c, a], quantiles[w, h, c, b], float(o.truth[w, h, c])
                    hit = low <= y <= high
                    if hit and low == high:
                        closed_hits += 1
                    else:
                        total += (not hit) - share
                if seen:
                    pending.append((now + h, h, c, p, gamma * begin.unit[h][c] * total / len(seen)))
    return quantiles, closed_hits


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("series", [1, 3])
def test_truths_on_the_forecast_and_closed_intervals(series: int, stride: int) -> None:
    """A closed interval that was hit and narrows on, one that never opens again, hits that count as misses."""
    o, begin = random_outcome(FEW, series, stride, hits=0.97), start(FEW, 2)
    actual = adapt(o, begin, 0.5)
    expected, closed = slow(o, begin, [(0, 4), (1, 3)], 0.5)
    np.testing.assert_allclose(actual.quantiles, expected, atol=1e-3)
    assert closed > 20  # otherwise this test shows nothing


@pytest.mark.parametrize(
    ("levels", "pairs"), [((0.1, 0.3, 0.5, 0.9), [(0, 3)]), ((0.1, 0.2, 0.5, 0.6, 0.8, 0.95), [(1, 4)])]
)
def test_levels_without_a_mirror_stand_still_and_hold(levels: tuple[float, ...], pairs: list[tuple[int, int]]) -> None:
    """A pair judged to have missed a truth that a level inside it keeps it from missing."""
    o, begin = random_outcome(levels, hits=0.0), start(levels, 1)
    actual = adapt(o, begin, 0.5)
    np.testing.assert_allclose(actual.quantiles, slow(o, begin, pairs, 0.5)[0], atol=1e-3)


@pytest.mark.parametrize("windows", [0, 1, 7])
@pytest.mark.parametrize("series", [1, 3])
def test_moves_are_the_same_in_pieces(series: int, windows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Origins that change places or get another's truths where not all windows are looked at together."""
    o, begin = random_outcome(FEW, series, stride=2, seed=3), start(FEW, 2)
    mixed = o.part(np.random.default_rng(0).permutation(len(o.truth))[: len(o.truth) * 4 // 5])
    whole = [adapt(x, begin, 0.5).quantiles for x in (o, mixed)]
    monkeypatch.setattr(adaptive, "BLOCK", windows * H * C)
    for x, quantiles in zip((o, mixed), whole, strict=True):
        np.testing.assert_array_equal(adapt(x, begin, 0.5).quantiles, quantiles)


def test_corrections_of_several_fits_stay_with_their_windows() -> None:
    """The corrections of one fit on the windows of another, before the intervals move or after."""
    o = random_outcome(FEW, hits=0.0)
    fits = [(25, start(FEW, 2)), (35, start(FEW, 2).model_copy(update={"widening": np.full((H, C, 2), 0.7).tolist()}))]
    both = apply_all(o, fits)
    for part, (_, fit) in zip((slice(0, 25), slice(25, 60)), fits, strict=True):
        np.testing.assert_array_equal(both.quantiles[part], fit.apply(o.part(part)).quantiles)
    moved = adapt(both, fits[0][1].cleared(), 0.5)
    for part, (_, fit) in zip((slice(0, 25), slice(25, 60)), fits, strict=True):
        first = adapt(o.part(part), fit, 0.5).quantiles[0]
        if part.start == 0:
            np.testing.assert_allclose(moved.quantiles[0], first, atol=1e-5)
    assert not np.array_equal(moved.quantiles[30:], both.quantiles[30:])


def test_quantiles_are_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric that depends on how many windows are looked at together, or corrections on another block's windows."""
    o = adapt(apply_all(random_outcome(FEW, 2), [(50, start(FEW, 2)), (70, None)]), start(FEW, 2).cleared(), 0.3)
    whole = scores(replace(o), average="points") | {"steps": by_step(o, "wql").tolist()}
    series, windows = by_series(o, "winkler_80"), by_window(o, "coverage_90")
    monkeypatch.setattr(outcome, "BLOCK", 7 * H * C)
    again = replace(o)
    assert sum(len(block.truth) for block in again.blocks()) == len(o.truth)
    np.testing.assert_array_equal(np.concatenate([b.quantiles for b in again.blocks()]), o.quantiles)
    for name, value in scores(again).items():
        assert value == pytest.approx(whole[name], rel=1e-9, nan_ok=True)
    np.testing.assert_allclose(by_step(again, "wql"), whole["steps"], rtol=1e-9)
    np.testing.assert_allclose(by_series(again, "winkler_80"), series, rtol=1e-9)
    np.testing.assert_allclose(by_window(again, "coverage_90"), windows, rtol=1e-9)
