"""Ways to compute one training step; the network, its loss and the size of the batch are the same in all.

plain: single precision, AdamW one tensor at a time in few kernels, batches gathered on the device.
bf16: products in brain floats. fused: the optimiser's step as one kernel. compile: torch.compile.
graph: the step recorded once as a CUDA graph, with the fused optimiser, and replayed. host: the table in the host's
memory, each batch copied to the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tsforge.batch import Batch

Step = Callable[[], object]
CUDA_ONLY = ("fused", "graph", "bf16-graph", "host", "compile")  # compiling for a CPU takes minutes and gains nothing
WAYS = ("plain", "bf16", *CUDA_ONLY)
WARM = 3  # steps before one is recorded


class NotHere(Exception):  # noqa: N818 (nothing went wrong)
    """The way cannot be gone on this device."""


def check(way: str, device: str) -> None:
    """Raises NotHere, with the reason, for a way that the device does not have."""
    if device != "cuda" and way in CUDA_ONLY:
        raise NotHere("only on CUDA")
    if device == "cuda" and "bf16" in way and not torch.cuda.is_bf16_supported(False):
        raise NotHere("this GPU computes no brain floats")


def step(way: str, network: nn.Module, batches: Iterator[Batch], device: str) -> Step:
    """One step after the other of a network's training. Raises NotHere for a way that the device does not have."""
    check(way, device)
    network = network.to(device).train()
    fused = "fused" in way or "graph" in way
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=1e-3, weight_decay=0.0, fused=fused or None, capturable="graph" in way
    )
    loss = _loss(network, "bf16" in way, device)
    if "compile" in way:
        torch._dynamo.reset()
        loss = torch.compile(loss)
    if "graph" in way:
        return _recorded(loss, network, optimizer, batches)

    def eager() -> None:
        loss(next(batches)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return eager


def _loss(network: nn.Module, half: bool, device: str) -> Callable[[Batch], Tensor]:
    def loss(batch: Batch) -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=half):
            value: Tensor = network(batch.context).loss(batch.truth)
        return value

    return loss


def _recorded(
    loss: Callable[[Batch], Tensor], network: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterator[Batch]
) -> Step:
    """A step that copies the next batch to where the recorded kernels read it, and replays them."""
    place: Batch = copied(next(batches))

    def whole() -> None:
        optimizer.zero_grad(set_to_none=False)
        loss(place).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0, foreach=True)
        optimizer.step()

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM):
            whole()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        whole()

    def replay() -> None:
        fill(place, next(batches))
        graph.replay()

    return replay


def copied(value: Any) -> Any:
    """A batch in memory of its own, however deep its tensors lie."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, tuple):
        parts = [copied(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


def fill(place: Any, value: Any) -> None:
    """Copy a batch into the tensors of another of the same shape."""
    if isinstance(place, Tensor):
        place.copy_(value, non_blocking=True)
    elif isinstance(place, tuple):
        for own, new in zip(place, value, strict=True):
            fill(own, new)
