"""A panel with steps behind its end, of which nothing is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tsforge.data.panel import Panel


def extended(panel: Panel, steps: int) -> Panel:
    """With so many rows at least behind each series' last observed target, of which nothing is known."""
    lengths = np.maximum(np.diff(panel.offsets), panel.lengths + steps)
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    moved = offsets[:-1] - panel.offsets[:-1]
    rows = np.arange(len(panel.values)) + moved[panel.row_series()]
    parts: dict[str, Any] = {}
    for name, nothing in (("values", 0.0), ("observed", False), ("past", np.nan), ("future", np.nan)):
        part = getattr(panel, name)
        parts[name] = np.full((offsets[-1], part.shape[1]), nothing, dtype=part.dtype)
        parts[name][rows] = part
    return replace(panel, **parts, offsets=offsets, ends=panel.ends + moved)
