"""How often a covariate of noise is said to matter, and how often one that drives the target is not.

    python -m benchmarks.importance --tables 30

Two series of 260 days: 20 more under a promotion that is known ahead, 4 more for each unit of what was seen the day
before, deviation 1; and nine columns of noise: three known ahead, three known up to now, three with names.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

import tsforge
from tsforge.backtesting import importance

NOISE = ("ahead", "seen", "named")
SETTINGS: dict[str, Any] = {
    "data.id": "shop", "data.target": "sold", "data.static": ["size"], "data.horizon": 3, "data.context": 7,
    "data.season": 7, "data.test": 60, "data.validation": 20, "model.kind": "gru", "model.width": 8,
    "train.max_steps": 150, "train.lr": 1e-2,
    "data.future": ["promo", *(f"ahead {k}" for k in range(3))],
    "data.past": ["web", *(f"{kind} {k}" for kind in NOISE[1:] for k in range(3))],
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", default=30, type=int)
    parser.add_argument("--moves", default=importance.MOVES, type=int)
    asked = parser.parse_args()
    logging.getLogger("tsforge").setLevel(logging.ERROR)
    said: Counter[tuple[str, str]] = Counter()
    for seed in range(asked.tables):
        data = table(np.random.default_rng(seed))
        model = tsforge.fit(tsforge.build({**SETTINGS, "seed": seed + 1}), data).model
        found = importance.covariates(model, data, windows=60, moves=asked.moves, seed=seed)
        said.update((row.name.split()[0], str(row.verdict)) for row in found.covariates)
    print("| column | verdict | times |\n|---|---|--:|")
    for (column, verdict), count in sorted(said.items()):
        print(f"| {column} | {verdict} | {count} |")


def table(random: np.random.Generator, n: int = 260) -> pd.DataFrame:
    """Two series with their columns."""
    parts = []
    for shop, level in (("north", 100.0), ("south", 60.0)):
        promo, web = random.random(n) < 0.3, random.normal(size=n + 1)
        sold = level + 20 * promo + 4 * web[:n] + random.normal(size=n)
        own: dict[str, Any] = {"shop": shop, "day": pd.date_range("2023-01-01", periods=n), "sold": sold}
        own |= {"promo": promo.astype(int), "web": web[1:], "size": level}
        own |= {f"{kind} {k}": random.normal(size=n) for kind in NOISE[:2] for k in range(3)}
        own |= {f"named {k}": random.choice(["a", "b", "c"], n) for k in range(3)}
        parts.append(pd.DataFrame(own))
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    main()
