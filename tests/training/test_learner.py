"""The learner against hand-written AdamW, and when training stops and what it keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import cycle, pairwise

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from tsforge.batch import Batch, Context, Truth
from tsforge.experiment import TrainConfig
from tsforge.forecast import Point, Scaling
from tsforge.training.events import Round, Tick
from tsforge.training.learner import Learner, Turns
from tsforge.training.monitor import Monitor

L, H = 4, 3
torch.set_num_threads(1)


def batches(count: int, seed: int = 0) -> list[Batch]:
    """Batches with unequal numbers of observed truths."""
    g = torch.Generator().manual_seed(seed)
    made = []
    for i in range(count):
        target, after = torch.randn(5, L, 1, generator=g), torch.randn(5, H, 1, generator=g)
        observed = torch.rand(5, H, 1, generator=g) >= (0.1 if i % 2 else 0.7)
        observed[0, 0] = True
        nothing = torch.zeros(5, L, 0)
        seen = torch.ones(5, L, 1, dtype=torch.bool)
        given = Context(target, seen, nothing, nothing, torch.zeros(5, 0), torch.arange(5), torch.zeros(5, 2, 1))
        made.append(Batch(given, Truth(after * observed, observed)))
    return made


class Line(nn.Module):
    """y = W x + b, the smallest network there is."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.out = nn.Linear(L, H)

    def forward(self, context: Context) -> Point:
        one = torch.ones(context.target.shape[0], 1, 1)
        return Point(self.out(context.target[..., 0]).unsqueeze(-1), Scaling(0 * one, one))


