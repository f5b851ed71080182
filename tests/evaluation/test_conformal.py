"""Conformal intervals against slow loops, and the promises they make: coverage, order, no look into the future."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, norm

from tsforge.config import parse
from tsforge.evaluation import conformal
from tsforge.evaluation.adaptive import adapt, follow
from tsforge.evaluation.conformal import Calibration, fit
from tsforge.evaluation.outcome import Outcome, concatenated
from tsforge.evaluation.quantiles import Distribution
from tsforge.evaluation.scores import score
from tsforge.model.heads import LEVELS

FEW = (0.05, 0.1, 0.5, 0.9, 0.95)


def outcome(
    windows: int, horizon: int = 4, targets: int = 2, levels: tuple[float, ...] = LEVELS, *, seed: int = 0,
    width: float = 1.0, noise: float = 1.0, missing: float = 0.0, series: int = 1, stride: int = 1,
) -> Outcome:  # fmt: skip
    """Quantiles of a normal, `width` times too wide, around truths that are off by `noise` times their unit."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.5, 3, (windows, targets)).astype(np.float32)
    point = rng.normal(20, 5, (windows, horizon, targets)).astype(np.float32)
    truth = (point + noise * spread[:, None] * rng.normal(size=point.shape)).astype(np.float32)
    quantiles = (
        point[..., None] + width * spread[:, None, :, None] * norm.ppf(levels) if levels else point[..., None][..., :0]
    )
    observed = rng.random(point.shape) >= missing
    place = np.arange(windows)
    ones = np.ones((windows, targets))
    return Outcome(
        np.where(observed, truth, 0), observed, point,
        Distribution.of_values(quantiles.astype(np.float32), levels, point, spread),
        scale=ones, square=ones, series=place % series, time=7 + stride * (place // series),
    )  # fmt: skip


def fitted(o: Outcome, levels: tuple[float, ...]) -> Calibration:
    """Corrections where there must be some."""
    calibration = fit(o, levels)
    assert calibration is not None
    return calibration


def pairs(levels: tuple[float, ...]) -> list[tuple[int, int, Fraction]]:
    """(lower, upper, what they promise) of levels that mirror each other, the widest first."""
    exact = [Fraction(str(level)) for level in levels]
    return [(a, exact.index(1 - low), 1 - 2 * low) for a, low in enumerate(exact) if low < 1 - low and 1 - low in exact]


def spread_apart(quantiles: list[float], levels: tuple[float, ...], moves: list[float]) -> list[float]:
    """Each pair apart by its move; then, from the middle outwards, none passes the one before it.

    The middle is the level nearest 0.5, or what lies halfway between the two of the innermost pair.
    """
    out = list(quantiles)
    for (a, b, _), move in zip(pairs(levels), moves, strict=True):
        out[a] -= move
        out[b] += move
    middle = min(range(len(levels)), key=lambda q: abs(levels[q] - 0.5))
    mirror = next((b for a, b, _ in pairs(levels) if a == middle), middle)
    last = (quantiles[middle] + quantiles[mirror]) / 2
    for q in range(middle + 1, len(levels)):
        last = out[q] = max(out[q], last)
    last = (quantiles[middle] + quantiles[mirror]) / 2
    for q in range(middle if mirror > middle else middle - 1, -1, -1):
        last = out[q] = min(out[q], last)
    return out


# --- static -----------------------------------------------------------------------------------------------------


def sorted_scores(o: Outcome, a: int, b: int, places: list[tuple[int, int, int]]) -> list[float]:
    scores = []
    for w, h, c in places:
        if o.observed[w, h, c]:
            y, low, high = (float(v) for v in (o.truth[w, h, c], o.quantiles[w, h, c, a], o.quantiles[w, h, c, b]))
            scores.append(max(low - y, y - high) / float(o.spread[w, c]))
    return np.sort(scores).tolist()


def order_statistic(scores: list[float], nominal: Fraction) -> float:
    rank = math.ceil((len(scores) + 1) * nominal)
    return scores[rank - 1] if rank <= len(scores) else 0.0


@pytest.mark.parametrize("windows", [39, 50, 99])
@pytest.mark.parametrize("width", [0.4, 2.5])
@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_corrections_against_a_loop(windows: int, width: float, missing: float) -> None:
    """A rank that is one too low, unobserved truths among the scores, another step's or target's correction."""
    o = outcome(windows if not missing else windows + 20, width=width, missing=missing)
    calibration = fitted(o, LEVELS)
    assert not calibration.pooled
    assert calibration.windows == len(o.truth)
    for h, c in np.ndindex(4, 2):
        places = [(w, h, c) for w in range(len(o.truth))]
        for p, (a, b, nominal) in enumerate(pairs(LEVELS)):
            expected = order_statistic(sorted_scores(o, a, b, places), nominal)
            assert calibration.widening[h][c][p] == pytest.approx(expected, rel=1e-4, abs=1e-5)
        seen = np.flatnonzero(o.observed[:, h, c])
        errors = [float(o.truth[w, h, c] - o.point[w, h, c]) / float(o.spread[w, c]) for w in seen]
        reach = np.subtract(*np.quantile(errors, [0.9, 0.1], method="nearest"))
        assert calibration.unit[h][c] == pytest.approx(reach, rel=1e-4)


@pytest.mark.parametrize("n", [39, 50, 200])
@pytest.mark.parametrize("width", [0.3, 2.0])
def test_coverage_is_what_was_promised(n: int, width: float) -> None:
    """Intervals that hold on the windows they were learned from, and not on new ones.

    Given n exchangeable windows, the coverage of new ones has a beta distribution whose mean lies between the nominal
    one and 1 / (n + 1) above it. Each of the 600 columns is one draw of it.
    """
    columns, tested = (150, 4), 200
    start = fitted(outcome(n, *columns, FEW, seed=1, width=width), FEW)
    new = start.apply(outcome(tested, *columns, FEW, seed=2, width=width))
    for (a, b, nominal), name in zip(pairs(FEW), ("coverage_90", "coverage_80"), strict=True):
        rank = math.ceil((n + 1) * nominal)
        law = beta(rank, n + 1 - rank)
        assert nominal <= law.mean() <= nominal + 1 / (n + 1)
        per_column = law.var() + law.mean() * (1 - law.mean()) / tested
        noise = 4 * math.sqrt(per_column / math.prod(columns))
        actual = score(new, name)
        assert float(nominal) - noise <= actual <= float(nominal) + 1 / (n + 1) + noise
        inside = (new.quantiles[..., a] <= new.truth) & (new.truth <= new.quantiles[..., b])
        assert inside.mean() == pytest.approx(actual)
        raw = score(outcome(tested, *columns, FEW, seed=2, width=width), name)
        assert abs(raw - float(nominal)) > 0.08  # otherwise this test shows nothing


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000), size=st.floats(0.01, 20),
    levels=st.sampled_from([LEVELS, FEW, (0.1, 0.9), (0.1, 0.4, 0.6, 0.9), (0.05, 0.2, 0.5, 0.8, 0.99), (0.3, 0.5)]),
)  # fmt: skip
def test_quantiles_never_cross_and_the_median_never_moves(seed: int, size: float, levels: tuple[float, ...]) -> None:
    """An upper bound below a lower one after a large negative correction, or a point forecast that was moved."""
    o = outcome(6, 3, 2, levels, seed=seed)
    count = len(pairs(levels))
    widening = np.random.default_rng(seed).normal(0, size, (3, 2, count)).astype(np.float32)
    start = Calibration(levels=levels, widening=widening.tolist(), unit=np.ones((3, 2)).tolist(), windows=6)
    actual = start.apply(o)
    assert (np.diff(actual.quantiles, axis=-1) >= 0).all()
    if 0.5 in levels:
        np.testing.assert_array_equal(actual.quantiles[..., levels.index(0.5)], o.quantiles[..., levels.index(0.5)])
    for w, h, c in np.ndindex(6, 3, 2):
        moves = [float(o.spread[w, c] * widening[h, c, p]) for p in range(count)]
        expected = spread_apart(o.quantiles[w, h, c].astype(float).tolist(), levels, moves)
        np.testing.assert_allclose(actual.quantiles[w, h, c], expected, rtol=1e-4, atol=1e-4)


