"""A backtest beside the bare forward passes of the same windows.

    python benchmarks/backtest_speed.py [--model lstm] [--horizon 96] [--repeats 5]

ETTh1 (TSFORGE_DATA or the cache), 7 columns, the protocol's test part: 2,785 windows at horizon 96. The forward passes
run over batches that lie ready in memory and keep nothing, once in large ones and once in those that the backtest takes
(its ratio to either is shown); the backtest reads the same windows from the table's panel, keeps the forecasts, and
scores them. The last line is all that `tsforge backtest MODEL DATA` does to print its tables, from reading the table
on: neither the interpreter's start nor loading the model. In turns in one process; the smallest of the repeats counts.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from functools import partial

import torch

from tsforge.api import fitting
from tsforge.backtesting import rolling
from tsforge.backtesting.scoreboard import Scoreboard
from tsforge.cli.tables.backtest import tables
from tsforge.data import dataset as datasets
from tsforge.data.loader import WindowLoader
from tsforge.evaluation import forecasting
from tsforge.evaluation.metrics import SHOWN
from tsforge.evaluation.scores import scores
from tsforge.fitted.model import Model
from tsforge.runtime.timing import rounds
from tsforge.settings import groups


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--horizon", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    overrides = {"model.kind": args.model, "data.horizon": args.horizon, "train.max_steps": 1}
    asked = groups(overrides, "pipelines/protocol/etth1.toml")[""]
    dataset = datasets.prepare(asked.data, None, asked.model)
    fitted = fitting.fit(asked).model
    judged = forecasting.Forecaster(forecasting.Reader(fitted.network, dataset.source), fitted.calibration)
    windows = dataset.parts.test
    sizes = (forecasting.BATCH, forecasting.batch_size(dataset.source))
    ready = {n: [batch.context for batch in WindowLoader(dataset.source, windows, n)] for n in sizes}

    def forward(size: int) -> None:
        with torch.inference_mode():
            for context in ready[size]:
                judged.reader.network(context)

    def model() -> None:
        scores(judged.outcome(dataset, windows), SHOWN)

    ways: dict[str, Callable[[], object]] = {
        **{f"bare forward passes, batches of {n}": partial(forward, n) for n in sizes},
        "backtest of the model: windows, forecasts, static intervals, scores": model,
        "the whole backtest, beside four baselines, all intervals adaptive": lambda: _whole(fitted),
    }
    best = {name: min(seconds) for name, seconds in rounds(ways, args.repeats).items()}
    print(
        f"{args.model}, {len(windows):,} windows of {args.horizon} steps x 7 columns, {torch.get_num_threads()} threads"
    )
    bare = [best[name] for name in list(ways)[:2]]
    for name, seconds in best.items():
        print(f"  {seconds:7.3f} s  {seconds / bare[0]:5.2f}  {seconds / bare[1]:5.2f}  {name}")


def _whole(fitted: Model) -> None:
    """Everything that `tsforge backtest MODEL DATA` does but load the model, and the interpreter's start."""
    board = Scoreboard({"": rolling.backtest(fitted, fitted.experiment.data.path)})
    for table in tables(board, None, coverage=False):
        table.terminal()


if __name__ == "__main__":
    main()
