"""What an architecture costs and can do, measured: parallelism, memory, reach, speed.

Every probe looks at the backbone alone, between two linear layers, on tokens that are made up here: data and pipeline
are the same for all, so that what differs is the architecture. A probe needs nothing but a `Neural` config, so an
architecture that is added later is measured without a change here.

Axes: S sequences, L length (past tokens), I inputs, D width.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from tsforge.model.network import Neural
from tsforge.model.tokens import TokenShape, sinusoids

SOLVED_ERROR = 0.01  # test mean squared error of a solved task
SOLVED_SHARE, SOLVED_WITHIN = 0.95, 0.04  # and so many of its errors below this
TEST = 2000  # sequences of a task's test
CHECK = 50  # steps between looks at whether a task is solved

Task = Literal["adding", "recall"]


@dataclass(frozen=True)
class Curve:
    """A figure against sequence length."""

    lengths: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """Slope of log value against log length: 0 does not grow, 1 grows in proportion, 2 with the square."""
        if len(self.lengths) < 2 or min(self.values) <= 0:
            return math.nan
        return float(np.polyfit(np.log(self.lengths), np.log(self.values), 1)[0])

    @property
    def ratio(self) -> float:
        """The last value over the first."""
        return self.values[-1] / self.values[0]


class Sequences(nn.Module):
    """A backbone between two linear layers: sequences (S, L, I) to one number each, (S,)."""

    positions: Tensor

    def __init__(self, config: Neural, length: int, inputs: int) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, config.width)
        self.ask = nn.Parameter(torch.randn(1, 1, config.width) * 0.02)  # the token that the answer is read from
        self.backbone = config.backbone.build(TokenShape(length, 1, config.width))
        self.out = nn.Linear(config.width, 1)
        self.register_buffer("positions", sinusoids(length + 1, config.width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (S, L, I) -> (S,)."""
        L = x.shape[1]
        past = self.embed(x) + self.positions[:L]
        future = self.ask.expand(len(x), -1, -1) + self.positions[L:]
        h: Tensor = future + self.backbone(past, future)
        answer: Tensor = self.out(h)[:, 0, 0]
        return answer