def test_applying_changes_nothing_but_quantiles() -> None:
    """A correction that writes into the outcome it was given, or into its truths."""
    o = outcome(40)
    before = o.quantiles.copy()
    start = fitted(o, LEVELS)
    actual = start.apply(o)
    np.testing.assert_array_equal(o.quantiles, before)
    for name in ("truth", "point", "observed", "spread", "series", "time"):
        assert getattr(actual, name) is getattr(o, name)


def test_a_point_forecast_gets_quantiles() -> None:
    """A forecast without any range, where held-out errors say how wide it should be."""
    o, new = outcome(300, levels=()), outcome(4000, levels=(), seed=5)
    start = fitted(o, LEVELS)
    assert start.levels == LEVELS
    actual = start.apply(new)
    assert actual.levels == LEVELS
    assert actual.quantiles.shape == (*new.truth.shape, len(LEVELS))
    np.testing.assert_array_equal(actual.quantiles[..., LEVELS.index(0.5)], new.point)
    assert score(actual, "coverage_80") == pytest.approx(0.8, abs=0.03)
    assert score(actual, "coverage_90") == pytest.approx(0.9, abs=0.03)
    # Symmetric about the point, so that each pair is the order statistic of absolute errors.
    scaled = np.abs(o.truth - o.point)[:, 1, 0] / o.spread[:, 0]
    assert start.widening[1][0][0] == pytest.approx(np.sort(scaled)[math.ceil(301 * 0.9) - 1], rel=1e-5)


