"""Season, scale and level: against closed forms and loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.stattools import acf
from utilsforecast import losses

from tests.helpers.tables import lay, walk
from tsforge.data import statistics
from tsforge.data.panel import Panel
from tsforge.data.season import _differences, _sample, autocorrelation, detect_season


def wave(period: int, n: int, freq: str | None = "h", noise: float = 0.3, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    y = 10 * np.sin(2 * np.pi * np.arange(n) / period) + noise * rng.normal(size=n)
    times = np.arange(n) if freq is None else pd.date_range("2024-01-01", periods=n, freq=freq)
    return pd.DataFrame({"ds": times, "y": y})


def season(frame: pd.DataFrame, **roles: str) -> int:
    panel = lay(frame, **roles)
    return detect_season(panel, panel.ends)


@pytest.mark.parametrize(("period", "freq", "n"), [
    (24, "h", 400), (168, "h", 1000), (96, "15min", 500), (7, "D", 100), (12, "MS", 80), (4, "QS", 40), (5, "B", 90),
    *((period, None, 400) for period in (3, 7, 11, 24, 60)),
])  # fmt: skip
def test_season_of_the_calendar_and_of_numbered_steps(period: int, freq: str | None, n: int) -> None:
    """Without a calendar any length may be it, but neither twice the season nor the slope beside it."""
    assert season(wave(period, n, freq)) == period


def test_no_season_in_a_walk() -> None:
    """A random walk repeats nothing: its first differences are noise."""
    for seed in range(5):
        assert season(walk((500,), freq="h", seed=seed)) == 1
    for n in (3, 4, 5):
        assert season(walk((n,))) == 1


def test_season_through_gaps_and_many_series() -> None:
    """Masked steps and the borders between series are no evidence; large series do not drown small ones."""
    parts = [wave(7, 60, "D", seed=i).assign(id=f"s{i}") for i in range(30)]
    parts.append(walk((60,)).assign(id="big", y=lambda f: f["y"] * 1e6)[["ds", "y", "id"]])
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[np.random.default_rng(0).random(len(frame)) < 0.3, "y"] = np.nan
    assert season(frame) == 7


def test_season_looks_no_further_than_the_stop() -> None:
    frame = wave(24, 600)
    frame.loc[300:, "y"] = 10 * np.sin(2 * np.pi * np.arange(300) / 168)
    panel = lay(frame)
    assert detect_season(panel, panel.offsets[:-1] + 300) == 24


@pytest.mark.parametrize(("period", "n", "freq", "noise", "seasons"), [
    *((52, n, "W", 2, {52}) for n in (208, 260, 520)),  # a year in weeks: its steps are smaller than the noise
    (24, 1000, "h", 3, {24}),  # a smooth day was missed, and a week of such days is no better an answer than the day
    (20, 1000, None, 2, {19, 20, 21}),  # among hundreds of candidates some multiple always repeats best by chance
])  # fmt: skip
def test_a_season_under_noise(period: int, n: int, freq: str | None, noise: float, seasons: set[int]) -> None:
    """Differences over one step that do not show a slow wave, or a multiple that wins by noise."""
    for seed in range(10):
        assert season(wave(period, n, freq, noise, seed)) in seasons


@pytest.mark.parametrize("freq", ["h", "D", "W", "MS", None])
def test_no_season_in_a_trend_or_in_noise(freq: str | None) -> None:
    """A straight line's differences are all alike, a curve's nearly so: that is no season."""
    t = np.arange(400.0)
    shapes = [3.3 * t, 0.1 * t, t**2, np.exp(t / 100), np.full(400, 0.1)]
    shapes += [np.random.default_rng(seed).normal(size=400) for seed in range(3)]
    for y in shapes:
        assert season(wave(7, 400, freq).assign(y=y), time="ds", target="y") == 1


def closed(hours: bool, open_: tuple[int, ...], shape: str, noise: float) -> pd.DataFrame:
    """A pattern of each open day of the week, or hour of the day; the others have no rows."""
    times = pd.date_range("2023-01-01", periods=24 * 30 if hours else 210, freq="h" if hours else "D")
    part = times.hour if hours else times.dayofweek
    place = {day: k for k, day in enumerate(open_)}
    y = np.array([{"ramp": 10.0 * place.get(p, 0), "line": t}[shape] for t, p in enumerate(part)])
    y = y + noise * np.random.default_rng(0).normal(size=len(y))
    return pd.DataFrame({"ds": times, "y": y})[np.isin(part, open_)]


@pytest.mark.parametrize(("hours", "open_", "season_"), [
    (False, (0, 1, 2, 3, 4, 5), 7), (False, (6, 0, 1, 2, 3), 7), (True, tuple(range(9, 18)), 24),
    (False, (1, 2, 3, 4, 5, 6), 7), (False, (2, 3, 4, 5, 6), 7), (False, (0, 1, 3, 4, 5), 7),
    (True, tuple(range(6, 22)), 24), (True, (8, 9, 10, 11, 14, 15, 16, 17), 24), (True, (0, 1, 2, 20, 21, 22, 23), 24),
])  # fmt: skip
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_season_over_closed_days(hours: bool, open_: tuple[int, ...], season_: int, noise: float) -> None:
    """A ramp of the week whose fall lies in the days without rows: all other steps are alike."""
    # With 9 of 24 hours the frequency has to be named: most of the grid is empty.
    assert season(closed(hours, open_, "ramp", noise), target="y", freq="h" if hours else "D") == season_


@pytest.mark.parametrize("open_", [(0, 1, 2, 3, 4, 5), (6, 0, 1, 2, 3), (0, 1, 3, 5, 6)])
def test_no_season_in_a_line_with_closed_days(open_: tuple[int, ...]) -> None:
    """Days without rows that are themselves taken for a pattern."""
    assert season(closed(False, open_, "line", 0.0), target="y") == 1


def test_season_of_the_shortest_series() -> None:
    """Two seasons and no more leave no step to look at beyond them: no reason to fail."""
    for n in range(1, 12):
        for values in ([0.0, 1.0], [0.0, 1.0, 5.0]):
            panel = lay(pd.DataFrame({"t": range(max(n, 2)), "y": (values * 6)[: max(n, 2)]}), time="t", target="y")
            assert detect_season(panel, panel.offsets[:-1] + n) in (1, 2, 3)


@pytest.mark.parametrize("span", [1, 3])
def test_strength_is_pooled_over_series(span: int) -> None:
    """Each series in its own units, no pair across the border of two: against a loop over the series."""
    frame = walk((40, 25, 60)).assign(y=lambda f: f["y"] * np.repeat([1.0, 1e3, 1e-2], [40, 25, 60]) + 50)
    panel = lay(frame)
    differences = _differences(panel, panel.ends, span, 10, 1000)
    for m in (1, 6):
        above = below = 0.0
        for i in range(3):
            values = panel.values[panel.offsets[i] : panel.offsets[i + 1], 0].astype(np.float64)
            change = values[span:] - values[:-span]
            change -= change.mean()
            change /= np.sqrt(np.mean(change**2))
            x, y = change[m:], change[:-m]
            above, below = above + x @ y, below + (x @ x + y @ y) / 2
        assert differences.repeats(m)[0] == pytest.approx(above / below, rel=1e-9)


def test_newest_rows_are_looked_at() -> None:
    """Of more rows than it looks at, the sample takes the newest of each series, whole windows of them."""
    panel = lay(walk((40, 10, 10)))
    rows, series = _sample(panel, panel.ends, 5, 25)
    assert rows.tolist() == list(range(15, 40))
    assert series.tolist() == [0] * 25
    rows, series = _sample(panel, panel.offsets[:-1] + 8, 5, 25)
    assert rows.tolist() == [*range(8), *range(40, 48), *range(50, 58)][:24]
    assert series.tolist() == [0] * 8 + [1] * 8 + [2] * 8


def slow_seasonal_error(panel: Panel, stops: np.ndarray, season: int) -> tuple[np.ndarray, np.ndarray]:
    """(mean of the absolute, mean of the squared differences)."""
    mean, square = (np.full((len(panel), panel.values.shape[1]), np.nan) for _ in range(2))
    for i in range(len(panel)):
        for c in range(panel.values.shape[1]):
            gaps = [
                abs(float(panel.values[t, c]) - float(panel.values[t - season, c]))
                for t in range(panel.offsets[i] + season, stops[i])
                if panel.observed[t, c] and panel.observed[t - season, c]
            ]
            if gaps:
                mean[i, c], square[i, c] = np.mean(gaps), sum(g * g for g in gaps) / len(gaps)
    return mean, square


@pytest.mark.parametrize("season", [1, 7, 30, 70])
def test_seasonal_error_is_the_loop(season: int) -> None:
    """The denominators of MASE and RMSSE: wrong pairs, or pairs across series, would spoil every score."""
    frame = walk((60, 25, 40)).assign(z=np.arange(125.0) ** 1.5)
    frame.loc[np.random.default_rng(2).random(125) < 0.25, "y"] = np.nan
    panel = lay(frame, target="y,z")
    stops = panel.offsets[:-1] + np.array([50, 25, 0])
    got = statistics.seasonal_error(panel, stops, season)
    mean, square = slow_seasonal_error(panel, stops, season)
    np.testing.assert_allclose(got.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(got.square, square, rtol=1e-6)
    assert np.isnan(got.mean[2]).all()
    assert np.isnan(got.square[2]).all()


def test_seasonal_error_closed_form() -> None:
    """A straight line of slope 3 is always 3·m off after m steps."""
    panel = lay(pd.DataFrame({"ds": range(50), "y": 3.0 * np.arange(50)}), time="ds")
    mean, square = statistics.seasonal_error(panel, panel.ends, 4)
    assert (mean.tolist(), square.tolist()) == ([[12.0]], [[144.0]])


def test_seasonal_error_is_that_of_utilsforecast() -> None:
    """A scale that leaves out a pair or counts one too many: MASE would not compare with published ones."""
    frame = walk((60, 25)).rename(columns={"item": "unique_id"})
    panel = lay(frame, id="unique_id", target="y")
    mean, square = statistics.seasonal_error(panel, panel.ends, 7)
    ahead = frame.groupby("unique_id").tail(1).assign(f=lambda d: d["y"] + 1)  # an error of 1 is 1 / scale
    for name, scale in (("mase", mean[:, 0]), ("rmsse", np.sqrt(square[:, 0]))):
        scaled = getattr(losses, name)(ahead, ["f"], 7, frame, time_col="ds").sort_values("unique_id")["f"]
        np.testing.assert_allclose(1 / scaled, scale, rtol=1e-5)


def test_moments_against_numpy() -> None:
    """Later rows, other series or unobserved steps in a mean; a deviation of the sample in place of the population."""
    frame = walk((40, 30, 20)).assign(z=lambda f: 1e5 + f["y"][::-1].to_numpy())
    frame.loc[np.random.default_rng(3).random(90) < 0.3, "y"] = np.nan
    frame.loc[70:, "y"] = np.nan
    panel = lay(frame, target="y,z")
    stops = panel.offsets[:-1] + np.array([25, 30, 0])
    mean, deviation, seen = statistics.moments(panel, stops)
    for i in range(3):
        for c in range(2):
            rows = slice(panel.offsets[i], stops[i])
            values = panel.values[rows, c][panel.observed[rows, c]].astype(np.float64)
            assert seen[i, c] == len(values)
            if len(values):
                assert mean[i, c] == pytest.approx(values.mean())
                assert deviation[i, c] == pytest.approx(values.std(), rel=1e-9)
            else:
                assert np.isnan([mean[i, c], deviation[i, c]]).all()
    assert seen[2].tolist() == [0, 0]


@pytest.mark.parametrize("lengths", [(50,), (50, 50), (50,) * 17, (50, 49, 50)])
@pytest.mark.parametrize("targets", ["y", "y,z"])
def test_sums_are_added_in_the_order_of_the_rows(lengths: tuple[int, ...], targets: str) -> None:
    """Prevents: statistics of a series that differ in their last digits with the lengths of its neighbours."""
    frame = walk(lengths).assign(z=lambda f: 1e3 + f["y"][::-1].to_numpy())
    panel = lay(frame, target=targets)
    mean, differences = statistics.moments(panel, panel.ends).mean, statistics.seasonal_error(panel, panel.ends, 7).mean
    for i, (first, last) in enumerate(zip(panel.offsets[:-1], panel.offsets[1:], strict=True)):
        for c, column in enumerate(panel.values[first:last].astype(np.float64).T):
            assert mean[i, c] == sum(column.tolist()) / len(column)
            assert differences[i, c] == sum(np.abs(column[7:] - column[:-7]).tolist()) / (len(column) - 7)


def test_level_is_mean_and_median_deviation() -> None:
    """Against numpy on each series; unobserved steps, later rows and series without any do not count."""
    frame = walk((40, 30, 20, 10))
    frame.loc[np.random.default_rng(3).random(100) < 0.3, "y"] = np.nan
    frame.loc[90:, "y"] = np.nan
    panel = lay(frame)
    stops = panel.offsets[:-1] + np.array([30, 30, 15])
    parts = [
        panel.values[a:b, 0][panel.observed[a:b, 0]].astype(np.float64)
        for a, b in zip(panel.offsets[:-1], stops, strict=True)
    ]
    centre, spread, _least = statistics.level(panel, stops)
    assert centre[0] == pytest.approx(np.concatenate(parts).mean(), rel=1e-5)
    assert spread[0] == pytest.approx(np.median([p.std() for p in parts]), rel=1e-5)


def test_autocorrelation_against_statsmodels_and_a_loop_with_gaps() -> None:
    """Another divisor, a mean over the gaps, pairs across them that count as 0 less the mean."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(50, 2)).cumsum(axis=0)
    whole = autocorrelation(y, np.ones_like(y, dtype=bool), 20)
    for c in range(2):
        np.testing.assert_allclose(whole[:, c], acf(y[:, c], nlags=19, fft=False))
    seen = rng.random(y.shape) > 0.3
    r = autocorrelation(y, seen, 60)
    for c in range(2):
        gap = y[:, c] - y[seen[:, c], c].mean()
        power = sum(gap[t] ** 2 for t in range(50) if seen[t, c])
        for k in range(50):
            total = sum(gap[t] * gap[t + k] for t in range(50 - k) if seen[t, c] and seen[t + k, c])
            assert r[k, c] == pytest.approx(total / power)
    assert np.isnan(r[50:]).all()
    assert np.isnan(autocorrelation(np.ones((9, 1)), np.ones((9, 1), dtype=bool), 4)).all()
