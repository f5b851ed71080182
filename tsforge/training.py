"""fit: an experiment and a table to a trained model, its scores, and a model directory."""

from __future__ import annotations

import json
import logging
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from tsforge import artifact, evaluation
from tsforge.calibration import Calibration
from tsforge.checkpoint import Checkpoint
from tsforge.data.loader import WindowLoader
from tsforge.data.split import thin_test
from tsforge.data.windows import padded
from tsforge.environment import seeded
from tsforge.errors import TrainingError
from tsforge.evaluation import Forecaster
from tsforge.experiment import Experiment, TrainConfig
from tsforge.learner import Learner, Report, Round, Watch
from tsforge.metrics import scores
from tsforge.model.baselines import BaselineForecaster
from tsforge.model.network import Network, parameters
from tsforge.outcome import Outcome
from tsforge.preparation import Prepared, pick_device, prepare

log = logging.getLogger("tsforge")

VALIDATIONS = 20  # over a whole training, so that patience and the loss curve mean the same for every model
MOST_BETWEEN = 500  # steps between validations, however long the training


@dataclass(frozen=True)
class Fit:
    """A trained model and how it came about.

    outcomes: forecasts of the test windows by model name, the fitted one first; empty without a test part.
    stop: why training ended: "steps", "patience", "time", "interrupt", "diverged", or "learned" for a baseline.
    """

    model: artifact.Model
    prepared: Prepared
    rounds: tuple[Round, ...]
    outcomes: dict[str, Outcome]
    stop: str
    started: float  # seconds since the epoch
    seconds: float  # of training alone
    parameters: int

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """Every metric by model name."""
        return {name: scores(o) for name, o in self.outcomes.items()}


def fit(
    experiment: Experiment, data: Any = None, *, out: str | Path | None = None, report: Report | None = None
) -> Fit:
    """Train on a table and score the held-out end.

    data: path, pandas or Polars frame; the experiment's data.path where None.
    out: folder for the model directory; nothing is written where None.
    report: called with a `Tick` every few steps and a `Round` after each validation.
    Raises TsforgeError for what the user can mend; KeyboardInterrupt when stopped before anything was learned.
    """
    prepared = for_fit(experiment, data)
    folder = Path(out) if out is not None else None
    if folder is not None:
        artifact.check_target(folder)
    result = train(prepared, report)
    if folder is not None:
        save(result, folder)
    return result


def for_fit(experiment: Experiment, data: Any) -> Prepared:
    """What `fit` trains on: with no more test windows than it takes to tell how good the model is."""
    prepared = prepare(experiment, data, pick_device(experiment.train.device))
    return replace(prepared, parts=thin_test(prepared.parts))


@dataclass(frozen=True)
class Learned:
    """What training gives before anything is scored on the test part."""

    model: artifact.Model
    judged: Forecaster
    rounds: tuple[Round, ...]
    stop: str
    started: float
    seconds: float


def train(prepared: Prepared, report: Report | None = None) -> Fit:
    """The second half of `fit`: train on what was prepared, and score it."""
    return finish(prepared, learn(prepared, report))


def finish(prepared: Prepared, learned: Learned) -> Fit:
    """Score what was learned on the test windows, beside the baselines."""
    kept, outcomes = _scored(learned.judged, prepared)
    model = replace(learned.model, baselines=kept)
    for network in (model.network, *(network for network, _ in kept.values())):
        network.cpu()  # where they are kept and predict from
    return Fit(
        model, prepared, learned.rounds, outcomes, learned.stop, learned.started, learned.seconds,
        parameters(model.network),
    )  # fmt: skip


def learn(prepared: Prepared, report: Report | None = None, keep: Checkpoint | None = None) -> Learned:
    """Train on the training windows and calibrate on the validation windows; the test windows are not touched.

    keep: where the state is kept after each validation, and from where an earlier training is gone on with, to the same
    weights as if it had not been stopped.
    """
    _say_padding(prepared)
    network = untrained(prepared).to(prepared.source.device)
    started, start = time.time(), time.perf_counter()
    rounds: tuple[Round, ...] = ()
    if isinstance(network, BaselineForecaster):
        evaluation.learn_baseline(network, prepared.source, prepared)
        stop = "learned"
    else:
        rounds, stop = _train(network, prepared, report or (lambda _: None), keep)
    seconds = time.perf_counter() - start
    judged = evaluation.forecaster(network.eval(), prepared)
    model = artifact.Model(prepared.experiment, _facts(prepared), network, judged.calibration)
    return Learned(model, judged, rounds, stop, started, seconds)


def untrained(prepared: Prepared) -> Network | BaselineForecaster:
    """A network with weights that depend on the seed alone; the global random state is left as it was."""
    with seeded(prepared.experiment.seed):
        network = prepared.experiment.model.build(prepared.source.shape)
    if isinstance(network, Network):
        network.scaler.learn(*(torch.from_numpy(part) for part in prepared.level))
    return network


