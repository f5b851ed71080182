"""The weights of a network as the optimiser sees them, and their average over steps.

A small network has a dozen tensors of a few thousand numbers, and what is done to each after every step (clipping,
AdamW's moments, the average) costs a call, however few the numbers are. On the CPU they are therefore views of one
vector, and so are their gradients: every such operation is one call. On a GPU, where torch takes lists of tensors in
one kernel and recurrent cells want memory of their own layout, they stay as they are.
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor, nn

ALIGNED = 16  # numbers: 64 bytes, as torch's own tensors begin, and what products of matrices are fastest from


class Weights:
    """What is trained of a network.

    tensors: what the optimiser is given, one vector or one tensor for each parameter; gradients in `.grad`.
    decay: of the exponential moving average of the weights, which is what is validated and kept; 0 for none. Single
        steps jump about; their average does not, so that the best validation is less a matter of luck. (Polyak &
        Juditsky 1992.) The decay grows from 0, so that the first steps do not linger.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        joined = _joinable(self._parameters)
        self.tensors: list[Tensor] = _joined(self._parameters) if joined else list(self._parameters)
        self._mean = [tensor.detach().clone() for tensor in self.tensors] if decay else []
        self._updates = 0

    def begin(self) -> None:
        """Training starts: gradients are 0, and those of all parameters are views of that of their vector."""
        if not _joinable(self._parameters):
            return
        (vector,) = self.tensors
        vector.grad = torch.zeros_like(vector)
        for parameter, place in zip(self._parameters, _places(self._parameters), strict=False):
            parameter.grad = vector.grad[place : place + parameter.numel()].view(parameter.shape)

    def forget(self) -> None:
        """Set the gradients to 0."""
        for tensor in self.tensors:
            if tensor.grad is not None:
                tensor.grad.zero_()

    def clip(self, most: float) -> None:
        """Scale the gradients so that their norm is `most` at most."""
        gradients = [tensor.grad for tensor in self.tensors if tensor.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        torch._foreach_mul_(gradients, (most / (norm + 1e-6)).clamp(max=1.0))

    def average(self) -> None:
        """After an optimiser step: let the average follow."""
        if self._mean:
            self._updates += 1
            decay = min(self.decay, self._updates / (self._updates + 10))
            torch._foreach_lerp_(self._mean, [tensor.detach() for tensor in self.tensors], 1 - decay)

    def swap(self) -> None:
        """Exchange the weights with their average."""
        for tensor, mean in zip(self.tensors, self._mean, strict=False):
            live = tensor.detach()
            before = live.clone()
            live.copy_(mean)
            mean.copy_(before)

    def state(self) -> dict[str, Tensor]:
        """Of the average; empty without one."""
        if not self._mean:
            return {}
        return {"updates": torch.tensor(self._updates), **{str(i): mean for i, mean in enumerate(self._mean)}}

    def resume(self, state: dict[str, Tensor]) -> None:
        """The average as it was."""
        if self._mean:
            self._updates = int(state["updates"])
            for i, mean in enumerate(self._mean):
                mean.copy_(state[str(i)])

    def release(self) -> None:
        """Training is over: each parameter has memory of its own, and no gradient."""
        for parameter in self._parameters:
            parameter.data = parameter.data.clone()
            parameter.grad = None


def _joinable(parameters: list[nn.Parameter]) -> bool:
    return all(p.device.type == "cpu" and p.dtype == torch.float32 for p in parameters)


def _places(parameters: list[nn.Parameter]) -> list[int]:
    """Where each begins in their vector, and where the vector ends."""
    sizes = [-(-p.numel() // ALIGNED) * ALIGNED for p in parameters]
    return [0, *accumulate(sizes)]


def _joined(parameters: list[nn.Parameter]) -> list[Tensor]:
    """One vector that the parameters become views of."""
    places = _places(parameters)
    vector = torch.zeros(places[-1])
    for parameter, place in zip(parameters, places, strict=False):
        here = vector[place : place + parameter.numel()].view(parameter.shape)
        parameter.data = here.copy_(parameter.detach())
    return [nn.Parameter(vector)]
