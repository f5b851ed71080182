"""Short ways through a computation that hold for most windows; left out where a network is traced for export."""

from __future__ import annotations

import torch
from torch import Tensor


def throughout(mask: Tensor) -> bool:
    """Whether a mask is true everywhere, so that a shorter way gives the same.

    False while a network is traced: what is traced must hold for all windows, and cannot look at their values.
    """
    return not torch.compiler.is_compiling() and bool(mask.all())
