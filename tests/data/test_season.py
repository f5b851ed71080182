"""The season: weak ones that return over many cycles, none where there is none, and the same for inspect and fit."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers.tables import lay, walk
from tsforge.data.schema import DataConfig
from tsforge.data.season import _differences, detect_season, fallback
from tsforge.data.survey import survey
from tsforge.training import fitting

LENGTHS = {"QS": (4, 100), "MS": (12, 240), "D": (7, 300), "h": (24, 800), "30min": (48, 1200)}


def season(frame: pd.DataFrame, **roles: Any) -> int:
    panel = lay(frame, **roles)
    return detect_season(panel, panel.ends)


def patterns(freq: str, count: int, strength: float, seed: int = 0, *, apart: bool = True) -> pd.DataFrame:
    """Series of a known period under noise of deviation 1, each with a pattern of its own where they are apart."""
    rng = np.random.default_rng(seed)
    m, n = LENGTHS[freq]
    times, shared = pd.date_range("2015-01-01", periods=n, freq=freq), rng.normal(size=m)
    parts = []
    for i in range(count):
        pattern = rng.normal(size=m) if apart else shared
        pattern = (pattern - pattern.mean()) / pattern.std()
        y = strength * np.resize(pattern, n) + rng.normal(size=n)
        parts.append(pd.DataFrame({"id": f"s{i}", "ds": times, "y": 10.0 ** (i % 3) * y}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("freq", LENGTHS)
@pytest.mark.parametrize("apart", [True, False])
def test_a_weak_season_of_many_series(freq: str, apart: bool) -> None:
    """Prevents: a season that no series shows alone, missed in all of them together."""
    assert season(patterns(freq, 40, 0.4, apart=apart), id="id", time="ds", target="y") == LENGTHS[freq][0]


@pytest.mark.parametrize("freq", ["D", "h", "30min"])
def test_a_weak_season_of_one_long_series(freq: str) -> None:
    """Prevents: a season that is a sixth of the variance and returns a hundred times, taken for noise."""
    for seed in range(3):
        assert season(patterns(freq, 1, 0.6, seed), id="id", time="ds", target="y") == LENGTHS[freq][0]


@pytest.mark.parametrize("gas", ["two rushes", "at night", "in the sun"])
def test_a_day_in_air_that_drifts(gas: str) -> None:
    """Prevents: no season in hours whose weather is larger than their day, of an instrument that fails now and then."""
    hour = np.arange(24)
    day = {
        "two rushes": np.exp(-((hour - 8) ** 2) / 4) + 0.8 * np.exp(-((hour - 19) ** 2) / 6),
        "at night": np.cos(2 * np.pi * hour / 24), "in the sun": np.maximum(np.sin(2 * np.pi * (hour - 6) / 24), 0),
    }[gas]  # fmt: skip
    for seed in range(3):
        rng, n = np.random.default_rng(seed), 24 * 60
        weather = np.zeros(n)
        for t in range(1, n):
            weather[t] = 0.97 * weather[t - 1] + 0.2 * rng.normal()
        y = np.round(np.exp(3 + 0.3 * np.tile((day - day.mean()) / day.std(), 60) + weather), 1)
        y[rng.random(n) < 0.05] = np.nan
        y[500:560] = np.nan
        frame = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=n, freq="h"), "no2": y})
        assert season(frame, time="t", target="no2") == 24, seed


@pytest.mark.parametrize("freq", LENGTHS)
@pytest.mark.parametrize("kind", ["noise", "walk", "red", "moving together", "shuffled"])
def test_no_season_where_none_was_put(freq: str, kind: str) -> None:
    """Prevents: a season out of noise since many series are looked at, or since they all follow one course."""
    m, n = LENGTHS[freq]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(20, n))
        if kind == "walk":
            values = values.cumsum(axis=1)
        elif kind == "red":
            for t in range(1, n):
                values[:, t] += 0.8 * values[:, t - 1]
        elif kind == "moving together":
            values = values + 3 * rng.normal(size=n)
        elif kind == "shuffled":  # the values of each cycle in another order each time
            pattern = rng.normal(size=(20, m))
            values = np.concatenate([pattern[:, rng.permutation(m)] for _ in range(n // m + 1)], axis=1)[:, :n]
        times = pd.date_range("2015-01-01", periods=n, freq=freq)
        frame = pd.DataFrame({"id": np.repeat(np.arange(20), n), "ds": np.tile(times, 20), "y": values.ravel()})
        assert season(frame, id="id", time="ds", target="y") == 1, seed


@pytest.mark.parametrize(("first", "last"), [(6, 22), (7, 22), (5, 21)])
@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_a_multiple_is_not_the_season(first: int, last: int, noise: float) -> None:
    """Prevents: a week for a ramp of every day, whose night alone tells one day from the next."""
    times = pd.date_range("2023-01-02", periods=24 * 50, freq="h")
    times = times[(times.hour >= first) & (times.hour <= last)]
    y = 10.0 * (times.hour - first) + noise * np.random.default_rng(0).normal(size=len(times))
    assert season(pd.DataFrame({"t": times, "y": y}), time="t", target="y", freq="h") == 24


@pytest.mark.parametrize(("m", "cycles"), [(1, 3), (4, 2), (5, 4)])
def test_returns_are_averaged_over_cycles_and_series(m: int, cycles: int) -> None:
    """Against loops over series, cycles back and steps; the error is that of a sum over cycles of the calendar."""
    frame = walk((40, 25, 60)).assign(y=lambda f: f["y"] * np.repeat([1.0, 1e3, 1e-2], [40, 25, 60]) + 50)
    panel = lay(frame)
    above = below = 0.0
    each = dict.fromkeys(range(1 // m, 59 // m + 1), 0.0)  # by cycle; the changes of the longest series are 1 to 59
    for i in range(3):
        values = panel.values[panel.offsets[i] : panel.offsets[i + 1], 0].astype(np.float64)
        change = np.diff(values) - np.diff(values).mean()
        change /= np.sqrt(np.mean(change**2))
        for k, t in itertools.product(range(1, cycles + 1), range(len(change))):
            if t + k * m < len(change):
                above += change[t] * change[t + k * m]
                below += (change[t] ** 2 + change[t + k * m] ** 2) / 2
                each[(t + 1) // m] += change[t] * change[t + k * m]
    r, error = _differences(panel, panel.ends, 1, 10, 1000).returns(m, cycles)
    assert r == pytest.approx(above / below, rel=1e-9)
    assert error == pytest.approx(np.sqrt(len(each)) * np.std(list(each.values())) / below, rel=1e-9)


@pytest.mark.parametrize(
    ("freq", "steps", "cycle"),
    [
        ("h", 200, 24), ("30min", 300, 48), ("15min", 400, 96), ("12h", 60, 2), ("D", 60, 7), ("B", 60, 5),
        ("W", 200, 52), ("MS", 60, 12), ("ME", 60, 12), ("QS", 30, 4), ("YS", 60, 0), ("5h", 400, 0), ("3D", 400, 122),
        ("h", 47, 0), ("D", 13, 0), ("W", 103, 0), ("MS", 23, 0),
    ],
)  # fmt: skip
def test_the_calendar_stands_in(freq: str, steps: int, cycle: int) -> None:
    """Prevents: a seasonal naive that is naive where there is a cycle, or goes back to before the start."""
    panel = lay(walk((steps,), freq=freq))
    assert fallback(panel, panel.ends) == cycle


def test_numbered_steps_have_no_calendar() -> None:
    """Prevents: a cycle out of thin air."""
    panel = lay(pd.DataFrame({"t": range(500), "y": np.random.default_rng(0).normal(size=500)}), time="t", target="y")
    assert fallback(panel, panel.ends) == 0


@pytest.mark.parametrize("freq", ["h", "D", "MS", "QS"])
def test_seasonal_naive_goes_back_a_cycle_of_the_calendar(freq: str) -> None:
    """Prevents: naive under the name of seasonal naive, and a model that forecasts otherwise than it was scored."""
    m, horizon = LENGTHS[freq][0], 3
    frame = walk((max(5 * m, 60),), freq=freq)[["ds", "y"]]
    experiment = tsforge.build({"data.horizon": horizon, "model.kind": "seasonal-naive"})
    fitted = tsforge.fit(experiment, frame)
    assert fitted.dataset.sizes.season == 1
    points = tsforge.predict(fitted.model, frame).frame["forecast"].to_numpy()
    expected = frame["y"].to_numpy()[-m:][:horizon]
    np.testing.assert_allclose(points, np.resize(expected, horizon), rtol=1e-5)
    windows, outcome = fitted.dataset.parts.test, fitted.outcomes["seasonal-naive"]
    for w, h in itertools.product(range(len(windows)), range(horizon)):
        back = windows.origins[w] + h - m
        assert outcome.point[w, h, 0] == pytest.approx(frame["y"].to_numpy()[back], rel=1e-5)


def test_a_saved_model_and_its_baselines_go_back_as_far(tmp_path: Path) -> None:
    """Prevents: a fallback that the model directory forgets, so that a backtest shows another seasonal naive."""
    frame = walk((90,))[["ds", "y"]]
    fitted = tsforge.fit(tsforge.build({"data.horizon": 3, "model.kind": "drift"}), frame, out=tmp_path / "m")
    again = tsforge.backtest(tmp_path / "m", frame)
    for name in ("seasonal-naive", "naive"):
        np.testing.assert_array_equal(again.outcomes[name].point, fitted.outcomes[name].point)
    assert again.fallback == fitted.dataset.sizes.fallback == 7


def wave(n: int, period: int) -> np.ndarray:
    return 10 * np.sin(2 * np.pi * np.arange(n) / period)


@pytest.mark.parametrize("case", ["season at the end alone", "season before the end", "both", "none", "rows", "given"])
def test_inspect_and_fit_find_the_same(case: str) -> None:
    """Prevents: a season that inspect sees in rows that a fit holds back, or the other way round."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=400)
    end = wave(400, 7) * (np.arange(400) >= 340)
    whole = wave(400, 7)
    y = noise + {"season at the end alone": 5 * end, "season before the end": whole - end}.get(case, whole)
    frame = pd.DataFrame({"t": pd.date_range("2022-01-01", periods=400, freq="D"), "y": noise if case == "none" else y})
    extra = {"rows": {"rows": 12}, "given": {"season": 9}, "both": {"test": 60, "horizon": 5}}.get(case, {})
    facts = survey(frame, DataConfig.model_validate(extra))
    sizes = fitting.prepare(tsforge.build({f"data.{name}": value for name, value in extra.items()}), frame).sizes
    assert facts["season"] == sizes.season
    assert facts["naive_season"] == max(sizes.season, sizes.fallback)
    assert facts["horizon"] == sizes.horizon or "horizon" in extra
    known = {"season before the end": 7, "both": 7, "none": 1, "given": 9, "rows": 1}
    assert sizes.season == known.get(case, sizes.season)
