"""The leaderboard of a sweep: its trials in order, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tsforge.runtime.numbers import grouped
from tsforge.sweeping import trials
from tsforge.sweeping.config import LATENCY, PARAMETERS, Plan
from tsforge.sweeping.space import KIND

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

_ORDER = {"COMPLETE": 0, "PRUNED": 1, "FAIL": 2}
SHOWN = 20  # rows of the Markdown table


@dataclass(frozen=True)
class Row:
    """One trial.

    state: COMPLETE, PRUNED or FAIL.
    kept: whether it keeps the constraints.
    default: whether it is an architecture with its default settings.
    front: whether it is on the Pareto front.
    """

    number: int
    model: str
    state: str
    values: tuple[float, ...]
    kept: bool
    params: dict[str, Any]
    scores: dict[str, float]
    seconds: float | None
    reason: str
    default: bool
    front: bool = False

    @property
    def good(self) -> bool:
        """Whether it can win."""
        return self.state == "COMPLETE" and self.kept

    @property
    def name(self) -> str:
        return f"trial-{self.number}"


def rows(study: Study, plan: Plan) -> list[Row]:
    """Every trial that ended: the good ones by the first objective, then the others."""
    ordered = [_row(t, plan) for t in trials.counted(study.get_trials(deepcopy=False)) if t.state.name in _ORDER]
    ordered.sort(key=lambda r: (not r.good, _ORDER[r.state], r.values or (float("inf"),), r.number))
    good = [r.values for r in ordered if r.good]
    front = set(trials.front(good)) if len(plan.sweep.objectives) > 1 else set()
    return [replace(row, front=i in front) for i, row in enumerate(ordered)]


def _row(trial: FrozenTrial, plan: Plan) -> Row:
    attributes, state = trial.user_attrs, trial.state.name
    reason = attributes.get(trials.REASON, "")
    if state == "FAIL" and not reason:
        times = len(trial.system_attrs.get("retry_history", ())) + 1
        reason = "its worker died" + (f", {times} times" if times > 1 else "")
    return Row(
        number=trial.number, model=trial.params.get(KIND) or next(iter(plan.bases)), state=state,
        values=tuple(trial.values or ()) if state == "COMPLETE" else (), kept=trials.feasible(trial),
        params=dict(trial.params), scores=attributes.get("scores", {}), seconds=attributes.get("seconds"),
        reason=reason, default=bool(attributes.get(trials.DEFAULT)),
    )  # fmt: skip


def chosen(rows: Sequence[Row], count: int) -> list[Row]:
    """Those worth fitting again: the best, of several objectives those of the front."""
    good = [r for r in rows if r.good]
    return ([r for r in good if r.front] or good)[:count]


def header(plan: Plan) -> list[str]:
    """Columns of the leaderboard, without the settings."""
    front = ["front"] if len(plan.sweep.objectives) > 1 else []
    return ["rank", "trial", "model", *plan.sweep.objectives, *_sizes(plan), "seconds", "state", *front, "reason"]


def cells(rank: int, row: Row, plan: Plan) -> list[str]:
    """One line under `header`; a rank only for what can win."""
    values = dict(zip(plan.sweep.objectives, row.values, strict=False))
    line = [
        str(rank) if row.good else "", str(row.number), row.model,
        *(grouped(values.get(name, row.scores.get(name))) for name in plan.sweep.objectives),
        *(grouped(row.scores.get(name)) for name in _sizes(plan)),
        "" if row.seconds is None else f"{row.seconds:.1f}", row.state if row.kept else f"{row.state} (constraint)",
    ]  # fmt: skip
    front = [("yes" if row.front else "")] if len(plan.sweep.objectives) > 1 else []
    return [*line, *front, row.reason]


def _sizes(plan: Plan) -> list[str]:
    """Sizes that are shown though they are no objective."""
    sizes = [PARAMETERS] if plan.sweep.max_latency is None else [PARAMETERS, LATENCY]
    return [name for name in sizes if name not in plan.sweep.objectives]
