"""Recurrent cells over whole sequences on the CPU: GRU and RNN by hand, as torch has a fused kernel for LSTM alone, and
that kernel in brain floats.

torch runs these cells step by step, and its backward pass adds up the gradients of the weights step by step. Here

    forward    one product W x for all steps; then per step one product U h and what follows from it
    backward   what a step's gradient is multiplied by, for all steps at once; then per step one product with U;
               last one product each for the gradients of W, U and x over all steps

tanh(a) is computed as 2 sigmoid(2a) - 1: torch's sigmoid takes a fifth of the time of its tanh.
Axes: T steps, S sequences, I inputs, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

HiddenState = Tensor | tuple[Tensor, Tensor]  # (layers, S, D); an LSTM's with its cells
_BRAIN: ContextVar[bool] = ContextVar("brain", default=False)  # whether LSTM cells are trained in brain floats
SHORT = 24  # steps below which torch's own cells are left in place: little to win, as the products are few and large


@contextmanager
def brain_cells(wanted: bool) -> Iterator[None]:
    """LSTM cells are trained in brain floats inside, where wanted, see `brain_lstm`."""
    before = _BRAIN.set(wanted)
    try:
        yield
    finally:
        _BRAIN.reset(before)


def brains(mode: str, x: Tensor, *, training: bool) -> bool:
    """Whether a cell over x is to be computed by `brain_lstm`: in training, where `brain_cells` says so."""
    wanted = mode == "LSTM" and training and torch.is_grad_enabled() and _BRAIN.get()
    return wanted and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def brain_lstm(
    x: Tensor, state: tuple[Tensor, Tensor] | None, weights: Sequence[Tensor], layers: int = 1, dropout: float = 0.0
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """An LSTM in training, its products in brain floats: all states (S, T, D) in these, and the last ones as they came.

    A processor with instructions for them (AVX-512 BF16, AMX) takes a half to a quarter of the time of single
    precision. Products are added up, and gradients of the weights arrive, in single precision.

    x (S, T, I). state: hidden and cell (layers, S, D); 0 where None. weights: of all layers, as torch has them.
    """
    brain, width = torch.bfloat16, weights[1].shape[1]
    begin = (x.new_zeros(layers, len(x), width),) * 2 if state is None else state
    rounded = [part.to(brain) for part in begin], [weight.to(brain) for weight in weights]
    states, hidden, cell = torch.lstm(x.to(brain), *rounded, True, layers, dropout, True, False, True)
    return states, (hidden.to(x.dtype), cell.to(x.dtype))


def suits(mode: str, x: Tensor, *, training: bool) -> bool:
    """Whether `run` is to run a cell over x (S, T, I): in training on a CPU, over many steps.

    Forecasts are left to torch, and everything where its own fused kernels are switched off (`torch.backends.mkldnn`).
    """
    wanted = training and torch.is_grad_enabled() and mode in CELLS and x.shape[1] >= SHORT
    fused = bool(torch.backends.mkldnn.enabled) and not torch.is_autocast_enabled("cpu")
    return wanted and fused and x.device.type == "cpu"


def run(mode: str, x: Tensor, state: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """One layer: x (S, T, I) from a state (S, D) -> all states (S, T, D), and the last (S, D).

    mode: "GRU" or "RNN_TANH". weights: both matrices and both biases, as torch has them.
    """
    states, last = CELLS[mode].apply(x.transpose(0, 1).contiguous(), state, *weights)
    return states.transpose(0, 1), last


class Gru(torch.autograd.Function):
    """r, z = sigmoid(W x + b + U h + c);  n = tanh(W x + b + r (U h + c));  h' = n + z (h - n)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, state: Tensor, w: Tensor, u: Tensor, b: Tensor, c: Tensor) -> Any:
        """x (T, S, I), state (S, D) -> h (T, S, D), and its last step."""
        (T, S, _), D = x.shape, u.shape[1]
        times = torch.ones_like(b)
        times[2 * D :] = 2  # for tanh
        w2, across, b2, c2 = w * times[:, None], (u * times[:, None]).t(), b * times, c * times
        flat = x.view(T * S, -1)
        gates = x.new_empty(T, S, 3 * D)  # r, z and 2 (U h + c)
        torch.addmm((b2 + c2)[: 2 * D], flat, w2[: 2 * D].t(), out=gates.view(T * S, -1)[:, : 2 * D])
        gates[..., 2 * D :] = c2[2 * D :]
        new = torch.addmm(b2[2 * D :], flat, w2[2 * D :].t()).view(T, S, D)
        h = _beginning(state, T)
        both, (r, z, held) = gates[..., : 2 * D].unbind(), (part.unbind() for part in gates.chunk(3, dim=-1))
        minus = -torch.ones((), dtype=x.dtype)
        for t, (step, n, before, after) in enumerate(zip(gates, new, h, h[1:], strict=False)):
            step.addmm_(before, across)
            both[t].sigmoid_()
            torch.add(minus, n.addcmul_(r[t], held[t]).sigmoid_(), alpha=2, out=n)
            torch.lerp(n, before, z[t], out=after)
        return _kept(ctx, h, x, w, u, gates, new, h)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, along: Tensor | None, last: Tensor | None) -> tuple[Tensor | None, ...]:
        x, w, u, gates, new, h = ctx.saved_tensors
        (T, S, _), D = x.shape, u.shape[1]
        r, z, held = gates.chunk(3, dim=-1)
        slopes = x.new_empty(T, S, 4, D)  # of r, z, U h + c and n, each before its sigmoid or tanh
        of_r, of_z, of_held, of_n = slopes.unbind(2)
        _one_less_square(new, out=of_n).sub_(of_n * z)
        torch.mul(of_n, r, out=of_held)
        torch.mul(of_held, held, out=of_r).mul_(0.5).sub_(of_r * r)
        torch.mul(h[:-1] - new, z, out=of_z).sub_(of_z * z)
        gradient, sums = _ends(along, last, h), slopes.view(T, S, 4 * D)
        to_state = sums[..., : 3 * D].unbind()
        for t in reversed(range(T)):
            slopes[t].mul_(gradient.unsqueeze(1))
            gradient = (gradient * z[t]).addmm_(to_state[t], u)
            if t and along is not None:
                gradient += along[t - 1]
        flat = sums.view(T * S, 4 * D)
        total, dw = flat.sum(0), (x.view(T * S, -1).t() @ flat).t()
        dx = None
        if ctx.needs_input_grad[0]:
            dx = torch.cat([flat[:, : 2 * D], flat[:, 3 * D :]], dim=1).mm(w).view_as(x)
        du = flat[:, : 3 * D].t() @ h[:-1].view(T * S, D)
        inputs = (torch.cat([part[: 2 * D], part[3 * D :]]) for part in (dw, total))
        dw, db = inputs
        return dx, gradient, dw, du, db, total[: 3 * D]


