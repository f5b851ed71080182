"""What tensors a network would have, found out before they cost anything.

torch builds networks without memory on its "meta" device, and imports its compiler to do so, which takes as long as all
else that a forecast imports. A network of few numbers is built with memory instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

FEW = 2**24  # numbers that a network may ask for while it is built with memory
_MADE_OF_SIZES = frozenset(
    (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.linspace)
)


def laid_out(build: Callable[[], nn.Module]) -> nn.Module:
    """A network for the names, sizes and types of its tensors; what they hold means nothing."""
    try:
        with torch.random.fork_rng(devices=[]), _Few():
            return build()
    except _TooMany:
        with torch.device("meta"):
            return build()


class _TooMany(Exception):  # noqa: N818 (it is no error)
    """More numbers were asked for than a network of few numbers has."""


class _Few(TorchFunctionMode):
    """Inside, no more than `FEW` numbers are laid out; raises _TooMany before any are beyond them."""

    def __init__(self) -> None:
        super().__init__()
        self.left = FEW

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        named = kwargs or {}
        if func in _MADE_OF_SIZES:
            self.left -= _numbers((*args, named.get("size", ())))
            if self.left < 0:
                raise _TooMany
        return func(*args, **named)


def _numbers(size: Any) -> int:
    """At least as many as a tensor of this size has: the product of all its numbers, and of those beside it."""
    if isinstance(size, tuple | list):
        return math.prod(map(_numbers, size))
    return max(1, math.ceil(size)) if isinstance(size, int | float) and math.isfinite(size) else 1
