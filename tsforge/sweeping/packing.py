"""Packs: how many trials a worker trains side by side, and what those have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from tsforge.experiment import Experiment
from tsforge.sweeping.objective import Objective
from tsforge.training import stacked

FREE = ("train.lr", "train.weight_decay", "model.backbone.dropout")  # settings that may differ within a pack
MOST = 4  # trials of a pack, where nobody says how many: more are more that a killed worker leaves
WORTH = 1.15  # times as fast as one after the other, below which it is not worth asking for several at once


@dataclass
class Packing:
    """How many trials of each shape a worker takes at once, by its plan or as it has measured."""

    objective: Objective
    _measured: dict[str, int] = field(default_factory=dict)

    def count(self, experiment: Experiment, left: int) -> int:
        """How many trainings like this one to take at once; "auto" measures a step of several beside single ones.

        left: trainings that are left for all workers.
        """
        sweep = self.objective.plan.sweep
        most = MOST if sweep.pack == "auto" else 1 if sweep.pack == "off" else sweep.pack
        most = min(most, math.ceil(left / sweep.workers))
        if most < 2:
            return 1
        dataset = self.objective.data.datasets(experiment)[0]
        shape = stacked.likeness(experiment, dataset)
        if shape is None:
            return 1
        if sweep.pack == "auto" and shape not in self._measured:
            self._measured[shape] = MOST if stacked.gain(experiment, dataset, MOST) >= WORTH else 1
        return min(most, self._measured.get(shape, most))


def common(params: dict[str, Any]) -> dict[str, Any]:
    """The settings of a trial that all others of its pack must have."""
    return {name: value for name, value in params.items() if name.rpartition("/")[2] not in FREE}
