"""What training rows say of a series, against loops: how much windows vary, and where 0 was never passed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import lay
from tsforge.data import traits
from tsforge.data.panel import Panel
from tsforge.data.windows import Windows
from tsforge.errors import ConfigError

KINDS = ("noise", "walk", "counts", "sizes")


def panel(kind: str, missing: float = 0.0) -> Panel:
    """Three series of unlike length."""
    rng = np.random.default_rng(4)
    parts = []
    for i, n in enumerate((90, 61, 17)):
        noise = rng.normal(size=n)
        y = {
            "noise": noise, "walk": noise.cumsum() + 40, "sizes": 10.0 ** (4 * i) * (5 + noise),
            "counts": rng.poisson(0.4, n) * np.repeat([1, 0, 1], [n // 3, n // 3, n - 2 * (n // 3)]),
        }[kind].astype(float)  # fmt: skip
        y[rng.random(n) < missing] = np.nan
        y[0] = 1.0
        parts.append(pd.DataFrame({"item": f"s{i}", "ds": pd.date_range("2024-01-01", periods=n), "y": y}))
    return lay(pd.concat(parts), id=("item",), target=("y",))


def slow(values: np.ndarray, length: int) -> tuple[float, float]:
    """The lower median of deviations and of mean changes of windows a quarter of their length apart, from the end."""
    length = min(length, len(values))
    deviations, changes = [], []
    for end in range(len(values), length - 1, -max(length // 4, 1)):
        window = values[end - length : end]
        seen = window[~np.isnan(window)]
        steps = np.abs(np.diff(window))
        steps = steps[~np.isnan(steps)]
        if len(seen) and seen.std() > 1e-4 * np.nanstd(values):
            deviations.append(seen.std())
        if len(steps) and steps.mean() > 0:
            changes.append(steps.mean())
    lower = [sorted(part)[(len(part) - 1) // 2] if part else 0.0 for part in (deviations, changes)]
    return lower[0], lower[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("length", [4, 14, 40])
def test_how_much_windows_usually_vary(kind: str, missing: float, length: int) -> None:
    """Windows that reach into another series or behind the training part, constant ones that count, lost digits."""
    data = panel(kind, missing)
    stops = data.ends - 5
    actual = traits.fit(data, length, stops).usual
    for i in range(3):
        rows = slice(data.offsets[i], stops[i])
        values = np.where(data.observed[rows, 0], data.values[rows, 0].astype(float), np.nan)
        np.testing.assert_allclose(actual[i, :, 0], slow(values, length), rtol=1e-4)


def test_series_that_a_model_knows_keep_what_it_knows_of_them() -> None:
    """A short extract, all zeros, that is measured by itself; a new series without any measure."""
    data = panel("counts")
    kept = traits.fit(data, 14, data.ends).kept(data)
    quiet = pd.DataFrame({"item": ["s1"] * 20 + ["new"] * 20, "ds": [*pd.date_range("2025-01-01", periods=20)] * 2,
                          "y": [0.0] * 20 + [0.0, 5.0] * 9 + [-1.0, 2.0]})  # fmt: skip
    other = lay(quiet, id=("item",), target=("y",))
    actual = traits.recall(other, 14, *kept)
    order = [str(other.key(i)) for i in range(2)]
    s1, new = order.index("s1"), order.index("new")
    np.testing.assert_allclose(actual.usual[s1], kept[0]["s1"], rtol=1e-5)
    assert (actual.usual[s1] > 0).all()
    assert (actual.usual[new] > 0).all()
    assert actual.negative[:, 0].tolist() == [k == new for k in range(2)]
    before = traits.recall(other, 14, {}, {})  # a model of which nothing is kept forecasts as ever
    assert (before.usual == 0).all()
    assert before.negative.all()


def test_a_limit_holds_until_the_series_shows_that_there_is_none() -> None:
    """Forecasts held at 0 once the values have gone below it, or let go before they have."""
    y = np.r_[np.arange(40.0, 0, -1), -np.arange(20.0)]
    data = lay(pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=60), "y": y}))
    limits = traits.limits("auto", data, traits.fit(data, 8, np.array([30])))
    below = int(np.argmax(y < 0))
    for origin in (20, below, below + 1, 55):
        window = Windows(np.array([origin]), np.array([0]))
        kept = limits.of(window).keep(np.full((1, 3, 1), -2.0, dtype=np.float32))
        assert (kept == (0 if (y[:origin] >= 0).all() else -2)).all()


@pytest.mark.parametrize(("bounds", "range_"), [
    ("auto", (0, np.inf)), ("none", (-np.inf, np.inf)), ((-3.0, 9.0), (-3, 9)), ((0.0, np.inf), (0, np.inf)),
])  # fmt: skip
def test_bounds_by_name_and_by_number(bounds: traits.Bounds, range_: tuple[float, float]) -> None:
    """A bound on the wrong side; numbers that are no numbers turned into a bound."""
    data = panel("counts")
    limits = traits.limits(bounds, data, traits.fit(data, 8, data.ends))
    values = np.random.default_rng(1).normal(0, 20, (3, 5, 1, 4))
    np.testing.assert_array_equal(limits.keep(values), np.clip(values, *range_))
    assert np.isinf(limits.keep(np.full((3, 1, 1), -np.inf))).all()


@pytest.mark.parametrize("bounds", [(1.0, 9.0), (0.0, 1.0), (-9.0, -1.0)])
def test_bounds_that_leave_out_values_are_refused(bounds: tuple[float, float]) -> None:
    """A share entered as 0 to 1 for data in per cent: every forecast is cut in silence."""
    data = panel("counts")
    with pytest.raises(ConfigError, match=r"leaves out .* a value of 'y'"):
        traits.limits(bounds, data, traits.fit(data, 8, data.ends))
