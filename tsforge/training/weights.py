"""The weights of a network as the optimiser sees them.

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
    """

    def __init__(self, network: nn.Module) -> None:
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        joined = _joinable(self._parameters)
        self.tensors: list[Tensor] = _joined(self._parameters) if joined else list(self._parameters)

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
