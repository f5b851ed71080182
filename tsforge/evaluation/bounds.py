"""What forecasts over many windows were kept within, and in how many of them that mattered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tsforge.data.traits import Bound, Limits
from tsforge.evaluation.outcome import Outcome


def bounds(outcome: Outcome, targets: Sequence[str]) -> list[Bound]:
    """Of each target that has limits, over windows; nothing where none has."""
    low, high = outcome.distribution.low, outcome.distribution.high
    if low is None or high is None:
        return []
    outer = {0, len(outcome.levels) - 1} if outcome.levels else set()
    planes = [outcome.quantile(q)[..., None] for q in sorted(outer)]
    ranges = np.concatenate([outcome.point[..., None][..., :0], *planes], axis=-1)
    least, most = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    return Limits(least, most, np.full_like(least, np.inf)).report(targets, outcome.point, ranges)
