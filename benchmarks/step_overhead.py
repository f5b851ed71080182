"""What one training step costs beyond the arithmetic: a raw loop, a bare Lightning Trainer, and tsforge's learner.

    python benchmarks/step_overhead.py [--steps 600] [--rounds 5]

A nearly empty network, the same windows and the same AdamW; interleaved rounds, medians, CPU, one thread.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import tsforge
from tsforge.batch import Batch, Context
from tsforge.data.dataset import prepare
from tsforge.data.loader import WindowLoader
from tsforge.experiment import TrainConfig
from tsforge.forecast import Point, Scaling
from tsforge.training.learner import Learner, Turns
from tsforge.training.monitor import Monitor


class Tiny(nn.Module):
    """The last value and a bias: almost no arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(24, 1))

    def forward(self, context: Context) -> Point:
        last = context.target[:, -1:]
        return Point(self.bias.expand(last.shape[0], -1, -1), Scaling(last, torch.ones_like(last)))


class Bare(pl.LightningModule):
    """The least that Lightning needs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        loss: Tensor = self.network(batch.context).loss(batch.truth)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def trainer(steps: int, **more: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu", devices=1, max_steps=steps, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, **more,
    )  # fmt: skip


def raw(loader: WindowLoader, steps: int) -> None:
    network = Tiny()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    done = 0
    while done < steps:
        for batch in loader:
            network(batch.context).loss(batch.truth).backward()
            optimizer.step()
            optimizer.zero_grad()
            done += 1
            if done == steps:
                break


def bare(loader: WindowLoader, steps: int) -> None:
    trainer(steps).fit(Bare(Tiny()), loader)


def ours(loader: WindowLoader, steps: int) -> None:
    monitor = Monitor(loader.batch_size, patience=10, max_time=None, report=lambda _: None)
    learner = Learner(Tiny(), monitor, TrainConfig(), lambda _: 1.0)
    trainer(-1, max_epochs=1).fit(learner, Turns(loader, steps, steps))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning", "tsforge"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
    data = pd.DataFrame({"t": range(20_000), "y": np.random.default_rng(0).normal(size=20_000)})
    experiment = tsforge.build({"data.horizon": 24, "data.context": 96, "data.calendar": False})
    dataset = prepare(experiment.data, data, experiment.model)
    loader = WindowLoader(dataset.source, dataset.parts.train, 64, seed=1)
    ways: dict[str, Callable[[WindowLoader, int], None]] = {
        "raw loop": raw,
        "bare Trainer": bare,
        "tsforge": ours,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(args.rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            way(loader, args.steps)
            if round_:  # the first is a warm-up
                times[name].append(1e3 * (time.process_time() - start) / args.steps)
    medians = {name: statistics.median(t) for name, t in times.items()}
    print("| way | ms CPU per step | over the bare Trainer |\n|---|--:|--:|")
    for name, value in medians.items():
        print(f"| {name} | {value:.3f} | {value - medians['bare Trainer']:+.3f} |")


if __name__ == "__main__":
    main()