@pytest.mark.parametrize("factor", [1e-3, 1.0, 4096.0])
def test_widths_follow_the_unit_of_the_data(factor: float) -> None:
    """Corrections in the units of one table, added to the forecasts of another."""
    o, new = outcome(60, width=0.5), outcome(20, width=0.5, seed=3)

    def scaled(part: Outcome) -> Outcome:
        values, point = factor * part.quantiles, factor * part.point
        distribution = Distribution.of_values(values, part.levels, point, factor * part.spread)
        return replace(part, truth=factor * part.truth, point=point, distribution=distribution)

    start, other = fitted(o, LEVELS), fitted(scaled(o), LEVELS)
    np.testing.assert_allclose(np.array(other.widening), np.array(start.widening), rtol=1e-3, atol=1e-5)
    actual, wide = other.apply(scaled(new)).quantiles, adapt(scaled(new), other).quantiles
    np.testing.assert_allclose(actual, factor * start.apply(new).quantiles, rtol=1e-4)
    np.testing.assert_allclose(wide, factor * adapt(new, start).quantiles, rtol=1e-4)


def independent(o: Outcome, c: int) -> float:
    """How many scores of one target are worth counting, by loops: clusters of windows, and what errors share."""
    H = o.truth.shape[1]
    beside = sum((max(o.time[o.series == s]) - min(o.time[o.series == s])) / H + 1 for s in set(o.series.tolist()))
    products, squares, seen = 0.0, 0.0, 0
    for w in range(len(o.truth)):
        e = [float((o.truth - o.point)[w, h, c] / o.spread[w, c]) if o.observed[w, h, c] else 0.0 for h in range(H)]
        products += sum(e[i] * e[j] for i in range(H) for j in range(H) if i != j)
        squares += sum(x * x for x in e)
        seen += int(o.observed[w, :, c].sum())
    common = max(0.0, min(1.0, products / (H - 1) / squares))
    return max(1.0, min(beside * H / (1 + (H - 1) * common), seen))


@pytest.mark.parametrize("kind", ["walk", "bias", "noise"])
def test_few_windows_whose_errors_go_together_count_as_few(kind: str) -> None:
    """80 % from one stretch of a few windows, where all errors are one: half of what came lay outside."""
    rng = np.random.default_rng(3)
    hits, wide = [], []
    for seed in range(200):
        o, new = (outcome(n, horizon=8, targets=1, levels=(), seed=seed + s) for n, s in ((3, 0), (40, 10_000)))

        def off(part: Outcome) -> Outcome:
            steps = rng.normal(size=(*part.truth.shape[:2], 1)).astype(np.float32)
            shapes = {"walk": steps.cumsum(axis=1), "bias": steps[:, :1] + 0.1 * steps, "noise": steps}
            return replace(part, truth=part.point + part.spread[:, None] * shapes[kind])

        after = fitted(off(o), LEVELS).apply(off(new))
        hits.append(score(after, "coverage_80"))
        wide.append(float(after.quantiles[..., -2].mean() - after.quantiles[..., 1].mean()))
    assert np.mean(hits) > 0.74
    assert np.mean(hits) < (0.9 if kind == "noise" else 1.0)


