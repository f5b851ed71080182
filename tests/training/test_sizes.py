"""Series of unlike sizes in one table: none is ruined by the deviation of the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tsforge


@pytest.mark.parametrize(("kind", "sizes"), [
    ("patch-gru", (1.0, 1e4)), ("nlinear", (5.0, 2e3, 1e6)), ("patch-rnn", (1e-3, 1e3)),
    ("patch-lstm", (0.2, 30.0, 7e4)),
])  # fmt: skip
def test_small_series_are_forecast_in_their_own_size(kind: str, sizes: tuple[float, ...]) -> None:
    """An interval of -113 to 141 for a series at 15, where another series is a thousand times as large."""
    rng, wave = np.random.default_rng(0), np.array([10, 14, 11, 15, 12, 16, 13.0])
    days = pd.date_range("2024-01-01", periods=150, freq="D")
    parts = [
        pd.DataFrame({"id": f"s{i}", "date": days, "y": size * (wave[np.arange(150) % 7] + rng.normal(0, 0.1, 150))})
        for i, size in enumerate(sizes)
    ]
    settings = {"model.kind": kind, "model.width": 16, "data.horizon": 7, "data.context": 28, "train.max_steps": 300}
    frame = pd.concat(parts, ignore_index=True)
    fitted = tsforge.fit(tsforge.build(settings), frame)
    forecast = tsforge.predict(fitted.model, frame).frame
    for i, size in enumerate(sizes):
        own = forecast[forecast["id"] == f"s{i}"]
        assert (own["q0.05"] > 0).all()
        assert (own["q0.95"] < 30 * size).all()
    assert fitted.metrics[kind]["coverage_90"] > 0.6


@pytest.mark.parametrize(("level", "size"), [(1e9, 10.0), (1e9, 1e3), (3e7, 200.0)])
def test_a_counter_whose_changes_are_a_millionth_of_it_is_forecast_in_their_size(level: float, size: float) -> None:
    """Prevents: units of 0.3 % of the level where logarithms are taken: errors of 3,000 times the usual change."""
    rng, t = np.random.default_rng(0), np.arange(240)
    months = pd.date_range("2000-01-01", periods=240, freq="MS")
    frame = pd.concat([
        pd.DataFrame({"id": f"s{i}", "time": months, "y": level + size * (
            np.sin(2 * np.pi * t / 12 + i) + 0.1 * rng.normal(size=240)
        )}) for i in range(4)
    ])  # fmt: skip
    settings = {"model.kind": "growth-gru", "model.width": 16, "data.horizon": 12, "train.max_steps": 150}
    scores = tsforge.fit(tsforge.build(settings), frame).scores
    assert scores["growth-gru"]["mase"] < 2 * scores["seasonal-naive"]["mase"]
