"""Whether an exported model answers as `predict` does: both on the same windows, by different code.

Axes: W windows, L context, H horizon, C targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tsforge.data.panel import Panel
from tsforge.exporting import windows
from tsforge.exporting.windows import Arrays
from tsforge.fitted import prediction
from tsforge.fitted.model import Model
from tsforge.runtime import logs

TOLERANCE = 1e-5  # of the size of a window: the largest value in it or in its forecast
Run = Callable[[Arrays], Sequence[np.ndarray]]  # the inputs by name to point and, where there are levels, quantiles


def deviation(model: Model, levels: tuple[float, ...], panel: Panel, run: Run) -> float:
    """The largest difference between an exported model and `predict` over the windows of a panel, of their size.

    Every window is computed in one batch with all others, and the first one alone. Targets that were never observed,
    of which `predict` says nothing, do not count.
    """
    with logs.errors_alone():  # windows that a check makes up are worth no note
        expected = prediction.of_panel(model, panel, model.shape.horizon, levels)
    inputs = windows.arrays(model, panel)
    size = np.abs(inputs["target"]).max(axis=1)[:, None]  # (W, 1, C)
    size = np.maximum(size, np.nanmax(np.abs(np.nan_to_num(expected.point)), axis=1, keepdims=True))
    size = np.where(size > 0, size, 1.0)
    answers = [(run(inputs), slice(None)), (run({name: array[:1] for name, array in inputs.items()}), slice(1))]
    largest = 0.0
    for answer, here in answers:
        gaps = [np.abs(answer[0] - expected.point[here]) / size[here]]
        if levels:
            gaps.append(np.abs(answer[1] - expected.quantiles[here]) / size[here][..., None])
        never = np.isnan(expected.point[here])
        worst = [float(np.where(never if gap.ndim == 3 else never[..., None], 0.0, gap).max()) for gap in gaps]
        largest = max(largest, *(np.inf if np.isnan(value) else value for value in worst))
    return largest
