"""Synthetic series: how fast they are drawn, and how they look beside a real table.

    python benchmarks/synthetic_series.py             # series a second of processor time, one thread
    python benchmarks/synthetic_series.py --like m1   # quantiles of what series look like, beside M1's

M1 is taken from the catalog (tsforge data get m1-monthly). Of a series y of n steps with a season of m, which is taken
off by the mean of each phase about a centred moving average:

    size    deviation over mean size            trend   correlation with time
    season  share of the season in the variance about the moving average
    r1      autocorrelation of the changes      noise   mean size of a change over the deviation
    tails   logarithm of the kurtosis of the changes
    grows   logarithm of the mean size of the changes in the later half over that in the earlier
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from tsforge.data.catalog import cards, locate
from tsforge.synthesis import Mixture, draw
from tsforge.synthesis.mixture import NAMES

SEASONS = {"yearly": 1, "quarterly": 4, "monthly": 12}
QUANTILES = [0.1, 0.25, 0.5, 0.75, 0.9]


def speed() -> None:
    """Series a second, the median of five batches."""
    torch.set_num_threads(1)
    kinds = {"mixture": Mixture(), **{name: Mixture.only(name) for name in NAMES}}
    for name, mixture in kinds.items():
        for size in (256, 1024, 4096) if name == "mixture" else (1024,):
            seconds = []
            for index in range(6):
                begun = time.process_time()
                draw(mixture, size, 560, seed=1, index=index)
                seconds.append(time.process_time() - begun)
            print(f"{name:<13} batches of {size:>5}   {size / statistics.median(seconds[1:]):>7,.0f} series a second")


def looks(y: NDArray[np.float64], m: int) -> dict[str, float]:
    """What a series looks like, in the words of this file."""
    n, tiny, season = len(y), 1e-12, 0.0
    plain = y
    if m > 1:
        width = m + 1 - m % 2
        average = np.convolve(np.pad(y, (width // 2, width // 2), mode="edge"), np.ones(width) / width, "valid")
        rest = y - average
        index = np.array([rest[i::m].mean() for i in range(m)])
        plain = y - (index - index.mean())[np.arange(n) % m]
        season = max(0.0, 1 - (plain - average).var() / max(rest.var(), tiny))
    change = np.diff(plain)
    centred = change - change.mean()
    power = max((centred**2).sum(), tiny)
    early, late = (np.abs(part).mean() + tiny for part in (change[: n // 2], change[n // 2 :]))
    return {
        "size": y.std() / max(np.abs(y).mean(), tiny), "trend": np.corrcoef(np.arange(n), y)[0, 1], "season": season,
        "r1": (centred[1:] * centred[:-1]).sum() / power, "noise": np.abs(change).mean() / max(plain.std(), tiny),
        "tails": np.log(max((centred**4).mean() / (power / len(centred)) ** 2, tiny)), "grows": np.log(late / early),
    }  # fmt: skip


def beside(name: str) -> None:
    """Quantiles of the looks of a table's series, of the mixture and of exponential smoothing."""
    for group, m in SEASONS.items():
        card = f"{name}-{group}"
        file = locate(cards()[card])
        if file is None:
            print(f"{card} is not at hand: tsforge data get {card}")
            continue
        frame = pd.read_csv(file)
        series = [part.iloc[:, -1].dropna().to_numpy(float) for _, part in frame.groupby(frame.columns[0])]
        series = [y for y in series if len(y) >= max(8, 3 * m)]
        rows = {card: [looks(y, m) for y in series]}
        low, high = (int(q) for q in np.quantile([len(y) for y in series], [0.1, 0.9]))
        for kind in ("mixture", "ets"):
            chosen = Mixture() if kind == "mixture" else Mixture.only(kind)
            own = {"shortest": low, "longest": high, "periods": (m,), "sampled": 0.0, "gaps": 0.0}
            values, observed, season, _ = draw(chosen.model_copy(update=own), 3000, high, seed=1, index=0)
            whole = (season == m).nonzero()[:, 0].tolist()
            rows[kind] = [looks(values[i][observed[i]].double().numpy(), m) for i in whole]
        tables = {title: pd.DataFrame(looked).quantile(QUANTILES).round(2).T for title, looked in rows.items()}
        print(pd.concat(tables, axis=1).to_string(), end="\n\n")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--like", choices=["m1"], help="the table that series are set beside")
    options = parser.parse_args()
    if options.like:
        beside(options.like)
    else:
        speed()


if __name__ == "__main__":
    main()
