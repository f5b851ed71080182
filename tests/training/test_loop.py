"""What a training plans before its first step."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tsforge
from tsforge.training import fitting, single


@pytest.mark.parametrize(
    ("settings", "windows"),
    [
        ({"max_steps": 1000, "batch_size": 32}, 400),  # 50 steps of 32 windows, and a quarter as many
        ({"max_steps": 1000, "batch_size": 128}, 1024),
        ({"max_steps": 1000, "batch_size": 128, "validation_windows": 300}, 300),
        ({"max_steps": 100, "batch_size": 8}, 128),
        ({"max_steps": 100, "batch_size": 8, "validations": 1}, 200),
    ],
)
def test_a_validation_costs_a_tenth_of_the_steps(settings: dict[str, int], windows: int) -> None:
    """Prevents: a fit that looks at what it has learned for as long as it learns."""
    times = pd.date_range("2020-01-01", periods=12000, freq="h")
    frame = pd.DataFrame({"time": times, "load": np.random.default_rng(0).normal(size=12000)})
    train = {f"train.{name}": value for name, value in settings.items()}
    experiment = tsforge.build({"data.horizon": 6, "data.context": 24, "model.kind": "nlinear", **train})
    dataset = fitting.prepare(experiment, frame)
    assert len(dataset.parts.validation) >= 1024
    loop = single.begin(experiment.on(dataset.config, dataset.sizes.narrow), dataset)
    watched = [int(batch.truth.target.shape[0]) for batch in loop.validation]
    assert sum(watched) == windows
