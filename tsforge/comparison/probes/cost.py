"""What an architecture costs, measured: dependent operations, time, memory, how far its gradients reach.

Every probe looks at the backbone alone, between two linear layers, on tokens that are made up here: data and pipeline
are the same for all, so that what differs is the architecture. A probe needs nothing but a `Neural` config, so an
architecture that is added later is measured without a change here.

Axes: S sequences, L length (past tokens), I inputs, D width.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tsforge.model.backbones.recurrent import Recurrent
from tsforge.model.network import Neural
from tsforge.model.tokens.point import TokenShape, sinusoids
from tsforge.runtime.seeds import seeded
from tsforge.runtime.timing import rounds


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
    """A backbone between two linear layers: sequences (S, L, I) to one number each, (S,).

    A recurrent net reads the answer from one more step of its cell, as in the textbook, however it decodes a horizon:
    with a layer in its place that one answer would tell whether all relu units of the layer are off.
    """

    positions: Tensor

    def __init__(self, config: Neural, length: int, inputs: int) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, config.width)
        self.ask = nn.Parameter(torch.randn(1, 1, config.width) * 0.02)  # the token that the answer is read from
        backbone = config.backbone
        if isinstance(backbone, Recurrent):
            backbone = backbone.model_copy(update={"decode": "sequence"})
        self.backbone = backbone.build(TokenShape(length, 1, config.width))
        self.out = nn.Linear(config.width, 1)
        self.register_buffer("positions", sinusoids(length + 1, config.width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (S, L, I) -> (S,)."""
        L = x.shape[1]
        past = self.embed(x) + self.positions[:L]
        future = self.ask.expand(len(x), -1, -1) + self.positions[L:]
        answer: Tensor = self.out(future + self.backbone(past, future))[:, 0, 0]
        return answer


def dependent_operations(config: Neural, lengths: Sequence[int]) -> Curve:
    """The longest chain of operations in a training step of which each needs the one before it, by length.

    Counted in autograd's graph, with the recurrences as the operations they consist of and not as one fused kernel:
    exact, and the same on every machine. (The "sequential operations" of Vaswani et al. 2017, table 1.)
    """
    values = []
    for length in lengths:
        with seeded(0):
            network, x = Sequences(config, length, 2), torch.randn(1, length, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about hardware that is not here
            with torch.backends.mkldnn.flags(enabled=False):
                answer = network(x)
        values.append(float(_depth(answer.grad_fn)))
    return Curve(tuple(lengths), tuple(values))


def step_times(configs: dict[str, Neural], lengths: Sequence[int], tokens: int, repeats: int) -> dict[str, Curve]:
    """Seconds of one training step (forward, backward, update) by length, at `tokens` tokens per batch.

    Models and lengths take turns, round after round, so that a busy moment of the machine hits all alike; the median
    of the rounds counts.
    """
    steps: dict[tuple[str, int], Callable[[], None]] = {}
    for name, config in configs.items():
        for length in lengths:
            steps[name, length] = _step(config, length, max(1, tokens // length))
    seconds = rounds(steps, repeats + 1)  # the first one warms up
    return {
        name: Curve(tuple(lengths), tuple(float(np.median(seconds[name, length][1:])) for length in lengths))
        for name in configs
    }


def saved_bytes(config: Neural, lengths: Sequence[int], sequences: int) -> Curve:
    """Bytes that a training step keeps for its backward pass, by length, for a number of sequences.

    Counted where autograd saves them, each storage once, without the weights: exact, and the same on every machine.
    """
    values = []
    for length in lengths:
        with seeded(0):
            network, x = Sequences(config, length, 2), torch.randn(sequences, length, 2)
        weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
        sizes: dict[int, int] = {}

        def note(tensor: Tensor, weights: set[int] = weights, sizes: dict[int, int] = sizes) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = network(x).square().mean()
        loss.backward()
        values.append(float(sum(sizes.values())))
    return Curve(tuple(lengths), tuple(values))


def peak_bytes(config: Neural, lengths: Sequence[int], sequences: int) -> Curve | None:
    """Peak of allocated GPU memory over one training step, by length; None without a GPU."""
    if not torch.cuda.is_available():
        return None
    values = []
    for length in lengths:
        network, x = Sequences(config, length, 2).cuda(), torch.randn(sequences, length, 2, device="cuda")
        torch.cuda.reset_peak_memory_stats()
        network(x).square().mean().backward()
        values.append(float(torch.cuda.max_memory_allocated()))
    return Curve(tuple(lengths), tuple(values))


def gradient_reach(network: Sequences, x: Tensor) -> tuple[float, ...]:
    """Mean norm of the answer's gradient with respect to the input k steps before the end, k = 1 ... L.

    x (S, L, I). Of a network as it is built, what is small here can hardly be learned from.
    """
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network(x).sum(), x)
    return tuple(gradient.norm(dim=-1).mean(dim=0).flip(0).tolist())


def half_life(norms: Sequence[float]) -> float:
    """Steps within which the gradient's norm halves: of the exponential that fits it best; inf where it does not fall.

    nan where there is no gradient at all.
    norms: by distance, k = 1 ... L, as from `gradient_reach`.
    """
    if not any(norms):
        return math.nan
    values = np.maximum(np.asarray(norms, dtype=float), 1e-30)
    slope = float(np.polyfit(np.arange(len(values)), np.log(values), 1)[0])
    return math.log(2) / -slope if slope < 0 else math.inf


def _depth(root: Any) -> int:
    """Nodes on the longest path from a node of autograd's graph; it is too deep for recursion."""
    depth: dict[Any, int] = {}
    stack = [root]
    while stack:
        node = stack[-1]
        after = [n for n, _ in node.next_functions if n is not None]
        if missing := [n for n in after if n not in depth]:
            stack += missing
        else:
            depth[node] = 1 + max((depth[n] for n in after), default=0)
            stack.pop()
    return depth[root]


def _step(config: Neural, length: int, sequences: int) -> Callable[[], None]:
    """One training step on a batch that lies ready."""
    with seeded(0):
        network, x = Sequences(config, length, 2), torch.randn(sequences, length, 2)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)

    def step() -> None:
        optimiser.zero_grad()
        network(x).square().mean().backward()
        optimiser.step()

    return step