class Scripted(nn.Module):
    """A network whose every training step adds 1 to its weight, and whose losses are told in advance."""

    def __init__(self, validation: list[float], train: list[float] | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.script = {False: iter(validation), True: iter(train or [])}
        self.seen: list[float] = []  # the weight at each validation

    def forward(self, _context: Context) -> Scripted:
        return self

    def loss(self, _truth: Truth) -> Tensor:
        if not self.training:
            self.seen.append(float(self.weight.detach()))
        value = next(self.script[self.training], 0.0)
        return value + (self.weight - self.weight.detach())


class Loader:
    """Batches, once or again and again; Lightning takes a list for several loaders."""

    def __init__(self, given: list[Batch], *, endless: bool = False) -> None:
        self.given, self.endless = given, endless

    def __iter__(self) -> Iterator[Batch]:
        return cycle(self.given) if self.endless else iter(self.given)


def run(
    network: nn.Module, train: list[Batch], validation: list[Batch], steps: int, every: int = 1, *,
    clip: float = 1.0, weight_decay: float = 0.0, rate: Callable[[int], float] = lambda _: 1.0,
    patience: int = 99, max_time: float | None = None, monitor: Monitor | None = None,
    report: Callable[[Round | Tick], None] = lambda _: None,
) -> Monitor:  # fmt: skip
    """A tiny training; what watched over it."""
    monitor = monitor or Monitor(5, patience, max_time, report)
    config = TrainConfig(lr=0.1, clip=clip, weight_decay=weight_decay, average=0.0)
    learner = Learner(network, monitor, config, rate)
    turns = Turns(Loader(train, endless=True), steps, every)
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, val_check_interval=turns.between, check_val_every_n_epoch=None,
        num_sanity_val_steps=0, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(learner, turns, Loader(validation))
    return monitor


def gradients(W: np.ndarray, b: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Of the mean squared error over observed truths, by the chain rule."""
    x, y = (t[..., 0].double().numpy() for t in (batch.context.target, batch.truth.target))
    gap = (x @ W.T + b - y) * batch.truth.observed[..., 0].numpy()
    n = int(batch.truth.observed.sum())
    return 2 * gap.T @ x / n, 2 * gap.sum(axis=0) / n


@pytest.mark.parametrize("clip", [0.05, 100.0])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_steps_are_those_of_adamw_by_hand(clip: float, weight_decay: float) -> None:
    """Gradients clipped never, twice or after the step; a schedule a step late; coupled decay."""
    network, given = Line(), batches(4)
    parts = [p.detach().double().numpy().copy() for p in network.out.parameters()]
    m, v = [0 * p for p in parts], [0 * p for p in parts]
    norms = []
    for t, batch in enumerate(given, 1):
        found = gradients(*parts, batch)
        norms.append(math.sqrt(sum((g**2).sum() for g in found)))
        factor, lr = min(1.0, clip / norms[-1]), 0.1 * t / 4
        for i, g in enumerate(found):
            m[i] = 0.9 * m[i] + 0.1 * factor * g
            v[i] = 0.999 * v[i] + 0.001 * (factor * g) ** 2
            step = (m[i] / (1 - 0.9**t)) / (np.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)
            parts[i] = parts[i] * (1 - lr * weight_decay) - lr * step
    assert (min(norms) > clip) or (max(norms) < clip)
    run(
        network,
        given,
        batches(1),
        4,
        4,
        clip=clip,
        weight_decay=weight_decay,
        rate=lambda step: (step + 1) / 4,
    )
    for parameter, expected in zip(network.out.parameters(), parts, strict=True):
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_validation_loss_is_pooled_over_observed_truths() -> None:
    """A mean of batch means, in which a batch with few truths counts as much as a full one."""
    network, given = Line(), batches(4, seed=3)
    monitor = run(network, batches(1), given, 1)
    joined = [torch.cat(parts) for parts in zip(*(batch.truth for batch in given), strict=True)]
    context = Context(*(torch.cat(parts) for parts in zip(*(batch.context for batch in given), strict=True)))
    with torch.no_grad():
        expected = float(network(context).loss(Truth(*joined)))
    assert monitor.rounds[-1].validation == pytest.approx(expected, rel=1e-5)


def test_training_loss_is_the_mean_since_the_last_round() -> None:
    """A loss curve of single batches, or one that averages over the whole past."""
    losses = [5.0, 1.0, 3.0, 7.0, 2.0, 2.0]
    monitor = run(Scripted([1.0, 1.0, 1.0], losses), batches(1), batches(1), 6, every=2)
    assert [r.train for r in monitor.rounds] == pytest.approx([3, 5, 2])
    assert [(r.step, r.windows) for r in monitor.rounds] == [(2, 10), (4, 20), (6, 30)]


@pytest.mark.parametrize("script", [[3, 2, 4, 5], [1, 2, 3], [3, 2, 1], [2, 2, 2], [5, 6, 4, 4, 3, 9]])
def test_the_best_weights_are_kept(script: list[float]) -> None:
    """The last weights, or a reference to weights that training goes on changing."""
    network = Scripted(script)
    monitor = run(network, batches(1), batches(1), len(script))
    assert [r.best for r in monitor.rounds] == [s < min(script[:i], default=math.inf) for i, s in enumerate(script)]
    assert [r.validation for r in monitor.rounds] == script
    assert all(b != a for a, b in pairwise(network.seen))
    assert monitor.restore(network)
    assert float(network.weight.detach()) == network.seen[script.index(min(script))]


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_patience_counts_validations_without_an_improvement(patience: int) -> None:
    """Training that stops one validation early or late, or that does not start counting again."""
    script = [5.0, 4.0, 6.0, 3.0, 3.0, 3.0, 3.0, 3.0]
    expected, since, best = len(script), 0, math.inf
    for i, loss in enumerate(script, 1):
        since, best = (0, loss) if loss < best else (since + 1, best)
        if since >= patience:
            expected = i
            break
    monitor = run(Scripted(script), batches(1), batches(1), len(script), patience=patience)
    assert len(monitor.rounds) == expected < len(script)
    assert monitor.stop == "patience"


def test_training_to_the_end_says_so() -> None:
    """A reason for stopping that was none."""
    monitor = run(Scripted([3.0, 2.0, 4.0]), batches(1), batches(1), 3)
    assert monitor.stop == "steps"
    assert monitor.rounds[-1].step == 3


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_diverged_validation_stops_and_keeps_the_best(bad: float) -> None:
    """Hours of training on NaN, or NaN as the best loss ever."""
    network = Scripted([2.0, 1.0, bad, 0.5])
    monitor = run(network, batches(1), batches(1), 4)
    assert (monitor.stop, len(monitor.rounds)) == ("diverged", 3)
    assert not monitor.rounds[-1].best
    assert monitor.restore(network)
    assert float(network.weight.detach()) == network.seen[1]


def test_a_diverged_training_loss_stops() -> None:
    """A training loss that is no number beside a validation that still is."""
    monitor = run(Scripted([2.0, 1.0, 0.5], [1.0, math.nan, 1.0]), batches(1), batches(1), 3)
    assert (monitor.stop, len(monitor.rounds)) == ("diverged", 2)


def test_diverged_from_the_start_keeps_nothing() -> None:
    """Weights of NaN that are put back as if they were the best."""
    network = Scripted([math.nan, 1.0])
    monitor = run(network, batches(1), batches(1), 2)
    after = float(network.weight.detach())
    assert monitor.stop == "diverged"
    assert not monitor.restore(network)
    assert float(network.weight.detach()) == after


def test_an_interrupt_ends_after_the_step_with_the_best_weights() -> None:
    """A Ctrl-C that loses what was learned so far, or is not noticed before the next validation."""
    network = Scripted([2.0, 1.0, 3.0])
    monitor = Monitor(5, 99, None, lambda _: None)

    def report(event: Round | Tick) -> None:
        monitor.interrupted = isinstance(event, Round) and event.step == 10

    monitor.report = report
    run(network, batches(1), batches(1), 30, every=5, monitor=monitor)
    assert monitor.stop == "interrupt"
    assert [r.step for r in monitor.rounds][:2] == [5, 10]
    assert float(network.weight.detach()) == pytest.approx(network.seen[1] * 11 / 10)
    assert monitor.restore(network)
    assert float(network.weight.detach()) == network.seen[1]


def test_time_is_up_at_a_sign_of_life() -> None:
    """A limit of time that training ignores."""
    monitor = run(Scripted([]), batches(1), batches(1), 10 * Monitor.TICK, every=1000, max_time=1e-9)
    assert monitor.stop == "time"


def test_signs_of_life() -> None:
    """A progress display that stands still between two validations, or counts windows as steps."""
    seen: list[Round | Tick] = []
    run(Scripted([]), batches(1), batches(1), 2 * Monitor.TICK + 1, every=1000, report=seen.append)
    ticks = [event for event in seen if isinstance(event, Tick)]
    assert [(t.step, t.windows) for t in ticks] == [(n * Monitor.TICK, 5 * n * Monitor.TICK) for n in (1, 2)]
    assert 0 < ticks[0].seconds < ticks[1].seconds


def test_rounds_are_reported_as_they_come() -> None:
    """A report that is sent at the end, or not at all."""
    seen: list[Round | Tick] = []
    monitor = run(Scripted([3.0, 2.0]), batches(1), batches(1), 2, report=seen.append)
    assert seen == monitor.rounds
    assert monitor.rounds[0].seconds < monitor.rounds[1].seconds


def test_average_of_the_weights_is_what_is_validated_and_kept() -> None:
    """A validation of the live weights, weights not swapped back, or an average that forgets too fast or too slowly."""
    network = Scripted([3.0, 2.0, 4.0])
    monitor = Monitor(5, 99, None, lambda _: None)
    learner = Learner(network, monitor, TrainConfig(lr=1.0, clip=9.0, average=0.5), lambda _: 1.0)
    turns = Turns(Loader(batches(1), endless=True), 6, 2)
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, val_check_interval=turns.between, check_val_every_n_epoch=None,
        num_sanity_val_steps=0, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(learner, turns, Loader(batches(1)))
    live, mean, expected = 0.0, 0.0, []
    for step in range(1, 7):
        live -= 1.0  # AdamW moves by its rate under a constant gradient
        decay = min(0.5, step / (step + 10))
        mean = decay * mean + (1 - decay) * live
        if step % 2 == 0:
            expected.append(mean)
    assert network.seen == pytest.approx(expected, rel=1e-4)
    assert float(network.weight.detach()) == pytest.approx(live, rel=1e-4)
    assert monitor.restore(network)
    assert float(network.weight.detach()) == pytest.approx(expected[1], rel=1e-4)
