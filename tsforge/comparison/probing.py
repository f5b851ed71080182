"""The probes, run over every architecture at the same number of parameters."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import torch

from tsforge.comparison import widths
from tsforge.comparison.config import CompareConfig, ProbesConfig
from tsforge.comparison.probes import cost, memory_tasks
from tsforge.comparison.probes.memory_tasks import TASKS, Attempt
from tsforge.comparison.results import Probed
from tsforge.model.network import Neural
from tsforge.runtime import plugins
from tsforge.runtime.seeds import seeded
from tsforge.runtime.threads import threads

SEQUENCES = 64  # over which the norm of a gradient is averaged

Say = Callable[[str], None]
Probes = dict[str, Probed]
Reach = dict[str, tuple[float, ...]]


def probe(config: CompareConfig, say: Say, workers: int = 1) -> Probes:
    """Every probe of every model; an empty result where probes are left out.

    workers: processes for the tasks, which are the long part and measure no time; what they find does not depend on it.
    """
    asked = config.probes
    if not asked:
        return {}
    named = {name: config.model(name) for name in config.models}
    sizes = widths.widths({name: widths.of_sequences(c) for name, c in named.items()}, asked.parameters)
    configs = {name: c.model_copy(update={"width": sizes[name][0]}) for name, c in named.items()}
    say("probes: dependent operations and memory")
    chain = {name: cost.dependent_operations(c, asked.lengths) for name, c in configs.items()}
    saved = {name: cost.saved_bytes(c, asked.lengths, asked.sequences) for name, c in configs.items()}
    peak = {name: cost.peak_bytes(c, asked.lengths, asked.sequences) for name, c in configs.items()}
    tasks = _tasks(configs, asked, say, workers)
    say(f"probes: the time of a step at {len(asked.lengths)} lengths")
    seconds = cost.step_times(configs, asked.lengths, asked.tokens, asked.repeats)
    return {
        name: Probed(*sizes[name], chain[name], seconds[name], saved[name], peak[name], *tasks[name])
        for name in config.models
    }


def _tasks(
    configs: dict[str, Neural], asked: ProbesConfig, say: Say, workers: int
) -> dict[str, tuple[dict[str, tuple[Attempt, ...]], Reach]]:
    """(attempts by task, gradients' reach) by model."""

    def told(name: str, task: str) -> Callable[[Future[list[Attempt]]], None]:
        def tell(done: Future[list[Attempt]]) -> None:
            if not done.cancelled() and done.exception() is None:
                say(f"probes: {name}, {task}: {memory_tasks.solved_lag(done.result())} steps are remembered")

        return tell

    say(f"probes: {' and '.join(TASKS)} at lags of {', '.join(map(str, asked.lags))}, which takes longest")
    attempts: dict[str, dict[str, Future[list[Attempt]]]] = {name: {} for name in configs}
    with _pool(workers) as pool:
        # The last named first: the longest lags, and so the longest work, are with attention.
        for name, config in reversed(configs.items()):
            for task in TASKS:
                spend = (asked.lags, asked.seeds, asked.budget)
                attempts[name][task] = pool.submit(memory_tasks.longest_lag, config, task, *spend)
                attempts[name][task].add_done_callback(told(name, task))
        reaches = {name: pool.submit(reach, config, asked) for name, config in reversed(configs.items())}
        return {
            name: ({task: tuple(attempts[name][task].result()) for task in TASKS}, reaches[name].result())
            for name in configs
        }


def reach(config: Neural, asked: ProbesConfig) -> Reach:
    """Gradient norms by distance, of the network as built and of the same one trained on recall."""
    _, trained = memory_tasks.attempt(config, "recall", asked.reach, 0, asked.budget)
    with seeded(0):
        built = cost.Sequences(config, asked.reach, 2)
    x, _ = memory_tasks.draw_recall(SEQUENCES, asked.reach, torch.Generator().manual_seed(1))
    return {"initial": cost.gradient_reach(built, x), "trained": cost.gradient_reach(trained, x)}


class _Here(Executor):
    """Runs everything at once, in this process."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(function(*arguments, **named))
        return done


def _begin(parent: int) -> None:
    """One thread to compute with; and one that ends the process with its parent, also where that was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    torch.set_num_threads(1)
    plugins.ready()
    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _pool(workers: int) -> Iterator[Executor]:
    """One thread each, so that a task ends alike however many run beside it."""
    if workers > 1:
        with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (os.getpid(),)) as pool:
            try:
                yield pool
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return
    with threads(1):
        yield _Here()
