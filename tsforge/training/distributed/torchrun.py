"""A command that torchrun has started, once for every process: where this one stands, and what all must agree on."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TypeVar

from tsforge.errors import ConfigError, DataError, TsforgeError
from tsforge.experiment import TrainConfig
from tsforge.runtime import stopping
from tsforge.training.distributed.ranks import Place, current, lost, torchrun_store

Result = TypeVar("Result")

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


PLAN = "tsforge-plan"  # where the first process leaves it in torchrun's store
_COUNT = count()  # of announcements, as many in every process
GRACE = 10.0  # seconds in which the first process can say what is wrong, before torchrun ends all of them


class Follows(SystemExit):
    """The end of a process that says nothing, as the first says it for all."""


@contextmanager
def silent() -> Iterator[None]:
    """Of what goes wrong within the block the first process speaks, and torchrun where that is gone."""
    try:
        try:
            yield
        except (TsforgeError, Follows):
            time.sleep(GRACE)
            raise Follows(2) from None
    except KeyboardInterrupt:
        raise Follows(stopping.exit_code()) from None


def place() -> Place | None:
    """Where this process stands by the environment; None where torchrun has not started several."""
    if not all(os.environ.get(name) for name in NAMES if name != "LOCAL_WORLD_SIZE"):
        return None
    rank, count, local = (int(os.environ[name]) for name in NAMES[:3])
    here = int(os.environ.get("LOCAL_WORLD_SIZE") or count)
    return Place(rank, count, local, here, port=None) if count > 1 else None


def settings(train: TrainConfig) -> dict[str, int]:
    """train.devices and train.nodes as torchrun has them, dotted; nothing without it.

    Raises ConfigError where they were given otherwise.
    """
    here = place()
    if here is None:
        return {}
    there = {"devices": here.here, "nodes": here.count // here.here}
    for name, value in there.items():
        given = getattr(train, name)
        if name in train.model_fields_set and given != value:
            hint = f"leave train.{name} out, or start as many with torchrun --nnodes and --nproc-per-node"
            raise ConfigError(f"train.{name} = {given}, and torchrun has started {value}", hint)
    return {f"train.{name}": value for name, value in there.items()}


def command(train: TrainConfig, words: str) -> str:
    """What to start on each machine. words: the command as it was given, from "tsforge" on."""
    where = f"--nnodes {train.nodes} --nproc-per-node {train.devices}"
    return f"torchrun {where} --rdzv-backend c10d --rdzv-endpoint FIRST_MACHINE:29400 -m {words}"


def announced(work: Callable[[], Result], words: Callable[[Result], str]) -> Result:
    """What the first process makes before all have joined; the others are told of it in words, by `heard`."""
    if (here := place()) is None:
        return work()
    store, key = torchrun_store(here), f"{PLAN}-{next(_COUNT)}"
    try:
        result = work()
        store.set(key, words(result))
    except BaseException:
        store.set(key, "")
        raise
    return result


def heard() -> str:
    """What the first process has announced. Raises Follows where that was an error, LostError where it is gone."""
    here = place()
    assert here is not None
    try:
        words: str = torchrun_store(here).get(f"{PLAN}-{next(_COUNT)}").decode()
    except RuntimeError as problem:
        raise lost(here, problem) from None
    if not words:
        raise Follows(2)
    return words


def alike(work: Callable[[], Result], digest: Callable[[Result], str]) -> Result:
    """What each process makes by itself, which must be the same for all that train together.

    The first raises what went wrong with any of them, for all: the others end with `Follows`.
    digest: what is compared.
    """
    if (ranks := current()) is None:
        return work()
    result, problem, mark = None, None, ""
    try:
        result = work()
        mark = digest(result)
    except TsforgeError as caught:
        problem = caught
    known = ranks.gathered((socket.gethostname(), mark, problem and (problem.message, problem.hint)))
    failed = next(((rank, host, why) for rank, (host, _, why) in enumerate(known) if why), None)
    other = next(((rank, host) for rank, (host, seen, _) in enumerate(known) if seen != known[0][1]), None)
    if failed is None and other is None:
        assert result is not None
        return result
    if not ranks.first:
        raise Follows(2)
    if problem is not None:
        raise problem
    if failed is not None:
        rank, host, (message, hint) = failed
        raise DataError(f"on {host} (process {rank + 1} of {len(known)}): {message}", hint)
    assert other is not None
    text = f"process {other[0] + 1} of {len(known)} on {other[1]} reads other data than the first on {known[0][0]}"
    raise DataError(text, "give all machines the same file")


@contextmanager
def taken() -> Iterator[None]:
    """The environment without torchrun's variables: what we start would take them for its own."""
    before = {name: os.environ.pop(name) for name in NAMES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)
