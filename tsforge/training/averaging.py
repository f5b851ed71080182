"""The average of weights over the steps of a training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Average:
    """An exponential moving average of weights, which is what is validated and kept.

    Single steps jump about; their average does not, so that the best validation is less a matter of luck.
    (Polyak & Juditsky 1992.) The decay grows from 0, so that the first steps do not linger.

    weights: the tensors that steps change in place. decay: of the average, below 1.
    """

    def __init__(self, weights: Sequence[Tensor], decay: float) -> None:
        self.decay = decay
        self._live = [tensor.detach() for tensor in weights]
        self._mean = [tensor.clone() for tensor in self._live]
        self._updates = 0

    def update(self) -> None:
        """After an optimiser step."""
        self._updates += 1
        decay = min(self.decay, self._updates / (self._updates + 10))
        torch._foreach_lerp_(self._mean, self._live, 1 - decay)

    def swap(self) -> None:
        """Exchange the weights with their average."""
        for live, mean in zip(self._live, self._mean, strict=True):
            before = live.clone()
            live.copy_(mean)
            mean.copy_(before)

    def state(self) -> dict[str, Tensor]:
        """All that the next updates depend on."""
        return {"updates": torch.tensor(self._updates), **{str(i): mean for i, mean in enumerate(self._mean)}}

    def resume(self, state: dict[str, Tensor]) -> None:
        """Go on from there."""
        self._updates = int(state["updates"])
        for i, mean in enumerate(self._mean):
            mean.copy_(state[str(i)])
