"""How many trials are trained side by side, and which."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from tsforge.experiment import Experiment
from tsforge.sweeping.objective import Judge
from tsforge.training import stacked

FREE = ("train.lr", "train.weight_decay", "model.backbone.dropout")  # what those of a pack may differ in
MOST = 4  # trials of a pack, where nobody says how many: more are more that a killed worker leaves
WORTH = 1.15  # times as fast as one after the other, below which it is not worth asking for several at once


@dataclass
class Packs:
    """What a worker has measured of each shape."""

    judge: Judge
    _known: dict[str, int] = field(default_factory=dict)

    def count(self, experiment: Experiment, left: int) -> int:
        """How many trainings like this one to take at once, where so many are left for all workers.

        By the plan's `pack`; "auto" measures a step of several beside as many single ones.
        """
        sweep = self.judge.plan.sweep
        most = MOST if sweep.pack == "auto" else 1 if sweep.pack == "off" else sweep.pack
        most = min(most, math.ceil(left / sweep.workers))
        if most < 2:
            return 1
        dataset = self.judge.table.datasets(experiment)[0]
        shape = stacked.likeness(experiment, dataset)
        if shape is None:
            return 1
        if sweep.pack == "auto" and shape not in self._known:
            self._known[shape] = MOST if stacked.gain(experiment, dataset, MOST) >= WORTH else 1
        return min(most, self._known.get(shape, most))


def alike(params: dict[str, Any]) -> dict[str, Any]:
    """Of a trial's settings those that another one of its pack must have."""
    return {name: value for name, value in params.items() if name.rpartition("/")[2] not in FREE}