class Rnn(torch.autograd.Function):
    """h' = tanh(W x + b + U h + c)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, state: Tensor, w: Tensor, u: Tensor, b: Tensor, c: Tensor) -> Any:
        """x (T, S, I), state (S, D) -> h (T, S, D), and its last step."""
        T, S, _ = x.shape
        h = _beginning(state, T)
        torch.addmm(2 * (b + c), x.view(T * S, -1), 2 * w.t(), out=h[1:].view(T * S, -1))
        minus, across = -torch.ones((), dtype=x.dtype), 2 * u.t()
        for before, after in pairwise(h):
            torch.add(minus, after.addmm_(before, across).sigmoid_(), alpha=2, out=after)
        return _kept(ctx, h, x, w, u, h)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, along: Tensor | None, last: Tensor | None) -> tuple[Tensor | None, ...]:
        x, w, u, h = ctx.saved_tensors
        T, S, _ = x.shape
        slopes = _one_less_square(h[1:], out=torch.empty_like(h[1:]))
        gradient = _ends(along, last, h)
        for t in reversed(range(T)):
            step = slopes[t].mul_(gradient)
            gradient = step @ u if not t or along is None else torch.addmm(along[t - 1], step, u)
        flat = slopes.view(T * S, -1)
        total, dw = flat.sum(0), (x.view(T * S, -1).t() @ flat).t()
        dx = (flat @ w).view_as(x) if ctx.needs_input_grad[0] else None
        return dx, gradient, dw, flat.t() @ h[:-1].view(T * S, -1), total, total


CELLS: Any = {"GRU": Gru, "RNN_TANH": Rnn}


def _beginning(state: Tensor, steps: int) -> Tensor:
    """(T+1, S, D) to hold all states, the first of them set."""
    h = state.new_empty(steps + 1, *state.shape)
    h[0] = state
    return h


def _kept(ctx: Any, h: Tensor, *tensors: Tensor) -> tuple[Tensor, Tensor]:
    """What `forward` returns, with tensors saved for `backward`."""
    ctx.save_for_backward(*tensors)
    ctx.set_materialize_grads(False)
    return h[1:], h[-1].clone()


def _ends(along: Tensor | None, last: Tensor | None, h: Tensor) -> Tensor:
    """The gradient of the last step, (S, D), from those of both results of `forward`."""
    parts = [part for part in (last, None if along is None else along[-1]) if part is not None]
    return torch.zeros_like(h[-1]) if not parts else parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _one_less_square(x: Tensor, out: Tensor) -> Tensor:
    """1 - x², the slope of tanh where that is x."""
    return torch.addcmul(torch.ones((), dtype=x.dtype), x, x, value=-1, out=out)
