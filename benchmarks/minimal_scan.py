"""What it costs to compute all states of h_t = a_t h_{t-1} + b_t: ways of doing it, beside recurrent nets of torch.

    python benchmarks/minimal_scan.py [--lengths 64,128,256,512,1024] [--width 64] [--sequences 16] [--rounds 5]

Forward and backward pass of a minimal GRU's recurrence, with its projection, by the scan that is in use
(`model/backbones/minimal.py`), by other scans and by the plain loop; torch's RNN, GRU and LSTM (fused kernels) of the
same width. CPU time, one thread, the least of interleaved rounds; then the error of each way in single precision
against the loop in double precision.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsforge.model.backbones.minimal import scan

Way = Callable[[Tensor, Tensor], Tensor]  # a, b (S, T, D) -> h (S, T, D), from a state of 0


def loop(a: Tensor, b: Tensor) -> Tensor:
    """One step after the other."""
    h, found = torch.zeros_like(b[:, 0]), []
    for now, more in zip(a.unbind(1), b.unbind(1), strict=True):
        h = torch.addcmul(more, now, h)
        found.append(h)
    return torch.stack(found, dim=1)


def odd_even(a: Tensor, b: Tensor) -> Tensor:
    """The one in use."""
    return scan(a, b, torch.zeros_like(b[:, :1]))


def doubling(a: Tensor, b: Tensor) -> Tensor:
    """Hillis & Steele 1986: log2 T passes over all steps."""
    d, T = 1, b.shape[1]
    while d < T:
        b = torch.cat([b[:, :d], torch.addcmul(b[:, d:], a[:, d:], b[:, :-d])], dim=1)
        a = torch.cat([a[:, :d], a[:, d:] * a[:, :-d]], dim=1)
        d *= 2
    return b


def logarithms(a: Tensor, b: Tensor) -> Tensor:
    """Heinsen 2023: sums of logarithms; b must be positive."""
    sums = a.log().cumsum(dim=1)
    return (sums + torch.logcumsumexp(b.log() - sums, dim=1)).exp()


def chunks(a: Tensor, b: Tensor, size: int = 16) -> Tensor:
    """A loop within chunks of 16 steps, all at once, then over the chunks; T must be a multiple of it."""
    A, B = (x.unflatten(1, (-1, size)).unbind(2) for x in (a, b))
    products, h, ends = [A[0]], [B[0]], []
    for now, more in zip(A[1:], B[1:], strict=True):
        products.append(now * products[-1])
        h.append(torch.addcmul(more, now, h[-1]))
    state = torch.zeros_like(b[:, 0])
    for product, end in zip(products[-1].unbind(1), h[-1].unbind(1), strict=True):
        ends.append(state)
        state = torch.addcmul(end, product, state)
    states = torch.stack(ends, dim=1).unsqueeze(2)
    return torch.addcmul(torch.stack(h, dim=2), torch.stack(products, dim=2), states).flatten(1, 2)


class Reversed(torch.autograd.Function):
    """The scan with a backward pass of its own, the same scan from the end: it keeps a and h alone."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        h = odd_even(a, b)
        ctx.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        a, h = ctx.saved_tensors
        after = torch.cat([a[:, 1:], a[:, :1]], dim=1).flip(1)
        of_b = odd_even(after, grad.flip(1)).flip(1)
        return of_b * F.pad(h[:, :-1], (0, 0, 1, 0)), of_b


WAYS: dict[str, Way] = {
    "scan": odd_even, "scan, own backward": Reversed.apply, "doubling": doubling, "chunks of 16": chunks,
    "logarithms": logarithms, "loop": loop,
}  # fmt: skip
CELLS = {"torch RNN": nn.RNN, "torch GRU": nn.GRU, "torch LSTM": nn.LSTM}


class MinimalGRU(nn.Module):
    """Projection, gates, and one of the ways."""

    def __init__(self, width: int, way: Way) -> None:
        super().__init__()
        self.project, self.way = nn.Linear(width, 2 * width), way

    def forward(self, x: Tensor) -> tuple[Tensor]:
        k, v = self.project(x).chunk(2, dim=-1)
        b = torch.sigmoid(k) * torch.where(v >= 0, v + 0.5, torch.sigmoid(v))
        return (self.way(torch.sigmoid(-k), b),)


def cost(nets: dict[str, nn.Module], x: Tensor, rounds: int) -> dict[str, float]:
    """Milliseconds of CPU time of a forward and a backward pass."""
    best = dict.fromkeys(nets, float("inf"))
    for turn in range(rounds + 1):
        for name, net in nets.items():
            start = time.process_time()
            net(x)[0].sum().backward()
            if turn:  # the first one warms up
                best[name] = min(best[name], 1e3 * (time.process_time() - start))
    return best


def error(way: Way, length: int, openness: float) -> float:
    """Of states in single precision, the largest, as a share of the largest state. openness: of the forget gate."""
    random = torch.Generator().manual_seed(0)
    k = torch.randn(2, length, 8, generator=random, dtype=torch.float64) - openness
    a, b = torch.sigmoid(-k).float(), (torch.sigmoid(k) * torch.rand(k.shape, generator=random)).float()
    right = loop(a.double(), b.double())
    return float((way(a, b) - right).abs().max() / right.max())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", default="64,128,256,512,1024")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--sequences", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    lengths, D = [int(part) for part in asked.lengths.split(",")], asked.width
    nets: dict[str, nn.Module] = {name: MinimalGRU(D, way) for name, way in WAYS.items()}
    nets |= {name: cell(D, D, batch_first=True) for name, cell in CELLS.items()}
    columns = [cost(nets, torch.randn(asked.sequences, length, D).requires_grad_(), asked.rounds) for length in lengths]
    title = f"ms CPU, forward and backward, {asked.sequences} sequences, width {D}"
    print(f"| {title} |", " | ".join(map(str, lengths)), "|")
    print("|---|" + "--:|" * len(lengths))
    for name in nets:
        cells = (f"{column[name]:.2f} ({column[name] / column['scan']:.2f})" for column in columns)
        print(f"| {name} |", " | ".join(cells), "|")
    print("\n| error of states, single precision | a about 1/2 | 0.998 | 0.99999 |\n|---|--:|--:|--:|")
    for name, way in WAYS.items():
        print(f"| {name} |", " | ".join(f"{error(way, 1024, gate):.1e}" for gate in (0.0, 6.0, 12.0)), "|")


if __name__ == "__main__":
    main()
