"""One training from its first step to its last: Lightning's loop, the rate by step, the best weights at the end."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from tsforge.data.dataset import Prepared
from tsforge.data.loader import WindowLoader
from tsforge.errors import TrainingError
from tsforge.experiment import TrainConfig
from tsforge.model.network import Network
from tsforge.runtime.seeds import seeded
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Report
from tsforge.training.learner import Learner
from tsforge.training.monitor import Watch

log = logging.getLogger("tsforge")

HOLD = 3  # stages of a falling rate before it falls
MOST_BETWEEN = 500  # steps between validations, however long the training


class Course:
    """A network, the windows it learns from, and who watches. keep: where its state is kept, and gone on from.

    steps: in all. every: steps between validations. time: when it began, and how many seconds it took.
    """

    def __init__(self, network: Network, prepared: Prepared, report: Report, keep: Checkpoint | None = None) -> None:
        config, parts = prepared.experiment.train, prepared.parts
        self.network, self.prepared, self.config = network, prepared, config
        self.loader = WindowLoader(prepared.source, parts.train, config.batch_size, prepared.experiment.seed)
        watched = parts.validation.thin(config.validation_windows)
        self.validation = WindowLoader(prepared.source, watched, 2 * config.batch_size)
        self.steps = planned_steps(prepared)
        often = min(-(-self.steps // config.validations), MOST_BETWEEN)
        self.every = often if config.validations > 1 else self.steps  # one validation is the one at the end
        self.watch = Watch(min(config.batch_size, len(parts.train.origins)), config.patience, config.max_time, report)
        self.watch.until = config.until
        self.learner = Learner(
            network, self.watch, lr=config.lr, rate=rate(config, self.steps), clip=config.clip,
            weight_decay=config.weight_decay, average=config.average,
            half=half(config.precision, prepared.source.device), keep=keep.write if keep else None,
        )  # fmt: skip
        self._keep = keep
        self._began = time.time(), time.perf_counter()
        self.time = (self._began[0], 0.0)

    def begin(self) -> None:
        """Go on from what was kept, if anything was; the random numbers are seeded before."""
        before = self._keep.read() if self._keep else None
        if before is not None:
            self.learner.resume(before)
            self.loader.skip(self.learner.steps)

    @property
    def over(self) -> bool:
        """Whether there are no steps left."""
        return self.watch.stop != "steps" or self.learner.steps >= self.steps

    def run(self) -> None:
        """Lightning's loop over the training windows."""
        import pytorch_lightning as pl

        # After the import, which sets the level itself: it advertises and warns about workers we do not have.
        for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning"):
            logging.getLogger(name).setLevel(logging.ERROR)
        with seeded(self.prepared.experiment.seed), warnings.catch_warnings(), _interruptible(self.watch):
            warnings.simplefilter("ignore")
            self.begin()
            trainer = pl.Trainer(
                accelerator="gpu" if self.prepared.source.device == "cuda" else "cpu", devices=1,
                max_steps=self.steps - self.learner.steps, val_check_interval=self.every,
                check_val_every_n_epoch=None, num_sanity_val_steps=0, logger=False, enable_checkpointing=False,
                enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
            )  # fmt: skip
            try:
                if not self.over:
                    trainer.fit(self.learner, self.loader, self.validation)
                if self.watch.wants_validation(self.learner.steps):
                    trainer.validate(self.learner, self.validation, verbose=False)
            except SystemExit:  # what Lightning makes of a second Ctrl-C
                raise KeyboardInterrupt from None

    def finish(self) -> str:
        """Put the best weights back; why training ended. Raises TrainingError where there are none."""
        self.time = self._began[0], time.perf_counter() - self._began[1]
        kept, watch = self.watch.restore(self.network), self.watch
        if watch.stop == "diverged":
            step = watch.rounds[-1].step
            hint = f"lower the rate: --set train.lr={self.config.lr / 10:g}"
            if not kept:
                raise TrainingError(f"training diverged: the loss is not a number at step {step}", hint)
            log.warning("training diverged at step %d; the best weights before that are kept (%s)", step, hint)
        elif not kept and watch.stop == "interrupt":
            raise KeyboardInterrupt
        elif not kept:
            log.warning("training stopped before its first validation; the last weights are kept")
        return watch.stop


def half(precision: str, device: str) -> bool:
    """Whether products are computed in brain floats: where asked for, or "auto" on a GPU that has them."""
    return precision == "bf16" or (precision == "auto" and device == "cuda" and torch.cuda.is_bf16_supported(False))


def planned_steps(prepared: Prepared) -> int:
    """Optimiser steps: max_steps, or fewer where the epochs are."""
    config = prepared.experiment.train
    per_epoch = -(-len(prepared.parts.train.origins) // config.batch_size)
    return min(config.max_steps, config.epochs * per_epoch) if config.epochs else config.max_steps


def rate(config: TrainConfig, steps: int) -> Callable[[int], float]:
    """Learning-rate factor by step: a linear rise, then constant, half a cosine down to 0, or falling in stages.

    The stages are those of the long-horizon literature, where each is an epoch: constant in the first three of 30, then
    0.8 times the one before. Counted in shares of the steps, they do not depend on how many windows there are.
    """
    rise = max(1, round(config.warmup * steps))

    def factor(step: int) -> float:
        risen = min(1.0, (step + 1) / rise)
        if config.schedule == "step":
            return risen * config.decay ** max(0, step * config.stages // steps - HOLD + 1)
        if config.schedule == "constant" or step < rise:
            return risen
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))

    return factor


@contextmanager
def _interruptible(watch: Watch) -> Iterator[None]:
    """The first Ctrl-C ends training after the current step with the best weights; the second ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def first(_signal: int, _frame: FrameType | None) -> None:
        watch.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
