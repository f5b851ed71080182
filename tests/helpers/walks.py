"""Series with a season, for the tests of seasonal indices: one of the data sets, and made up ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

AIR = Path(__file__).parents[2] / "datasets" / "air-passengers.csv"


def air() -> np.ndarray:
    return pd.read_csv(AIR)["passengers"].to_numpy(float)


def walk(n: int, m: int, strength: float, seed: int = 0, *, noise: float) -> np.ndarray:
    """A positive walk whose phases differ by `strength`, with `noise` at every step."""
    rng = np.random.default_rng(seed)
    index = np.exp(strength * rng.normal(size=m))
    return 100 * np.exp(0.02 * rng.normal(size=n).cumsum()) * np.resize(index, n) * np.exp(noise * rng.normal(size=n))