def _train(
    network: Network, prepared: Prepared, report: Report, keep: Checkpoint | None
) -> tuple[tuple[Round, ...], str]:
    """Lightning's loop over the training windows; the best weights on validation are put back."""
    import pytorch_lightning as pl

    # After the import, which sets the level itself: it advertises and warns about workers we do not have.
    for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    config, parts, seed = prepared.experiment.train, prepared.parts, prepared.experiment.seed
    loader = WindowLoader(prepared.source, parts.train, config.batch_size, seed)
    steps = planned_steps(prepared)
    watch = Watch(min(config.batch_size, len(parts.train.origins)), config.patience, config.max_time, report)
    learner = Learner(
        network, watch, lr=config.lr, rate=rate(config, steps), clip=config.clip, weight_decay=config.weight_decay,
        average=config.average, half=half(config.precision, prepared.source.device), keep=keep.write if keep else None,
    )  # fmt: skip
    before = keep.read() if keep else None
    with seeded(seed), warnings.catch_warnings(), _interruptible(watch):
        warnings.simplefilter("ignore")
        if before is not None:
            learner.resume(before)
            loader.skip(learner.steps)
        trainer = pl.Trainer(
            accelerator="gpu" if prepared.source.device == "cuda" else "cpu", devices=1,
            max_steps=steps - learner.steps,
            val_check_interval=min(-(-steps // VALIDATIONS), MOST_BETWEEN), check_val_every_n_epoch=None,
            num_sanity_val_steps=0, logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, use_distributed_sampler=False,
        )  # fmt: skip
        validation = WindowLoader(prepared.source, parts.validation, 2 * config.batch_size)
        try:
            if watch.stop == "steps" and learner.steps < steps:
                trainer.fit(learner, loader, validation)
            if watch.wants_validation(learner.steps):
                trainer.validate(learner, validation, verbose=False)
        except SystemExit:  # what Lightning makes of a second Ctrl-C
            raise KeyboardInterrupt from None
    return tuple(watch.rounds), _finish(network, watch, config)


def _finish(network: Network, watch: Watch, config: TrainConfig) -> str:
    """Put the best weights back, or say why there are none."""
    kept = watch.restore(network)
    if watch.stop == "diverged":
        step = watch.rounds[-1].step
        hint = f"lower the rate: --set train.lr={config.lr / 10:g}"
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
    """Learning-rate factor by step: a linear rise, then constant or half a cosine down to 0."""
    rise = max(1, round(config.warmup * steps))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        if config.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))

    return factor


def _scored(judged: Forecaster, prepared: Prepared) -> tuple[artifact.Baselines, dict[str, Outcome]]:
    """The baselines that learned beside the model, and the test windows as forecast by it and by them."""
    test = prepared.parts.test
    if not len(test):
        return {}, {}
    kind: str = prepared.experiment.model.kind
    found = evaluation.baselines([name for name in evaluation.BASELINES if name != kind], prepared)
    outcomes = {name: one.outcome(prepared, test) for name, one in ({kind: judged} | found).items()}
    kept: dict[str, tuple[BaselineForecaster, Calibration | None]] = {}
    for name, one in found.items():
        if len(prepared.parts.train) and isinstance(one.reader.network, BaselineForecaster):
            kept[name] = one.reader.network, one.calibration
    return kept, outcomes


def save(result: Fit, folder: Path) -> None:
    """Write the model directory, with the scores, the loss curve and a picture of a held-out forecast."""
    artifact.save(result.model, folder, lambda draft: _write_extras(result, draft))


def _write_extras(result: Fit, folder: Path) -> None:
    """What people look at; nothing of it is read back."""
    from tsforge import plotting

    (folder / "scores.json").write_text(json.dumps(result.scores, indent=2) + "\n", encoding="utf-8")
    if result.rounds:
        header = "step,train_loss,validation_loss,seconds,windows\n"
        lines = [f"{r.step},{r.train:.6g},{r.validation:.6g},{r.seconds:.3f},{r.windows}\n" for r in result.rounds]
        (folder / "history.csv").write_text(header + "".join(lines), encoding="utf-8")
        plotting.loss_curve(result.rounds, folder / "loss.png")
    if result.outcomes:
        plotting.held_out(result.prepared.panel, result.prepared.parts.test, result.outcomes, folder / "forecast.png")


def _facts(prepared: Prepared) -> artifact.DataFacts:
    panel, source = prepared.panel, prepared.experiment.data.path
    stops = panel.first + prepared.cuts.validation - panel.offsets[:-1]
    seen = {panel.key(i): int(stop) for i, stop in enumerate(stops)}
    return artifact.DataFacts(
        columns=panel.schema, encodings=prepared.encodings, shape=prepared.source.shape._asdict(),
        source=source or "", series=len(panel),
        rows=int((panel.ends - panel.offsets[:-1]).sum()), seen=seen,
    )  # fmt: skip


def _say_padding(prepared: Prepared) -> None:
    count = padded(prepared.panel, prepared.parts.train, prepared.source.shape.context)
    if count:
        log.warning(
            "%d of %d series are shorter than context and horizon; their contexts are padded and masked",
            count, len(prepared.panel),
        )  # fmt: skip


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
