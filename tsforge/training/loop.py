"""One training from its first step to its last: Lightning's loop, the rate by step, the best weights at the end."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from tsforge.data.dataset import Dataset, narrowed
from tsforge.data.loader import WindowLoader
from tsforge.errors import TrainingError
from tsforge.experiment import Experiment, TrainConfig
from tsforge.fitted import starting
from tsforge.model.backbones import kernels
from tsforge.model.network import Network
from tsforge.model.zero.network import ZeroNetwork
from tsforge.runtime import garbage, memory, stopping
from tsforge.runtime.seeds import seeded
from tsforge.runtime.threads import ThreadCount, measured
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.distributed import ranks
from tsforge.training.events import Report, Round, Standing, Stop
from tsforge.training.monitor import Monitor, State

log = logging.getLogger("tsforge")

HOLD = 3  # stages of a falling rate before it falls
LEAST_WATCHED = 128  # windows of a validation
MOST_BETWEEN = 500  # steps between validations, however long the training


@dataclass(frozen=True)
class Trained:
    """What training gives, before its intervals are calibrated.

    experiment: what makes it again.
    network: with the weights that are kept.
    rounds: validations, of all members one after the other.
    started: seconds since the epoch; seconds: that it took.
    standings: of the tournament that chose the model, where there was one.
    unseen: the network that has not seen the validation windows, where `network` was trained on them too.
    threads: of the processor that steps were computed with, one count after the other.
    """

    experiment: Experiment
    network: nn.Module
    rounds: tuple[Round, ...]
    stop: Stop
    started: float
    seconds: float
    standings: tuple[Standing, ...] = ()
    unseen: nn.Module | None = None
    threads: tuple[int, ...] = ()

    def narrowed(self, dataset: Dataset) -> Dataset:
        """The dataset it was trained on, as its network reads it: a tournament has the context of the widest."""
        return narrowed(dataset, self.experiment.data.context, self.experiment.model)


class TrainingLoop:
    """One training from its first step to its last.

    Where other processes train with this one (`ranks`), each has its share of every batch and of the validation
    windows, and the first keeps the checkpoint; batches, steps, and all that is decided are the same.

    report: called with what happens, see `events`.
    checkpoint: where its state is kept after each validation, and gone on from.
    steps: in all. every: steps between validations.
    """

    def __init__(
        self, network: Network | ZeroNetwork, experiment: Experiment, dataset: Dataset, report: Report,
        checkpoint: Checkpoint | None = None,
    ) -> None:  # fmt: skip
        with garbage.paused():
            from tsforge.training.learner import Learner  # and with it Lightning, which takes seconds to import

        config, parts = experiment.train, dataset.parts
        self.network, self.experiment, self.dataset, self.config = network, experiment, dataset, config
        self.ranks = ranks.current()
        self.loader = WindowLoader(dataset.source, parts.train, config.batch_size, experiment.seed, network.base)
        self.steps = planned_steps(config, dataset)
        often = min(-(-self.steps // config.validations), MOST_BETWEEN)
        self.every = often if config.validations > 1 else self.steps  # one validation is the one at the end
        batch_size = min(config.batch_size, len(parts.train.origins))
        watched = parts.validation.thin(min(config.validation_windows, affordable(self.every * batch_size)))
        count = 1 if self.ranks is None else self.ranks.place.count
        self.validation = WindowLoader(dataset.source, watched, 2 * config.batch_size * count, base=network.base)
        if self.ranks is not None:
            for loader in (self.loader, self.validation):
                loader.share(self.ranks.place.rank, count)
        self.monitor = Monitor(batch_size, config.patience, config.max_time, report)
        self.monitor.until, self.monitor.together = config.until, self.ranks is not None
        keeps = checkpoint is not None and (self.ranks is None or self.ranks.first)
        self.learner = Learner(
            network, self.monitor, config, rate(config, self.steps), half=half(config.precision, dataset.source.device),
            keep=self._keep if keeps else None, ranks=self.ranks,
        )  # fmt: skip
        self._checkpoint = checkpoint
        self._started, self._start = time.time(), time.perf_counter()

    def begin(self) -> None:
        """Go on from what was kept, if anything was; the random numbers are seeded before."""
        if (state := self._kept()) is not None:
            self.learner.resume(state)
            self.loader.skip(self.learner.steps)
            self.learner.threads.resume(state.facts["threads"])
            self._started, self._start = state.facts["started"], self._start - state.facts["seconds"]
        if self.ranks is not None:
            self.ranks.begin(self.network, self.experiment.seed, self.learner.steps)

    def _kept(self) -> State | None:
        """The state of the checkpoint, which only the first of several processes need have."""
        checkpoint = self._checkpoint if self.ranks is None or self.ranks.first else None
        state = checkpoint.read() if checkpoint is not None else None
        return state if self.ranks is None else cast("State | None", self.ranks.shared(state))

    def _keep(self, state: State) -> None:
        """Keep the state after a validation, with what the learner does not know."""
        facts = {"started": self._started, "threads": self.learner.threads.taken}
        if self._checkpoint is not None:
            self._checkpoint.write(state._replace(facts=state.facts | facts))

    def threads(self) -> AbstractContextManager[ThreadCount]:
        """The threads that steps are computed with within the block; on a GPU there is nothing to choose."""
        wanted = torch.get_num_threads() if self.dataset.source.device != "cpu" else self.config.threads
        if self.ranks is not None and wanted != "auto":
            wanted = max(1, wanted // self.ranks.place.here)  # which those of a machine share
        return measured(wanted)

    def brain_cells(self) -> AbstractContextManager[None]:
        """LSTM cells are trained in brain floats within the block, where that is wanted and gains."""
        return kernels.brain_cells(cells(self.config.precision, self.dataset.source.device))

    @property
    def stop(self) -> Stop:
        """Why it ended."""
        return self.monitor.stop

    @property
    def over(self) -> bool:
        """Whether there are no steps left."""
        return self.monitor.stop != Stop.STEPS or self.learner.steps >= self.steps

    @property
    def wants_validation(self) -> bool:
        """Whether the last steps still have to be judged."""
        return self.monitor.wants_validation(self.learner.steps)

    def run(self) -> None:
        """Lightning's loop over the training windows."""
        import pytorch_lightning as pl

        from tsforge.training.learner import Turns

        # After the import, which sets the level itself: it advertises and warns about workers we do not have.
        for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning"):
            logging.getLogger(name).setLevel(logging.ERROR)
        with (
            seeded(self.experiment.seed), warnings.catch_warnings(), stopping.first(self.monitor.interrupt),
            memory.held(), self.brain_cells(), self.threads() as self.learner.threads,
        ):  # fmt: skip
            warnings.simplefilter("ignore")
            self.begin()
            gpu = self.dataset.source.device == "cuda"
            turns = Turns(self.loader, self.steps - self.learner.steps, self.every)
            trainer = pl.Trainer(
                accelerator="gpu" if gpu else "cpu", devices=[torch.cuda.current_device()] if gpu else 1,
                max_epochs=1, val_check_interval=turns.between, check_val_every_n_epoch=None,
                num_sanity_val_steps=0, logger=False, enable_checkpointing=False,
                enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
            )  # fmt: skip
            # Lightning's own answer to SIGTERM is to end at once; ours is taken for Ctrl-C's.
            trainer._signal_connector.register_signal_handlers = lambda: None
            try:
                if starting.folder(self.experiment) is not None and not self.monitor.rounds:
                    trainer.validate(self.learner, self.validation, verbose=False)  # what it begins with may be best
                if not self.over:
                    trainer.fit(self.learner, turns, self.validation)
                if self.wants_validation:
                    trainer.validate(self.learner, self.validation, verbose=False)
            except SystemExit:  # what Lightning makes of a second Ctrl-C
                raise KeyboardInterrupt from None

    def finish(self) -> Trained:
        """Put the best weights back. Raises TrainingError, or KeyboardInterrupt, where nothing was learned."""
        seconds, monitor = time.perf_counter() - self._start, self.monitor
        self.learner.weights.release()
        restored = monitor.restore(self.network)
        if monitor.stop == Stop.DIVERGED:
            step = monitor.rounds[-1].step
            hint = f"lower the rate: train.lr={self.config.lr / 10:g}"
            if not restored:
                raise TrainingError(f"training diverged: the loss is not a number at step {step}", hint)
            log.warning("training diverged at step %d; the best weights before that are kept (%s)", step, hint)
        elif not restored and monitor.stop == Stop.INTERRUPT:
            raise KeyboardInterrupt
        elif not restored:
            log.warning("training stopped before its first validation; the last weights are kept")
        rounds = tuple(monitor.rounds)
        threads = tuple(self.learner.threads.taken)
        return Trained(
            self.experiment, self.network.eval(), rounds, monitor.stop, self._started, seconds, threads=threads
        )


def half(precision: str, device: str) -> bool:
    """Whether products are computed in brain floats: where asked for, or "auto" on a GPU that has them."""
    return precision == "bf16" or (precision == "auto" and device == "cuda" and torch.cuda.is_bf16_supported(False))


def cells(precision: str, device: str) -> bool:
    """Whether LSTM cells are trained in brain floats: where asked for, or "auto", on a processor that has them."""
    if precision not in ("cells", "auto") or device != "cpu" or not torch.backends.mkldnn.enabled:
        return False
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def planned_steps(config: TrainConfig, dataset: Dataset) -> int:
    """Optimiser steps: max_steps, or fewer where the epochs are."""
    per_epoch = -(-len(dataset.parts.train.origins) // config.batch_size)
    return min(config.max_steps, config.epochs * per_epoch) if config.epochs else config.max_steps


def affordable(between: int) -> int:
    """Windows of a validation after so many windows of training, at most: less than a tenth of their cost, as one
    without gradients takes a third of the time or somewhat more."""
    return max(between // 4, LEAST_WATCHED)


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