def step_times(configs: dict[str, Neural], lengths: Sequence[int], tokens: int, repeats: int) -> dict[str, Curve]:
    """Seconds of one training step (forward, backward, update) by length, at `tokens` tokens per batch.

    Models and lengths take turns, round after round, so that a busy moment of the machine hits all alike; the median
    of the rounds counts.
    """
    steps: dict[tuple[str, int], Callable[[], None]] = {}
    for name, config in configs.items():
        for length in lengths:
            steps[name, length] = _step(config, length, max(1, tokens // length))
    seconds: dict[tuple[str, int], list[float]] = {key: [] for key in steps}
    for turn in range(repeats + 1):
        for key, step in steps.items():
            start = time.perf_counter()
            step()
            if turn:  # the first one warms up
                seconds[key].append(time.perf_counter() - start)
    return {
        name: Curve(tuple(lengths), tuple(float(np.median(seconds[name, length])) for length in lengths))
        for name in configs
    }


def saved_bytes(config: Neural, lengths: Sequence[int], sequences: int) -> Curve:
    """Bytes that a training step keeps for its backward pass, by length, for so many sequences.

    Counted where autograd saves them, each storage once, without the weights: exact, and the same on every machine.
    """
    found = []
    for length in lengths:
        with _seeded(0):
            network, x = Sequences(config, length, 2), torch.randn(sequences, length, 2)
        weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
        kept: dict[int, int] = {}

        def note(tensor: Tensor, weights: set[int] = weights, kept: dict[int, int] = kept) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = network(x).square().mean()
        loss.backward()
        found.append(float(sum(kept.values())))
    return Curve(tuple(lengths), tuple(found))


def peak_bytes(config: Neural, lengths: Sequence[int], sequences: int) -> Curve | None:
    """Peak of allocated GPU memory over one training step, by length; None without a GPU."""
    if not torch.cuda.is_available():
        return None
    found = []
    for length in lengths:
        network, x = Sequences(config, length, 2).cuda(), torch.randn(sequences, length, 2, device="cuda")
        torch.cuda.reset_peak_memory_stats()
        network(x).square().mean().backward()
        found.append(float(torch.cuda.max_memory_allocated()))
    return Curve(tuple(lengths), tuple(found))


def gradient_reach(config: Neural, length: int, sequences: int = 64, seed: int = 0) -> tuple[float, ...]:
    """Mean norm of the answer's gradient with respect to the input k steps before the end, k = 1 ... L.

    Of a network as it is built: what is small here can hardly be learned from.
    """
    with _seeded(seed):
        network = Sequences(config, length, 1)
        x = torch.randn(sequences, length, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x).sum(), x)
    return tuple(gradient.norm(dim=-1).mean(dim=0).flip(0).tolist())


def half_life(norms: Sequence[float]) -> float:
    """Steps within which the gradient's norm halves: of the exponential that fits it best; inf where it does not fall.

    norms: by distance, k = 1 ... L, as from `gradient_reach`.
    """
    values = np.maximum(np.asarray(norms, dtype=float), 1e-30)
    slope = float(np.polyfit(np.arange(len(values)), np.log(values), 1)[0])
    return math.log(2) / -slope if slope < 0 else math.inf


@dataclass(frozen=True)
class Attempt:
    """One training on a task. error: test mean squared error; within: share of absolute errors below 0.04."""

    lag: int
    seed: int
    error: float
    within: float
    steps: int
    seconds: float

    @property
    def solved(self) -> bool:
        return self.error < SOLVED_ERROR and self.within >= SOLVED_SHARE


@dataclass(frozen=True)
class Budget:
    """Of one attempt: training steps at most, sequences per step, learning rate, seconds at most."""

    steps: int
    batch: int = 32
    lr: float = 2e-3
    seconds: float = math.inf


def longest_lag(config: Neural, task: Task, lags: Sequence[int], seeds: int, budget: Budget) -> list[Attempt]:
    """Attempts at a task over ascending lags, each with several seeds, until a lag that no seed solves."""
    attempts: list[Attempt] = []
    for lag in sorted(lags):
        now = [attempt(config, task, lag, seed, budget) for seed in range(seeds)]
        attempts += now
        if not any(a.solved for a in now):
            break
    return attempts


def solved_lag(attempts: Sequence[Attempt]) -> int:
    """The longest lag that most seeds solved; 0 where there is none."""
    lags = sorted({a.lag for a in attempts})
    solved = [lag for lag in lags if 2 * sum(a.solved for a in attempts if a.lag == lag) > _seeds(attempts, lag)]
    return max(solved, default=0)


def attempt(config: Neural, task: Task, lag: int, seed: int, budget: Budget) -> Attempt:
    """Train on fresh sequences of a task until it is solved or the budget is spent."""
    make = draw_adding if task == "adding" else draw_recall
    random = torch.Generator().manual_seed(1_000_003 * seed + lag)
    with _seeded(seed):
        network = Sequences(config, lag, 2)
    optimiser = torch.optim.Adam(network.parameters(), lr=budget.lr)
    test = make(TEST, lag, torch.Generator().manual_seed(-1 - seed))
    start, step = time.perf_counter(), 0
    found = (math.inf, 0.0)
    while step < budget.steps and time.perf_counter() - start < budget.seconds:
        x, y = make(budget.batch, lag, random)
        loss = (network(x) - y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        if step % CHECK == 0 or step == budget.steps:
            found = _test(network, test)
            if found[0] < SOLVED_ERROR and found[1] >= SOLVED_SHARE:
                break
    return Attempt(lag, seed, found[0], found[1], step, time.perf_counter() - start)


def draw_adding(n: int, lag: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """The adding problem: values in [0, 1] and two marks, the first among the first tenth of `lag` steps, the second in
    the last half; the answer is the sum of the marked values. Guessing 1 has an error of 1/6.

    (Hochreiter & Schmidhuber 1997, section 5.4.) x (n, lag, 2), y (n,).
    """
    values = torch.rand(n, lag, generator=random)
    first = torch.randint(0, max(1, lag // 10), (n,), generator=random)
    second = torch.randint(lag // 2, lag, (n,), generator=random)
    marks = torch.zeros(n, lag)
    rows = torch.arange(n)
    marks[rows, first] = marks[rows, second] = 1.0
    return torch.stack([values, marks], dim=-1), values[rows, first] + values[rows, second]


def draw_recall(n: int, lag: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Recall: the answer is the first of `lag` values in [0, 1], which is marked; the others are noise."""
    values = torch.rand(n, lag, generator=random)
    marks = torch.zeros(n, lag)
    marks[:, 0] = 1.0
    return torch.stack([values, marks], dim=-1), values[:, 0].clone()


def _test(network: Sequences, test: tuple[Tensor, Tensor]) -> tuple[float, float]:
    """(mean squared error, share of errors below 0.04)."""
    with torch.inference_mode():
        x, y = test
        error = torch.cat([network(x[i : i + 250]) for i in range(0, len(x), 250)]) - y
        return float(error.square().mean()), float((error.abs() < SOLVED_WITHIN).float().mean())


def _step(config: Neural, length: int, sequences: int) -> Callable[[], None]:
    """One training step on a batch that lies ready."""
    with _seeded(0):
        network, x = Sequences(config, length, 2), torch.randn(sequences, length, 2)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)

    def step() -> None:
        optimiser.zero_grad()
        network(x).square().mean().backward()
        optimiser.step()

    return step


def _seeds(attempts: Sequence[Attempt], lag: int) -> int:
    return sum(a.lag == lag for a in attempts)


class _seeded:  # noqa: N801  (reads as a function)
    """torch's random numbers from a seed inside, and as they were outside."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __enter__(self) -> None:
        self.before = torch.random.get_rng_state()
        torch.manual_seed(self.seed)

    def __exit__(self, *_: object) -> None:
        torch.random.set_rng_state(self.before)
