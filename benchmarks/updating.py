"""How often an update is told of drift where there is none, and where there is: python -m benchmarks.updating [RUNS].

A week's wave with noise of deviation 1, a linear model fitted on 400 rows or more, and new rows in which the noise
grows, or the level drifts. What is counted is how often `--when drift` would train.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import tsforge
from tsforge.fitted import directory
from tsforge.runtime.tables import aligned
from tsforge.updating import drift
from tsforge.updating.plan import prepare

CHANGES = {"none": 0, "noise x 1.5": 1.5, "noise x 2": 2, "drift of 0.1 a step": 0.1}
SIZES = ((1, 50, 60), (7, 70, 100), (7, 200, 200))  # horizon, rows that intervals are calibrated by, new rows


def table(seed: int, rows: tuple[int, int], change: str) -> pd.DataFrame:
    """rows: before and after the change."""
    random, (old, new) = np.random.default_rng(seed), rows
    noise = random.normal(size=old + new)
    if change.startswith("noise"):
        noise[old:] *= CHANGES[change]
    level = CHANGES[change] * np.arange(new) if change.startswith("drift") else np.zeros(new)
    values = 100 + 10 * np.sin(2 * np.pi * np.arange(old + new) / 7) + noise + np.r_[np.zeros(old), level]
    return pd.DataFrame({"day": pd.date_range("2020-01-01", periods=old + new), "sold": values})


def found(seed: int, size: tuple[int, int, int], change: str, folder: Path) -> bool:
    """Whether drift is found in one table."""
    horizon, calibrated, new = size
    old = 330 + calibrated
    whole = table(seed, (old, new), change)
    settings = {"model.kind": "linear", "data.horizon": horizon, "data.validation": calibrated, "data.test": 0}
    directory.save(tsforge.fit(tsforge.build(settings), whole[:old]).model, folder, lambda _: None)
    measured = drift.measure(prepare(folder, whole))
    return measured is not None and measured.found


def main() -> None:
    """Print a table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    logging.getLogger("tsforge").setLevel(logging.ERROR)
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for size in SIZES:
            counts = [sum(found(seed, size, change, Path(place) / "m") for seed in range(runs)) for change in CHANGES]
            rows.append([*map(str, size), *(f"{100 * count / runs:.1f} %" for count in counts)])
    print("\n".join(aligned(["horizon", "calibrated by", "new rows", *CHANGES], rows, left=())))


if __name__ == "__main__":
    main()