def test_few_windows_share_one_correction(caplog: pytest.LogCaptureFixture) -> None:
    """Corrections from a handful of windows of one step, or steps pooled without a word."""
    o = outcome(20, width=0.5, missing=0.2)
    calibration = fitted(o, LEVELS)
    assert calibration.pooled
    least = int(o.observed.sum(axis=0).min())
    assert f"only {least} held-out windows" in caplog.text
    assert "all steps share one correction" in caplog.text
    for c in range(2):
        places = [(w, h, c) for w in range(20) for h in range(4)]
        count = independent(o, c)
        for p, (a, b, nominal) in enumerate(pairs(LEVELS)):
            scores = sorted_scores(o, a, b, places)
            share = min(float(nominal) * (count + 1) / count, 1)
            expected = scores[math.ceil(share * len(scores) - 1e-9) - 1] if share < 1 else max(scores[-1], 0)
            assert {calibration.widening[h][c][p] for h in range(4)} == {calibration.widening[0][c][p]}
            assert calibration.widening[0][c][p] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert len({calibration.unit[h][0] for h in range(4)}) == 1


def test_thirty_windows_are_enough(caplog: pytest.LogCaptureFixture) -> None:
    """A limit that is one off, or one step's missing truths that go unnoticed."""
    calibration = fitted(outcome(30), LEVELS)
    assert not calibration.pooled
    assert not caplog.text
    o = outcome(30)
    o.observed[3, 2, 1] = False
    other = fitted(o, LEVELS)
    assert other.pooled
    assert caplog.text


