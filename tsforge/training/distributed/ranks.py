"""The processes that train one network together, as each of them sees the others.

Every process (a rank, as torch calls it) has all weights, computes the gradients of its share of each batch, and takes
the optimiser's step on the gradients of all: data-parallel training (Li et al. 2020, "PyTorch Distributed"). torch's
process groups carry the sums, NCCL between GPUs and gloo between processors.

The sums are formed here, and Lightning's loop is each process's own. Its DDP strategy wraps the module and waits for
one backward pass per call of `training_step`, which takes several steps here; and it averages the means of ranks, which
is the mean over the batch only where all ranks observed as many values. The gradients are one vector on the CPU anyway,
so that one sum per step is all there is to do.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from tsforge.batch import Batch
from tsforge.errors import TrainingError
from tsforge.training.distributed.signs import Signs, SilentError
from tsforge.training.events import Stop

if TYPE_CHECKING:
    import torch.distributed as dist

PATIENCE = 180.0  # seconds without a sign of another process until it is taken for lost

_COUNT = count()  # of times that this process has joined others, as many in each of them
_CURRENT: ContextVar[Ranks | None] = ContextVar("ranks", default=None)


@dataclass(frozen=True)
class Place:
    """Where a process stands among those that train together.

    rank: of `count`, from 0. local: among the `here` processes of its machine, from 0.
    host, port: where the first process listens; port 0 lets it choose, None stands for torchrun's own meeting point.
    """

    rank: int
    count: int
    local: int
    here: int
    host: str = "127.0.0.1"
    port: int | None = 0
    patience: float = PATIENCE


class LostError(TrainingError):
    """Another process does not answer any more."""


class Ranks:
    """The processes that train together, joined.

    device: where the weights lie, "cpu" or "cuda". control: the group of the small messages, on the CPU.
    signs: by which they meet before what takes some of them longer than others.
    """

    def __init__(self, place: Place, device: str, control: dist.ProcessGroup, signs: Signs) -> None:
        self.place, self.device = place, device
        self._control, self._signs, self._seed = control, signs, 0
        self._apart = True

    @property
    def first(self) -> bool:
        """Whether this is the process that reports and writes."""
        return self.place.rank == 0

    def back(self, loss: Callable[[Batch], Tensor], batch: Batch, weights: Sequence[Tensor]) -> Tensor:
        """Leave in `.grad` the gradients of the mean loss over the windows of all ranks, and return that loss.

        A loss is a mean over observed values, of which ranks have different counts. So each sends back a sum, and what
        all of them found is divided by all that was observed. A rank may have no window of the last batch.
        """
        observed, total = batch.truth.observed.sum(), batch.truth.target.new_zeros(())
        if len(batch.truth.target):
            total = loss(batch) * observed
            total.backward()  # type: ignore[no-untyped-call]
        gradients = [_gradient(tensor) for tensor in weights]
        facts = torch.stack([total.detach(), observed]).to(gradients[0])
        vector = torch.cat([*(gradient.flatten() for gradient in gradients), facts])
        with self._answering():
            torch.distributed.all_reduce(vector)
        vector /= vector[-1].clamp(min=1)
        parts = torch.split(vector, [*(gradient.numel() for gradient in gradients), 2])
        torch._foreach_copy_(gradients, [p.view_as(g) for p, g in zip(parts, gradients, strict=False)])
        mean: Tensor = parts[-1][0]
        return mean

    def agreed(self, wish: Stop | None) -> Stop | None:
        """Why all end now: a request to stop that reached any of them, or the clock of the first.

        wish: why this process would.
        """
        if self._apart:  # since a validation, after which the first may have written for long
            self._meet()
        asked, late = self._sum(wish == Stop.INTERRUPT, self.first and wish == Stop.TIME)
        if asked:
            return Stop.INTERRUPT
        return Stop.TIME if late else None

    def sum(self, *values: float) -> list[float]:
        """Each value summed over the ranks, in double precision, once all have it."""
        self._meet()
        return self._sum(*values)

    def _sum(self, *values: float) -> list[float]:
        tensor = torch.tensor(values, dtype=torch.float64)
        with self._answering():
            torch.distributed.all_reduce(tensor, group=self._control)
        return [float(value) for value in tensor]

    def shared(self, value: Any) -> Any:
        """What the first process has."""
        values = [value]
        self._meet()
        with self._answering():
            torch.distributed.broadcast_object_list(values, src=0, group=self._control)
        return values[0]

    def gathered(self, value: Any) -> list[Any]:
        """What each has, by rank."""
        values: list[Any] = [None] * self.place.count
        self._meet()
        with self._answering():
            torch.distributed.all_gather_object(values, value, group=self._control)
        return values

    def begin(self, network: nn.Module, seed: int, step: int) -> None:
        """All have the weights of the first: another processor may have drawn or rounded them otherwise."""
        with self._answering():
            for tensor in network.state_dict().values():
                torch.distributed.broadcast(tensor, src=0)
        self._seed = seed
        self.draw(step)

    def draw(self, step: int) -> None:
        """Random numbers of this rank's own from a step on, so that no two drop out the same of different windows."""
        self._apart = True
        torch.manual_seed(int(np.random.SeedSequence([self._seed, step, self.place.rank]).generate_state(1)[0]))

    def _meet(self) -> None:
        """Wait for the others, however long what they do takes them."""
        with self._answering():
            self._signs.meet()
        self._apart = False

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Where torch's processes lose each other it raises one of several kinds of RuntimeError."""
        try:
            yield
        except RuntimeError as problem:
            raise lost(self.place, problem) from None


