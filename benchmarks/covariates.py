"""What the effect of covariates is worth to the pretrained model, on simulated tables with effects that are known.

    python -m benchmarks.covariates                    # of every kind of table
    python -m benchmarks.covariates --kinds promotion,noise --tables 20

The mean absolute error over the last horizon relative to that without covariates: with the effect as it is fitted, and
of whoever knows it: a forecast of the series without the effect, and the effect added.
"""

from __future__ import annotations

import argparse
import logging
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import tsforge
from benchmarks.fev import words

HORIZON, SEASON = 14, 7
Floats = NDArray[np.float64]


class Kind(NamedTuple):
    """series, steps: of a table. effect: of each covariate, in units of the level; walk: of each step, likewise."""

    series: int
    steps: int
    effect: tuple[tuple[str, float], ...]
    walk: float = 0.002


KINDS = {
    "promotion": Kind(1, 120, (("promotion", 0.15),)),
    "promotion of 20 series": Kind(20, 120, (("promotion", 0.15),)),
    "promotion, 40 steps": Kind(1, 40, (("promotion", 0.15),)),
    "promotion on a random walk": Kind(1, 120, (("promotion", 0.15),), 0.02),
    "price that changes now and then": Kind(1, 200, (("price", -0.08),)),
    "temperature": Kind(1, 200, (("temperature", 0.05),), 0.01),
    "promotion, temperature and noise": Kind(1, 200, (("promotion", 0.15), ("temperature", 0.05), ("noise", 0.0))),
    "noise": Kind(1, 120, (("noise", 0.0),)),
    "three columns of noise": Kind(1, 120, (("noise", 0.0), ("walk", 0.0), ("promotion", 0.0))),
    "three columns of noise, 40 steps": Kind(1, 40, (("noise", 0.0), ("walk", 0.0), ("promotion", 0.0))),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kinds", default=list(KINDS), type=words, help="some of them, with commas between")
    parser.add_argument("--tables", default=12, type=int, help="of each kind")
    asked = parser.parse_args()
    print("| table | with the effect | worst table | known effect |\n|---|--:|--:|--:|")
    for name in asked.kinds:
        errors = np.array([scores(KINDS[name], seed) for seed in range(asked.tables)])  # (tables, 3)
        without, fitted, known = errors.mean(axis=0)
        worst = (errors[:, 1] / errors[:, 0]).max()
        print(f"| {name} | {fitted / without:.3f} | {worst:.2f} | {known / without:.3f} |", flush=True)


def scores(kind: Kind, seed: int) -> tuple[float, float, float]:
    """Absolute errors without covariates, with them, and of whoever knows their effect, relative to the level."""
    table, effect, names = simulated(kind, np.random.default_rng(seed))
    truth = table["y"].to_numpy().reshape(kind.series, -1)[:, -HORIZON:]
    ahead = table.groupby("item").cumcount(ascending=False) < HORIZON
    known = table[["item", "ds"]].assign(y=(table["y"] - effect))[~ahead]
    plain, given = table[["item", "ds", "y"]][~ahead], table.assign(y=table["y"].where(~ahead))
    added = effect.reshape(kind.series, -1)[:, -HORIZON:]
    points = (forecast(plain), forecast(given, names), forecast(known) + added)
    without, fitted, oracle = (float(np.abs(point - truth).mean()) for point in points)
    return without, fitted, oracle


def forecast(table: pd.DataFrame, names: tuple[str, ...] = ()) -> Floats:
    """The point forecast, (series, horizon)."""
    settings = {"data.id": "item", "data.time": "ds", "data.target": "y", "data.season": SEASON, "data.future": names}
    result = tsforge.predict("zero", table, horizon=HORIZON, settings=settings)
    order = np.argsort([int(key) for key in result.panel.ids[0]])
    return np.asarray(result.point[order, :, 0], dtype=np.float64)


def simulated(kind: Kind, rng: np.random.Generator) -> tuple[pd.DataFrame, Floats, tuple[str, ...]]:
    """A table of a week's wave about a slow level, with noise and effects; these effects by row; and its covariates."""
    n = kind.steps + HORIZON
    rows = []
    for i in range(kind.series):
        level = 100 * np.exp(rng.normal() * (kind.series > 1))
        wave = 0.1 * np.sin(2 * np.pi * np.arange(n) / SEASON + rng.uniform(0, 6))
        plain = 1 + wave + np.cumsum(rng.normal(size=n)) * kind.walk + 0.03 * rng.normal(size=n)
        columns = {name: column(name, n, rng) for name, _ in kind.effect}
        effect = sum((columns[name] * size for name, size in kind.effect), np.zeros(n))
        dates = pd.date_range("2024-01-01", periods=n)
        rows.append(
            pd.DataFrame({"item": i, "ds": dates, "y": level * (plain + effect), "effect": level * effect} | columns)
        )
    table = pd.concat(rows, ignore_index=True)
    return table.drop(columns="effect"), table["effect"].to_numpy(), tuple(name for name, _ in kind.effect)


def column(name: str, n: int, rng: np.random.Generator) -> Floats:
    """A covariate: stretches of 1 to 4 days, a level for 20 steps, a slow wave, noise, or a random walk."""
    if name == "promotion":
        return np.repeat(rng.random(n) < 0.3, rng.integers(1, 5, n))[:n].astype(np.float64)
    if name == "price":
        return np.repeat(rng.choice([0.0, 0.0, 1.0, -2.0], n), 20)[:n]
    noise = rng.normal(size=n)
    if name == "temperature":
        for t in range(1, n):
            noise[t] = 0.9 * noise[t - 1] + 0.44 * noise[t]
        return np.asarray(noise + 1.5 * np.sin(4 * np.pi * np.arange(n) / n))
    return np.asarray(np.cumsum(noise) if name == "walk" else noise)


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # of the whole process
    main()
