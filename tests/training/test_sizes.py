"""Series of unlike sizes in one table: none is ruined by the deviation of the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tsforge


@pytest.mark.parametrize(("kind", "sizes"), [
    ("patch-gru", (1.0, 1e4)), ("nlinear", (5.0, 2e3, 1e6)), ("patch-rnn", (1e-3, 1e3)),
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
    assert fitted.scores[kind]["coverage_90"] > 0.6
