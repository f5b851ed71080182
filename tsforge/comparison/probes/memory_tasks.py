"""Tasks that need a long memory: how far back a backbone can learn to look, within a budget.

Axes: S sequences, L length (past tokens).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tsforge.comparison.probes.cost import Sequences
from tsforge.model.network import Neural
from tsforge.runtime.seeds import seeded

SOLVED_ERROR = 0.01  # test mean squared error of a solved task
SOLVED_SHARE, SOLVED_WITHIN = 0.95, 0.04  # and the share of its absolute errors that is below a limit
TEST = 2000  # sequences of a task's test
FIRST = 250  # of them that come first: the others are only tested where these are solved
CHECK = 50  # training steps between tests


@dataclass(frozen=True)
class MemoryTask:
    """A task whose answer lies far back.

    draw: n sequences of a length and their answers, x (n, lag, 2) and y (n,).
    what: to do, in words.
    """

    draw: Callable[[int, int, torch.Generator], tuple[Tensor, Tensor]]
    what: str


@dataclass(frozen=True)
class Attempt:
    """One training on a task.

    error, within: mean squared error of the test, and the share of its absolute errors below 0.04; over 2,000 sequences
    where the task is solved, over the first 250 of them where it is not.
    """

    lag: int
    seed: int
    error: float
    within: float
    steps: int

    @property
    def solved(self) -> bool:
        return _solves(self.error, self.within)


@dataclass(frozen=True)
class Budget:
    """What one attempt may spend: training steps and tokens at most; with sequences per step and a learning rate.

    A count and not seconds, so that the same seeds solve the same lags on every machine.
    """

    steps: int
    tokens: float = math.inf
    batch: int = 32
    lr: float = 5e-3

    def of(self, lag: int) -> int:
        """Steps that a lag may take."""
        return max(1, int(min(self.steps, self.tokens / (self.batch * lag))))


def longest_lag(config: Neural, task: str, lags: Sequence[int], seeds: int, budget: Budget) -> list[Attempt]:
    """Attempts at a task over ascending lags, up to a lag that most seeds fail; its other seeds are not tried."""
    attempts: list[Attempt] = []
    for lag in sorted(lags):
        failed = 0
        for seed in range(seeds):
            attempts.append(attempt(config, task, lag, seed, budget)[0])
            failed += not attempts[-1].solved
            if 2 * failed >= seeds:
                return attempts
    return attempts


def solved_lag(attempts: Sequence[Attempt]) -> int:
    """The longest lag that most seeds solved; 0 where there is none."""
    by_lag = {a.lag: [b.solved for b in attempts if b.lag == a.lag] for a in attempts}
    return max((lag for lag, solved in by_lag.items() if 2 * sum(solved) > len(solved)), default=0)


def attempt(config: Neural, task: str, lag: int, seed: int, budget: Budget) -> tuple[Attempt, Sequences]:
    """Train on fresh sequences of a task until it is solved or the budget is spent; how it went, and the network."""
    draw = TASKS[task].draw
    random = torch.Generator().manual_seed(1_000_003 * seed + lag)
    with seeded(seed):
        network = Sequences(config, lag, 2)
    optimiser = torch.optim.Adam(network.parameters(), lr=budget.lr)
    test = draw(TEST, lag, torch.Generator().manual_seed(-1 - seed))
    result, steps = (math.inf, 0.0), budget.of(lag)
    for step in range(1, steps + 1):
        x, y = draw(budget.batch, lag, random)
        loss = (network(x) - y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if step % CHECK == 0 or step == steps:
            result = _test(network, test, FIRST)
            if _solves(*result):
                result = _test(network, test, TEST)
            if _solves(*result):
                break
    return Attempt(lag, seed, *result, step), network


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


TASKS = {
    "adding": MemoryTask(draw_adding, "to add two marked numbers, the first among the first tenth of a noisy sequence, "
        "the second in its last half (guessing the mean has an error of 1/6)"),
    "recall": MemoryTask(draw_recall, "to recall the first number of a sequence, all others being noise (guessing the "
        "mean has an error of 1/12)"),
}  # fmt: skip


def _solves(error: float, within: float) -> bool:
    return error < SOLVED_ERROR and within >= SOLVED_SHARE


def _test(network: Sequences, test: tuple[Tensor, Tensor], count: int) -> tuple[float, float]:
    """(mean squared error, share of errors below 0.04) of the first `count` sequences."""
    with torch.inference_mode():
        x, y = (part[:count] for part in test)
        error = torch.cat([network(x[i : i + FIRST]) for i in range(0, count, FIRST)]) - y
        return float(error.square().mean()), float((error.abs() < SOLVED_WITHIN).float().mean())
