"""Coverage of totals of a year of months by sample paths, beside summed quantiles and independent steps.

python -m benchmarks.totals

Simulated panels: a season, and autocorrelated noise of which a part is the same in all series. Nominal 80 %.
"""

from __future__ import annotations

import logging
import sys
import time

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import tsforge

H, LEVELS = 12, (0.1, 0.9)
CASES = [  # model, series, months, autocorrelation, share of noise that all have in common, panels
    ("theta", 1, 180, 0.0, 0.0, 60), ("theta", 1, 180, 0.7, 0.0, 60), ("theta", 1, 180, 1.0, 0.0, 60),
    ("linear", 20, 120, 0.0, 0.4, 30), ("linear", 20, 120, 0.7, 0.0, 30), ("theta", 20, 120, 0.7, 0.4, 30),
    ("gru", 20, 120, 0.7, 0.3, 10),
]  # fmt: skip
Floats = NDArray[np.float64]


def simulated(n: int, T: int, phi: float, common: float, random: np.random.Generator) -> Floats:
    """Series (n, T)."""
    noise = random.normal(size=(n + 1, T))
    noise = np.sqrt(1 - common) * noise[1:] + np.sqrt(common) * noise[0]
    values = np.zeros((n, T))
    for t in range(1, T):
        values[:, t] = phi * values[:, t - 1] + noise[:, t] * (0.5 if phi == 1 else 1)
    return 50 + 3 * values + 6 * np.sin(2 * np.pi * np.arange(T) / 12)


def covered(paths: Floats, truth: Floats) -> float:
    """The share of truths (k,) between the levels of sums (S, k)."""
    low, high = np.quantile(paths, LEVELS, axis=0)
    return float(np.mean((low <= truth) & (truth <= high)))


def measure(case: tuple[str, int, int, float, float, int]) -> list[float]:
    """Coverage of steps; of totals by paths, by summed quantiles, by independent steps; of the total of all series."""
    model, n, T, phi, common, panels = case
    found = []
    for seed in range(panels):
        random = np.random.default_rng(seed)
        values = simulated(n, T + H, phi, common, random)
        months = pd.date_range("2000-01-01", periods=T, freq="MS")
        data = pd.concat([pd.DataFrame({"id": f"s{i}", "t": months, "y": v[:T]}) for i, v in enumerate(values)])
        settings = {"data.horizon": H, "data.id": "id", "data.target": "y", "model.kind": model, "model.bounds": "none"}
        more = {"train.max_steps": 200} if model == "gru" else {}
        drawn = tsforge.sample(tsforge.fit(tsforge.build(settings | more), data).model, data, 500)
        paths, truth = drawn.values[..., 0], values[:, T:]
        low, high = (drawn.prediction.quantiles[:, :, 0, drawn.prediction.levels.index(level)] for level in LEVELS)
        sums, total = paths.sum(axis=2), truth.sum(axis=1)
        found.append([
            np.mean((low <= truth) & (truth <= high)), covered(sums, total),
            np.mean((low.sum(axis=1) <= total) & (total <= high.sum(axis=1))),
            covered(random.permuted(paths, axis=0).sum(axis=2), total),
            covered(sums.sum(axis=1, keepdims=True), total.sum(keepdims=True)),
        ])  # fmt: skip
    return list(np.mean(found, axis=0))


def main() -> None:
    """Print the table."""
    logging.getLogger("tsforge").setLevel(logging.ERROR)
    print("| model | series x months | autocorrelation | in common | steps | totals | summed quantiles | independent"
          " | over all series | CPU s |")  # fmt: skip
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for case in CASES:
        begin = time.process_time()
        cells = " | ".join(f"{value:.2f}" for value in measure(case))
        model, n, T, phi, common, _ = case
        print(f"| {model} | {n} x {T} | {phi} | {common} | {cells} | {time.process_time() - begin:.0f} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
