"""The probes, run over every architecture at the same number of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import torch

from tsforge import probes, tasks
from tsforge.comparison import matching
from tsforge.comparison.config import CompareConfig, ProbesConfig
from tsforge.comparison.measured import Probed
from tsforge.model.network import Neural
from tsforge.tasks import Attempt, Task

SEQUENCES = 64  # over which the norm of a gradient is averaged
TASKS: tuple[Task, ...] = ("adding", "recall")

Say = Callable[[str], None]
Found = dict[str, Probed]
Reach = dict[str, tuple[float, ...]]


def probe(config: CompareConfig, say: Say, workers: int = 1) -> Found:
    """Every probe of every model; an empty result where probes are left out.

    workers: processes for the tasks, which are the long part and measure no time; what they find does not depend on it.
    """
    asked = config.probes
    if not asked:
        return {}
    named = {name: config.model(name) for name in config.models}
    sizes = matching.widths({name: matching.of_sequences(c) for name, c in named.items()}, asked.parameters)
    configs = {name: c.model_copy(update={"width": sizes[name][0]}) for name, c in named.items()}
    say("probes: dependent operations and memory")
    chain = {name: probes.dependent_operations(c, asked.lengths) for name, c in configs.items()}
    saved = {name: probes.saved_bytes(c, asked.lengths, asked.sequences) for name, c in configs.items()}
    peak = {name: probes.peak_bytes(c, asked.lengths, asked.sequences) for name, c in configs.items()}
    found = _tasks(configs, asked, say, workers)
    say(f"probes: the time of a step at {len(asked.lengths)} lengths")
    seconds = probes.step_times(configs, asked.lengths, asked.tokens, asked.repeats)
    return {
        name: Probed(*sizes[name], chain[name], seconds[name], saved[name], peak[name], *found[name])
        for name in config.models
    }


def _tasks(
    configs: dict[str, Neural], asked: ProbesConfig, say: Say, workers: int
) -> dict[str, tuple[dict[str, tuple[Attempt, ...]], Reach]]:
    """(attempts by task, gradients' reach) by model, as the processes finish them."""
    attempts: dict[str, dict[str, tuple[Attempt, ...]]] = {name: {} for name in configs}
    reaches: dict[str, Reach] = {}
    with _pool(workers) as run:
        # The last named first: the longest lags, and so the longest work, are with attention.
        order = list(reversed(configs.items()))
        waiting = {(n, task): run(_attempts, c, task, asked) for n, c in order for task in TASKS}
        reaching = {n: run(reach, c, asked) for n, c in order}
        for (name, task), result in waiting.items():
            attempts[name][task] = tuple(result())
            say(f"probes: {name} remembers {tasks.solved_lag(attempts[name][task])} steps in {task}")
        for name, result in reaching.items():
            reaches[name] = result()
    return {name: ({task: attempts[name][task] for task in TASKS}, reaches[name]) for name in configs}


def reach(config: Neural, asked: ProbesConfig) -> Reach:
    """Gradient norms by distance, of the network as built and of the same one trained on recall."""
    _, trained = tasks.attempt(config, "recall", asked.reach, 0, asked.budget)
    with probes.seeded(0):
        built = probes.Sequences(config, asked.reach, 2)
    x, _ = tasks.draw_recall(SEQUENCES, asked.reach, torch.Generator().manual_seed(1))
    return {"initial": probes.gradient_reach(built, x), "trained": probes.gradient_reach(trained, x)}


def _attempts(config: Neural, task: Task, asked: ProbesConfig) -> list[Attempt]:
    return tasks.longest_lag(config, task, asked.lags, asked.seeds, asked.budget)


@contextmanager
def _pool(workers: int) -> Iterator[Callable[..., Callable[[], Any]]]:
    """run(function, *arguments) -> a function that waits for its result; with one worker everything runs here.

    One thread each, so that a task ends alike however many run beside it.
    """
    if workers > 1:
        with ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
            yield lambda function, *arguments: pool.submit(function, *arguments).result
            return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield lambda function, *arguments: lambda: function(*arguments)
    finally:
        torch.set_num_threads(before)
