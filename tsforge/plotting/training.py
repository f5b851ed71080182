"""Pictures of a training: losses by step, and the step whose weights were kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tsforge.plotting.axes import Caption, finish
from tsforge.plotting.style import BLUE, GREY, ORANGE, stacked
from tsforge.runtime.timing import stage


@stage("pictures")
def loss_curve(rounds: Sequence[Any], title: str, path: Path) -> None:
    """Training and validation loss by step, with the step whose weights were kept; a pair of lines per member."""
    figure, (axis,) = stacked(1)
    members = sorted({r.member for r in rounds})
    for member in members:
        mine = [r for r in rounds if r.member == member]
        steps, first = [r.step for r in mine], member == members[0]
        of = f", {len(members)} members" if len(members) > 1 else ""
        axis.plot(steps, [r.train for r in mine], color=GREY, linestyle="--", label=f"training{of}" if first else None)
        label = f"validation{of}" if first else None
        axis.plot(steps, [r.validation for r in mine], color=BLUE, marker="o", markersize=3, label=label)
        if best := [r for r in mine if r.best]:
            where = f"weights kept (step {best[-1].step})" if len(members) == 1 else "weights kept"
            axis.axvline(best[-1].step, color=ORANGE, linewidth=1, label=where if first else None)
    axis.set_xlabel("optimiser step", fontsize=9)
    axis.set_ylabel("loss", fontsize=9)
    finish(figure, [axis], Caption(title), path)