def current() -> Ranks | None:
    """Those that this process trains with; None where it trains alone."""
    return _CURRENT.get()


def writes() -> bool:
    """Whether this process is the one that writes: alone, or the first of several."""
    ranks = current()
    return ranks is None or ranks.first


@contextmanager
def joined(place: Place, device: str, listening: Callable[[int], None] = lambda _: None) -> Iterator[Ranks]:
    """Join the others; within the block trainings are theirs together. Raises LostError where they do not come.

    device: "cpu", or "cuda" for this process's current GPU.
    listening: called in the first process with the port at which the others find it.
    """
    import torch.distributed as dist

    limit = timedelta(seconds=place.patience)
    try:
        store: Any
        if place.port is not None:
            port, listener = place.port, None
            if place.rank == 0:  # by itself torch would listen at every address of the machine
                server = socket.create_server((place.host, port))
                port, listener = server.getsockname()[1], server.detach()
            store = dist.TCPStore(  # type: ignore[attr-defined]
                place.host, port, is_master=place.rank == 0, wait_for_workers=False, timeout=limit,
                master_listen_fd=listener,
            )  # fmt: skip
            if place.rank == 0:
                listening(port)
        else:
            there = torchrun_store(place)
            store = dist.PrefixStore(f"tsforge-{next(_COUNT)}", there)  # type: ignore[attr-defined]  # each its own keys
        dist.init_process_group(
            "nccl" if device == "cuda" else "gloo", store=store, rank=place.rank, world_size=place.count, timeout=limit,
            device_id=torch.device("cuda", torch.cuda.current_device()) if device == "cuda" else None,
        )  # fmt: skip
        control = dist.new_group(backend="gloo", timeout=limit)
        signs = Signs(store, (place.rank, place.count), place.patience)
        dist.barrier(control)
    except (RuntimeError, OSError) as problem:
        raise lost(place, problem) from None
    assert control is not None
    ranks = Ranks(place, device, control, signs)
    before = _CURRENT.set(ranks)
    try:
        yield ranks
    finally:
        _CURRENT.reset(before)
        signs.close()
        if device != "cuda":  # NCCL's would wait for those that are gone; it ends with its process
            dist.destroy_process_group()


@cache
def torchrun_store(place: Place) -> Any:
    """The store at torchrun's meeting point, which is there before the processes have joined.

    It is kept, as without an agent of torchrun's it is the first process that has it.
    """
    import torch.distributed as dist

    return next(iter(dist.rendezvous("env://", timeout=timedelta(seconds=place.patience))))[0]  # type: ignore[attr-defined]


def lost(place: Place, problem: Exception) -> LostError:
    if isinstance(problem, SilentError) and place.rank not in problem.ranks:
        number = ", ".join(str(rank + 1) for rank in problem.ranks)
        waited = f"and waited {place.patience:g} s at most"
        text = f"process {place.rank + 1} of {place.count} has no sign of process {number}, {waited}"
        return LostError(text, "see whether its machine runs, and can be reached from here")
    reason = str(problem).strip().partition("\n")[0]
    text = f"process {place.rank + 1} of {place.count} has lost the others, or waited {place.patience:g} s for them"
    return LostError(f"{text} ({reason})", "see whether the machines reach each other, and have enough memory")


def _gradient(tensor: Tensor) -> Tensor:
    """The gradient of a tensor, of zeros where it took no part."""
    if tensor.grad is None:
        tensor.grad = torch.zeros_like(tensor)
    return tensor.grad
