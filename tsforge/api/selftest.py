"""A fit and a forecast so small that they say only whether an installation works."""

from __future__ import annotations

import math
from typing import NamedTuple

from tsforge.api import fitting
from tsforge.data import frames

STEPS = 96


class Row(NamedTuple):
    """Of the table."""

    step: int
    value: float


def run() -> None:
    """Fit a network to a wave for a few steps and forecast it. Raises whatever is wrong, RuntimeError for no number."""
    wave = [10 + math.sin(i / 24 * 2 * math.pi) for i in range(STEPS)]
    table = frames.of_rows([Row(i, value) for i, value in enumerate(wave)])
    settings = {"train.max_steps": 4, "model.width": 8, "data.context": 24}
    fitted = fitting.fit(table, horizon=6, model="gru", settings=settings, track=False, progress=False)
    if not all(math.isfinite(value) for value in fitted.predict().point.ravel()):
        raise RuntimeError("a forecast is not a number")
