"""Reconciled forecasts of simulated hierarchies beside base forecasts, by level: RMSE and coverage of 80 % intervals.

python -m benchmarks.hierarchies

Three regions of two to four stores each: a part of the noise is the country's, a part the region's. Errors are those of
twelve months after the end of the table, over all panels; RMSE relative to the base forecasts.
"""

from __future__ import annotations

import logging
import sys
import time

import numpy as np
import pandas as pd

import tsforge
from tsforge.data.hierarchy import structure

H, MONTHS, PANELS = 12, 132, 40
MODELS, METHODS = ("linear", "theta", "ets"), ("none", "bottom-up", "ols", "wls", "mint")
STORES = {"north": 3, "south": 4, "west": 2}


def simulated(random: np.random.Generator) -> pd.DataFrame:
    """Sales of every store in every month."""

    def noise(phi: float, size: float) -> np.ndarray:
        values = np.zeros(MONTHS + H)
        for t in range(1, len(values)):
            values[t] = phi * values[t - 1] + size * random.normal()
        return values

    months = pd.date_range("2014-01-01", periods=MONTHS + H, freq="MS")
    season, country, parts = np.sin(2 * np.pi * np.arange(MONTHS + H) / 12), noise(0.95, 4), []
    for region, count in STORES.items():
        shared = country + noise(0.9, 4)
        for store in range(count):
            sold = 200 + 20 * store + shared + noise(0.3, 8) + 15 * season
            parts.append(pd.DataFrame({"region": region, "store": f"{region}{store}", "month": months, "sold": sold}))
    return pd.concat(parts, ignore_index=True)


def measure(model: str) -> dict[str, dict[str, tuple[float, float]]]:
    """RMSE and coverage by method and level."""
    gaps: dict[tuple[str, str], list[np.ndarray]] = {}
    inside: dict[tuple[str, str], list[float]] = {}
    settings = {"data.horizon": H, "data.hierarchy": "region/store", "data.target": "sold", "model.kind": model}
    for seed in range(PANELS):
        data = simulated(np.random.default_rng(seed))
        past = data["month"] < data["month"].unique()[MONTHS]
        fitted = tsforge.fit(tsforge.build(settings), data[past]).model
        store = data[~past].pivot_table(index="store", columns="month", values="sold").to_numpy()
        for method in METHODS:
            made = tsforge.predict(fitted, data[past], quantiles=[0.1, 0.9], reconcile=method)
            parts = structure(made.panel)
            truth = parts.summing @ store
            low, high = np.moveaxis(made.quantiles[:, :, 0], -1, 0)
            for level in parts.levels:
                rows = np.array(parts.level) == level
                gaps.setdefault((method, level), []).append((made.point[rows, :, 0] - truth[rows]) ** 2)
                inside.setdefault((method, level), []).append(
                    float(np.mean((low <= truth)[rows] & (truth <= high)[rows]))
                )
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for (method, level), values in gaps.items():
        error = float(np.sqrt(np.mean(values) / np.mean(gaps["none", level])))
        found.setdefault(method, {})[level] = error, float(np.mean(inside[method, level]))
    return found


def main() -> None:
    """Print the table."""
    logging.getLogger("tsforge").setLevel(logging.ERROR)
    print("| model | reconciled | total: RMSE | 80 % | region: RMSE | 80 % | store: RMSE | 80 % |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for model in MODELS:
        begin = time.process_time()
        for method, levels in measure(model).items():
            cells = " | ".join(f"{error:.3f} | {inside:.2f}" for error, inside in levels.values())
            print(f"| {model} | {method} | {cells} |")
        print(f"{model}: {time.process_time() - begin:.0f} s of CPU", file=sys.stderr, flush=True)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
