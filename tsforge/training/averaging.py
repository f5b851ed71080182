"""The average of a network's weights over its steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of the weights, which is what is validated and kept.

    Single steps jump about; their average does not, so that the best validation is less a matter of luck.
    (Polyak & Juditsky 1992.) The decay grows from 0, so that the first steps do not linger.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self._live = [p for p in network.parameters() if p.requires_grad]
        self._mean = [p.detach().clone() for p in self._live]
        self._updates = 0

    def update(self) -> None:
        """After an optimiser step."""
        self._updates += 1
        decay = min(self.decay, self._updates / (self._updates + 10))
        torch._foreach_lerp_(self._mean, [p.detach() for p in self._live], 1 - decay)

    def state(self) -> dict[str, Tensor]:
        return {"updates": torch.tensor(self._updates), **{str(i): mean for i, mean in enumerate(self._mean)}}

    def resume(self, state: dict[str, Tensor]) -> None:
        self._updates = int(state["updates"])
        for i, mean in enumerate(self._mean):
            mean.copy_(state[str(i)])

    def swap(self) -> None:
        """Exchange the network's weights with their average."""
        for live, mean in zip(self._live, self._mean, strict=True):
            live.data, mean.data = mean.data, live.data
