"""Trials per hour of a sweep: one worker and two, one trial at a time and packed.

    python benchmarks/sweep_speed.py [--models gru,lstm] [--trials 8] [--steps 60] [--width 16] [--context 96]
                                     [--repeats 2]

Electricity demand, half-hourly, a horizon of 48. Every way runs the same number of trials of one shape, which differ in
learning rate, weight decay and dropout, without a pruner and without refits; two workers have one thread each, one
worker all cores. The clock runs from the first trial's begin to the last one's end, so that starting the processes is
left out. The ways follow one another, and all of that as often as --repeats says; the best counts.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from pathlib import Path

from tsforge.settings import build
from tsforge.sweeping import running
from tsforge.sweeping.config import SweepConfig, of_experiment
from tsforge.sweeping.place import Workspace
from tsforge.sweeping.study import open_study, pruner, sampler
from tsforge.tracking.tracker import Tracker

WAYS = [(1, "off"), (1, "4"), (1, "auto"), (2, "off"), (2, "4"), (2, "auto")]  # workers, pack


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="gru,lstm")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--context", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    shape = f"width {args.width}, context {args.context}"
    print(f"{args.trials} trials of {args.steps} steps, {shape}, {os.cpu_count()} cores")
    print(f"{'model':>12}{'workers':>9}{'pack':>6}{'trials per hour':>17}{'ratio':>7}", flush=True)
    for model in args.models.split(","):
        best: dict[tuple[int, str], float] = {}
        for _ in range(args.repeats):
            for way in WAYS:
                best[way] = max(best.get(way, 0.0), per_hour(model, *way, args))
        for (workers, pack), pace in best.items():
            print(f"{model:>12}{workers:>9}{pack:>6}{pace:17,.0f}{pace / best[WAYS[0]]:7.2f}", flush=True)


def per_hour(model: str, workers: int, pack: str, args: argparse.Namespace) -> float:
    """The pace of one sweep."""
    experiment = build(
        {"data.path": "electricity-demand", "data.horizon": 48, "data.context": args.context, "model.kind": model,
         "model.width": args.width, "train.max_steps": args.steps, "train.patience": 99}
    )  # fmt: skip
    settings = SweepConfig(trials=args.trials, pruner="none", refit=0, workers=workers, pack=pack)
    space = {"model.width": args.width, "model.backbone.layers": 1, "train.batch_size": 32}
    plan = running.settle(of_experiment(experiment, settings, space))
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        running.run(plan, workspace, Tracker(on=False))
        study = open_study(workspace.place(plan.title), plan.sweep.objectives, sampler("random", 0), pruner(plan))
        begun = [t.datetime_start for t in study.trials if t.datetime_start is not None]
        ended = [t.datetime_complete for t in study.trials if t.datetime_complete is not None]
    return 3600 * args.trials / (max(ended) - min(begun)).total_seconds()


if __name__ == "__main__":
    main()
