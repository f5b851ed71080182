"""The windows by whose errors a model learns how its errors hang together: of the same times for many series."""

from __future__ import annotations

import numpy as np
from torch import nn

from tsforge.data.dataset import Dataset
from tsforge.data.windows import Windows, aligned
from tsforge.evaluation import dependence
from tsforge.evaluation.dependence import Dependence
from tsforge.evaluation.forecasting import Reader, outcomes, takes_steps

HORIZONS = 24  # that the windows reach back over, where the held-out part is shorter
MOST = (128, 1024)  # series and windows
WHOLE = (32, 256)  # likewise, where each window is a fit by itself
MOST_STEPS = 2048  # of a horizon: the table has the square of it


def learn(network: nn.Module, dataset: Dataset) -> Dependence | None:
    """How the errors of a network hang together, up to the end of the validation part; None where that cannot be told.

    From windows of the validation part; where that is shorter than 24 horizons, from those of the training part before
    it too: what a network has learned makes errors there smaller, but sizes play no part here.
    """
    sizes, cuts, panel = dataset.sizes, dataset.cuts, dataset.panel
    end = cuts.validation
    begin = np.maximum(panel.offsets[:-1], np.minimum(cuts.train, end - HORIZONS * sizes.horizon))
    return of_windows(network, dataset, aligned(panel, begin, end, (sizes.context, sizes.horizon), most(network)))


def most(network: nn.Module) -> tuple[int, int]:
    """How many series and windows of them are looked at."""
    return WHOLE if takes_steps(network) else MOST


def of_windows(network: nn.Module, dataset: Dataset, windows: Windows) -> Dependence | None:
    """How the errors of a network hang together in some windows."""
    if len(windows) < dependence.FEWEST or dataset.sizes.horizon > MOST_STEPS:
        return None
    o = outcomes({"": Reader(network, dataset.source)}, dataset, windows)[""]
    panel = dataset.panel
    return dependence.fit(o, [panel.key(i) for i in range(len(panel))])
