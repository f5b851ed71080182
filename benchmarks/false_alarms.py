"""How often `detect` raises an alarm in normal times: python -m benchmarks.false_alarms [SEEDS | --cost].

Series in which nothing is unusual: a day's wave of hours with noise that is normal, Laplace or Student's t with four
degrees of freedom (which has outliers by nature), and random walks. Models are fitted on the first 600 rows and judge
3,400 more. Cells: alarms per value over the rate that was asked for; 1 is what was promised. The last column: seconds
of the processor for 10,000 values. --cost: these seconds alone, of more models, on one series.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import numpy as np
import pandas as pd

import tsforge
from tsforge.runtime.tables import aligned

ROWS, OLD = 4000, 600
RATES = (0.01, 0.001)
CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("wave + normal", "linear", {}), ("wave + normal", "seasonal-naive", {}),
    ("wave + normal", "gru", {"train.max_steps": 200, "model.width": 16}),
    ("wave + Laplace", "linear", {}), ("wave + t(4)", "linear", {}), ("wave + t(4)", "seasonal-naive", {}),
    ("random walk", "naive", {}), ("random walk of t(4)", "naive", {}),
)  # fmt: skip
SLOW: dict[str, dict[str, Any]] = {
    "linear": {}, "naive": {}, "gru": {"train.max_steps": 20}, "transformer": {"train.max_steps": 20},
    "shape-ridge": {}, "theta": {}, "mstl": {}, "auto": {}, "zero": {}, "ets": {},
}  # fmt: skip


def table(kind: str, seed: int) -> pd.DataFrame:
    """A series of 4,000 hours."""
    random = np.random.default_rng(seed)
    noise = random.standard_t(4, ROWS) if "t(4)" in kind else random.normal(size=ROWS)
    noise = random.laplace(size=ROWS) if "Laplace" in kind else noise
    wave = 10 * np.sin(np.arange(ROWS) * 2 * np.pi / 24)
    load = 50 + (noise.cumsum() if "walk" in kind else wave + noise)
    return pd.DataFrame({"time": pd.date_range("2024-01-01", periods=ROWS, freq="h"), "load": load})


def cost() -> None:
    """Print seconds of the processor for 10,000 values, by model."""
    data, rows = table("wave + normal", 0)[:2000], []
    for model, more in SLOW.items():
        fitted = tsforge.fit(tsforge.build({"model.kind": model, "data.horizon": 12} | more), data[:OLD]).model
        began = time.process_time()
        judged = tsforge.detect(fitted, data).judged
        rows.append([model, f"{10_000 * (time.process_time() - began) / judged:.1f}"])
    print("\n".join(aligned(["model", "seconds"], rows)))


def main() -> None:
    """Print a table."""
    logging.getLogger("tsforge").setLevel(logging.ERROR)
    if sys.argv[1:] == ["--cost"]:
        cost()
        return
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    rows = []
    for kind, model, more in CASES:
        found, judged, seconds = dict.fromkeys(RATES, 0), 0, 0.0
        for seed in range(seeds):
            data = table(kind, seed)
            settings = {"model.kind": model, "data.horizon": 12, "model.bounds": "none"} | more
            fitted = tsforge.fit(tsforge.build(settings), data[:OLD]).model
            began = time.process_time()
            results = {rate: tsforge.detect(fitted, data, rate=rate) for rate in RATES}
            seconds += time.process_time() - began
            found = {rate: found[rate] + results[rate].found for rate in RATES}
            judged += results[RATES[0]].judged
        rows.append([kind, model, *(f"{found[rate] / judged / rate:.2f}" for rate in RATES), f"{judged:,}"])
        rows[-1].append(f"{10_000 * seconds / judged / len(RATES):.2f}")
    print("\n".join(aligned(["series", "model", *map(str, RATES), "values", "seconds"], rows, left=(0, 1))))


if __name__ == "__main__":
    main()
