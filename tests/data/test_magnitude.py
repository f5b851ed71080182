"""Values whose size nothing can be computed with are refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tsforge
from tests.helpers.tables import lay, walk
from tsforge.data import magnitude
from tsforge.errors import DataError

WAVE = 10 + np.arange(120) % 7


@pytest.mark.parametrize(("y", "words"), [
    (WAVE * 1e37, ("1.6e+38", "s0", "2024-01-07")),
    (WAVE * 1e-40, ("below 1e-36", "s0")),
    (np.where(np.arange(120) == 50, 1e30, WAVE), ("1e+30", "2024-02-20", "the usual 13")),
    (2.5 ** np.arange(120.0) / 1e12, ("s0", "2024-04-29")),
])  # fmt: skip
def test_sizes_that_are_refused(y: np.ndarray, words: tuple[str, ...]) -> None:
    """A forecast of infinity, or of anything, with exit code 0."""
    with pytest.raises(DataError) as problem:
        magnitude.check(lay(walk((120,)).assign(y=y), target="y", id="item"))
    for word in words:
        assert word in str(problem.value)


@pytest.mark.parametrize("factor", [1e30, 1e19, 1e-23, 1e-30])
@pytest.mark.parametrize("kind", ["gru", "nlinear", "growth-gru"])
def test_large_and_small_values_are_forecast_like_others(factor: float, kind: str, tmp_path: Path) -> None:
    """Squares that leave single precision: NaN in forecasts, scores or weights, or a folder that does not load."""
    settings = {"model.kind": kind, "model.width": 8, "data.horizon": 3, "data.context": 21, "train.max_steps": 10}
    frame = walk((120,)).drop(columns="item").assign(y=WAVE * factor)
    fitted = tsforge.fit(tsforge.build(settings), frame, out=tmp_path / "m")
    forecast = tsforge.predict(tmp_path / "m", frame).frame
    values = forecast.drop(columns="ds").to_numpy(dtype=np.float64) / factor
    assert (np.abs(values) < 100).all()
    assert all(np.isfinite(fitted.metrics[kind][name]) for name in ("mae", "smape", "wql"))