def test_a_pair_with_too_few_scores_takes_the_largest_and_is_never_made_narrower() -> None:
    """A promise of 90 % from five scores that all lay inside: intervals are drawn in to what five windows showed."""
    for width, seed in ((0.1, 0), (3.0, 1), (9.0, 2)):
        o = outcome(1, horizon=5, targets=1, width=width, seed=seed)
        calibration = fitted(o, LEVELS)
        assert calibration.pooled
        for p, (a, b, _) in enumerate(pairs(LEVELS)[:1]):
            largest = sorted_scores(o, a, b, [(0, h, 0) for h in range(5)])[-1]
            assert calibration.widening[0][0][p] == pytest.approx(max(largest, 0), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("levels", [LEVELS, (), (0.1, 0.5, 0.9), (0.2, 0.4, 0.6, 0.8)])
def test_the_levels_of_95_percent_lie_outside_all_and_hold_95_percent(levels: tuple[float, ...]) -> None:
    """q0.025 that is q0.05 once more, crosses it, or covers what any wide interval would."""
    o, new = outcome(400, levels=levels, width=0.7), outcome(2000, levels=levels, width=0.7, seed=9)
    calibration = fitted(o, levels or LEVELS)
    assert calibration.reach == (0.025, *calibration.levels, 0.975)
    values = calibration.correct(new.point, new.quantiles, new.spread)
    assert (np.diff(values, axis=-1) >= 0).all()
    inside = (values[..., 0] <= new.truth) & (new.truth <= values[..., -1])
    assert inside.mean() == pytest.approx(0.95, abs=0.015)
    np.testing.assert_allclose(values[..., 1:-1], calibration.apply(new).quantiles, rtol=1e-5, atol=1e-5)


def test_what_the_test_part_moved_is_for_what_comes_after_it() -> None:
    """Intervals for tomorrow that have not heard of the last truths, or a test part that is judged by its own."""
    o, start = outcome(200, targets=1, width=0.3, noise=2.0, seed=5), fitted(outcome(60, targets=1), LEVELS)
    seen, later = follow(o, start)
    np.testing.assert_array_equal(seen.quantiles, adapt(o, start).quantiles)
    assert later.widening == start.widening
    np.testing.assert_array_equal(later.apply(o).quantiles, start.apply(o).quantiles)
    # An origin so late that it knows all of these truths has the corrections that were moved by them.
    late = outcome(1, targets=1, width=0.3, seed=6)
    late = replace(late, time=late.time + 1000)
    joint = adapt(concatenated([o, late]), start).quantiles[-1:]
    actual = later.correct(late.point, late.quantiles, late.spread)[..., 1:-1]
    np.testing.assert_allclose(actual, joint, rtol=1e-4, atol=1e-4)


def test_a_target_that_was_never_observed_is_left_as_it_is() -> None:
    """NaN intervals of a dead sensor beside a live one."""
    o = outcome(60)
    o.observed[:, :, 1] = False
    calibration = fitted(o, LEVELS)
    values = np.array(calibration.widening)
    assert np.isfinite(values).all()
    assert (values[:, 1] == 0).all()
    assert (values[:, 0] != 0).all()
    assert np.isfinite(np.array(calibration.unit)).all()


def test_without_pairs_or_truths_there_is_nothing_to_learn() -> None:
    """A correction of levels that bound no central interval, or one from nothing."""
    assert fit(outcome(50, levels=(0.1, 0.3, 0.6)), LEVELS) is None
    assert fit(outcome(50, levels=(0.5,)), LEVELS) is None
    assert fit(outcome(50, levels=()), (0.5,)) is None
    assert fit(outcome(50, missing=2.0), LEVELS) is None
    assert fit(outcome(0), LEVELS) is None
    assert fit(outcome(50, levels=(0.1, 0.5, 0.9)), LEVELS) is not None


def test_round_trip_through_json() -> None:
    """A model directory that forecasts other intervals than the model that was saved."""
    start = fitted(outcome(50, missing=0.1, width=1 / 3), LEVELS)
    assert Calibration.model_validate_json(start.model_dump_json()) == start
    again = parse(Calibration, json.loads(start.model_dump_json()), "calibration.json")
    assert again == start
    new = outcome(10, seed=4)
    np.testing.assert_array_equal(again.apply(new).quantiles, start.apply(new).quantiles)


# --- adaptive ---------------------------------------------------------------------------------------------------


def slow_adapt(o: Outcome, start: Calibration, gamma: float) -> np.ndarray:
    """Origin by origin, each looking through all earlier ones for truths that came before it."""
    W, H, C = o.truth.shape
    levels = start.levels
    quantiles = np.zeros((W, H, C, len(levels)))
    used: set[tuple[int, int, int]] = set()
    widening = np.array(start.widening, dtype=float)
    origins = sorted({int(t) for t in o.time})
    for now in origins:
        for h, c, then in itertools.product(range(H), range(C), origins):
            if then + h >= now or (then, h, c) in used:
                continue
            used.add((then, h, c))
            here = [w for w in range(W) if o.time[w] == then and o.observed[w, h, c]]
            for p, (a, b, nominal) in enumerate(pairs(levels)):
                misses = [not quantiles[w, h, c, a] <= float(o.truth[w, h, c]) <= quantiles[w, h, c, b] for w in here]
                if misses:
                    gone = sum(misses) / len(misses) - float(1 - nominal)
                    widening[h, c, p] += gamma * start.unit[h][c] * gone
        for w, h, c in itertools.product(np.flatnonzero(o.time == now), range(H), range(C)):
            raw = o.quantiles[w, h, c].astype(float) if o.levels else [float(o.point[w, h, c])] * len(levels)
            moves = [float(o.spread[w, c]) * m for m in widening[h, c]]
            quantiles[w, h, c] = spread_apart(list(raw), levels, moves)
    return quantiles


def shuffled(o: Outcome, seed: int = 0) -> Outcome:
    """The windows in another order; some of some series left out."""
    return o.part(np.random.default_rng(seed).permutation(len(o.truth))[: len(o.truth) * 5 // 6])


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("series", [1, 3])
@pytest.mark.parametrize("levels", [FEW, ()])
def test_adaptive_against_a_loop(stride: int, series: int, levels: tuple[float, ...]) -> None:
    """A truth used before it came or twice, a step of another size, series that count once each."""
    settings_ = {"width": 0.7, "missing": 0.25, "series": series, "stride": stride}
    start = fitted(outcome(60, 4, 2, levels, seed=9, width=0.7), FEW)
    o = shuffled(outcome(40 * series, 4, 2, levels, seed=series, noise=1.6, **settings_))
    actual = adapt(o, start, 0.1)
    assert actual.levels == FEW
    np.testing.assert_allclose(actual.quantiles, slow_adapt(o, start, 0.1), rtol=1e-4, atol=1e-4)
    static = start.apply(o)
    first = o.time == o.time.min()
    np.testing.assert_allclose(actual.quantiles[first], static.quantiles[first], rtol=1e-5)
    assert np.abs(actual.quantiles - static.quantiles).max() > 0.1  # otherwise this test shows nothing


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), stride=st.sampled_from([1, 2, 5]), series=st.integers(1, 3), data=st.data())
def test_no_origin_looks_ahead(seed: int, stride: int, series: int, data: st.DataObject) -> None:
    """Intervals that know a truth of their own day or a later one: coverage that nobody could have had."""
    o = shuffled(outcome(15 * series, 4, 2, FEW, seed=seed, series=series, stride=stride, missing=0.1), seed)
    start = fitted(outcome(40, 4, 2, FEW, seed=1), FEW)
    now = data.draw(st.sampled_from(sorted(set(o.time.tolist()))))
    later = (o.time[:, None] + np.arange(4) >= now)[..., None]
    rng = np.random.default_rng(seed)
    truth = np.where(later, 1e3 * rng.normal(size=o.truth.shape), o.truth).astype(np.float32)
    other = replace(o, truth=truth, observed=np.where(later, rng.random(o.truth.shape) < 0.5, o.observed))
    a, b = adapt(o, start, 0.2).quantiles, adapt(other, start, 0.2).quantiles
    np.testing.assert_array_equal(a[o.time <= now], b[o.time <= now])


def test_the_change_would_show() -> None:
    """The other half of the test above: the newest truth that has come does move the next origin's intervals."""
    o = outcome(20, 4, 1, FEW, missing=0.0)
    start = fitted(outcome(40, 4, 1, FEW, seed=1), FEW)
    before = adapt(o, start).quantiles
    for h in range(4):
        truth = o.truth.copy()
        truth[10, h] += 1e3
        moved = np.abs(adapt(replace(o, truth=truth), start).quantiles - before)[:, h, 0, :].max(axis=-1) > 0
        # Step h of origin 10 lies at time 10 + h, which origin 11 + h is the first to know.
        assert np.flatnonzero(moved)[0] == 11 + h


@pytest.mark.parametrize("levels", [FEW, ()])
def test_adaptive_recovers_where_static_fails(levels: tuple[float, ...]) -> None:
    """A correction in the wrong direction, or one too slow to matter, when the noise doubles."""
    start = fitted(outcome(200, 3, 1, levels, seed=1), FEW)
    o = outcome(3000, 3, 1, levels, seed=2, noise=2.0)
    for name, nominal in (("coverage_80", 0.8), ("coverage_90", 0.9)):
        assert score(start.apply(o), name) < nominal - 0.15
        assert score(adapt(o, start), name) == pytest.approx(nominal, abs=0.03)
        settled = adapt(o, start).part(slice(1500, None))
        assert score(settled, name) == pytest.approx(nominal, abs=0.015)


def test_adaptive_narrows_again() -> None:
    """Intervals that only ever grow: right in coverage after a storm, and useless."""
    start = fitted(outcome(200, 3, 1, FEW, seed=1), FEW)
    calm = outcome(3000, 3, 1, FEW, seed=2, noise=0.5)
    actual = adapt(calm, start).part(slice(1500, None))
    assert score(actual, "coverage_80") == pytest.approx(0.8, abs=0.02)
    assert score(actual, "width_80") < 0.6 * score(start.apply(calm), "width_80")


def test_missing_truths_move_nothing() -> None:
    """A gap in the data that counts as a hit, so that intervals shrink while nobody looks."""
    start = fitted(outcome(40, 4, 1, FEW, seed=1), FEW)
    blind = outcome(200, 4, 1, FEW, missing=2.0)
    np.testing.assert_allclose(adapt(blind, start).quantiles, start.apply(blind).quantiles, rtol=1e-6)


def test_to_start_from_corrected_intervals_is_to_start_from_the_corrections() -> None:
    """Corrections applied twice, or a step in other units, where a backtest adapts what was corrected before."""
    levels = (0.1, 0.5, 0.9)
    start = fitted(outcome(60, 4, 2, levels, seed=1, width=0.5), levels)
    assert (np.array(start.cleared().widening) == 0).all()
    assert start.cleared().model_copy(update={"widening": start.widening}) == start
    o = outcome(100, 4, 2, levels, width=0.5, series=2)
    np.testing.assert_array_equal(start.cleared().apply(o).quantiles, o.quantiles)
    actual = adapt(start.apply(o), start.cleared()).quantiles
    np.testing.assert_allclose(actual, adapt(o, start).quantiles, rtol=1e-5)


def test_adapting_changes_nothing_but_quantiles() -> None:
    """Corrections or scores written into the outcome that they came from, so that what is adapted next differs."""
    truths = outcome(90, 4, 2, FEW, seed=3, series=2, stride=2, missing=0.1)
    start = fitted(outcome(50, 4, 2, FEW, seed=5, width=0.3), FEW)
    for seed, width, levels in ((1, 0.5, FEW), (2, 2.0, FEW), (3, 1, ())):
        other = outcome(90, 4, 2, levels, seed=seed, width=width)
        o = replace(truths, point=other.point, distribution=other.distribution)
        raw = o.quantiles.copy()
        actual = adapt(o, start, 0.1)
        np.testing.assert_array_equal(actual.quantiles, adapt(o, start, 0.1).quantiles)
        np.testing.assert_array_equal(replace(o).quantiles, raw)
        assert actual.point is o.point


def test_one_origin_and_none() -> None:
    """A failure where there is nothing to adapt to."""
    start = fitted(outcome(40, 4, 1, FEW, seed=1), FEW)
    for n in (0, 1):
        o = outcome(n, 4, 1, FEW)
        np.testing.assert_allclose(adapt(o, start).quantiles, start.apply(o).quantiles)
    assert conformal.with_levels(o, LEVELS) is o


def test_nothing_is_saved_up_while_an_interval_is_closed() -> None:
    """600 origins without any error that narrow a closed interval further and further: the next noise is all missed."""
    rng = np.random.default_rng(0)

    def forecasts(noise: np.ndarray, begin: int) -> Outcome:
        W = len(noise)
        point, ones = np.zeros((W, 1, 1), dtype=np.float32), np.ones((W, 1))
        quantiles = np.array([-1.3, 0, 1.3], dtype=np.float32) + point[..., None]
        truth = noise[:, None, None].astype(np.float32)
        seen = np.ones(truth.shape, dtype=bool)
        return Outcome(
            truth, seen, point, Distribution.of_values(quantiles, (0.1, 0.5, 0.9), point, ones.astype(np.float32)),
            ones, ones, np.zeros(W, dtype=np.int64), begin + np.arange(W),
        )  # fmt: skip

    start = fitted(forecasts(rng.normal(size=500), 0), (0.1, 0.5, 0.9))
    actual = adapt(forecasts(np.r_[np.zeros(600), rng.normal(size=400)], 500), start, 0.05)
    low, high = actual.quantiles[600:, 0, 0, 0], actual.quantiles[600:, 0, 0, 2]
    truth = actual.truth[600:, 0, 0]
    assert ((low <= truth) & (truth <= high))[:100].mean() > 0.5
    assert ((low <= truth) & (truth <= high))[100:].mean() == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(("low", "high"), [(0.0, math.inf), (18.0, 22.0), (-math.inf, 19.0)])
@pytest.mark.parametrize("levels", [LEVELS, ()])
def test_limits_cut_what_is_shown_and_what_is_scored(low: float, high: float, levels: tuple[float, ...]) -> None:
    """Scores of intervals that nobody is shown, in either units, or limits that are lost among parts."""
    o = outcome(80, levels=levels)
    start = fitted(o, LEVELS)
    sides = [np.full((80, 2), side) for side in (low, high)]
    limited = replace(o, distribution=replace(o.distribution, low=sides[0], high=sides[1]))
    for change in (start.apply, lambda part: adapt(part, start)):
        free, kept = change(o), change(limited)
        expected = np.clip(free.quantiles, low, high)
        np.testing.assert_allclose(kept.quantiles, expected, rtol=1e-6)
        np.testing.assert_allclose(kept.part(slice(3, 9)).quantiles, expected[3:9], rtol=1e-6)
        inside = (expected[..., 1] <= o.truth) & (o.truth <= expected[..., -2])
        assert score(kept, "coverage_80") == pytest.approx(inside.mean())
        assert score(kept, "width_80") == pytest.approx((expected[..., -2] - expected[..., 1]).mean(), rel=1e-4)
