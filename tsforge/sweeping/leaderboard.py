"""The leaderboard of a sweep: its trials in order, as rows, as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    """One trial. state: COMPLETE, PRUNED, FAIL. kept: whether it keeps the constraints. front: of the Pareto front."""

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
    found = [_row(t, plan) for t in trials.counted(study.get_trials(deepcopy=False)) if t.state.name in _ORDER]
    found.sort(key=lambda r: (not r.good, _ORDER[r.state], r.values or (float("inf"),), r.number))
    good = [r.values for r in found if r.good]
    front = set(trials.front(good)) if len(plan.sweep.objectives) > 1 else set()
    return [Row(**{**vars(r), "front": i in front}) for i, r in enumerate(found)]


def _row(trial: FrozenTrial, plan: Plan) -> Row:
    said = trial.user_attrs
    state = trial.state.name
    reason = said.get(trials.REASON, "")
    if state == "FAIL" and not reason:
        times = len(trial.system_attrs.get("retry_history", ())) + 1
        reason = "its worker died" + (f", {times} times" if times > 1 else "")
    return Row(
        number=trial.number, model=trial.params.get(KIND) or next(iter(plan.bases)), state=state,
        values=tuple(trial.values or ()) if state == "COMPLETE" else (), kept=trials.feasible(trial),
        params=dict(trial.params), scores=said.get("scores", {}), seconds=said.get("seconds"), reason=reason,
        default=bool(said.get(trials.DEFAULT)),
    )  # fmt: skip


def chosen(found: Sequence[Row], count: int) -> list[Row]:
    """Those worth fitting again: the best, of several objectives those of the front."""
    good = [r for r in found if r.good]
    front = [r for r in good if r.front]
    return (front or good)[:count]


def header(plan: Plan) -> list[str]:
    """Columns of the leaderboard, without the settings."""
    sizes = [n for n in (PARAMETERS, LATENCY) if n not in plan.sweep.objectives and _has(plan, n)]
    front = ["front"] if len(plan.sweep.objectives) > 1 else []
    return ["rank", "trial", "model", *plan.sweep.objectives, *sizes, "seconds", "state", *front, "reason"]


def cells(rank: int, row: Row, plan: Plan) -> list[str]:
    """One line under `header`; a rank only for what can win."""
    values = dict(zip(plan.sweep.objectives, row.values, strict=False))
    sizes = [n for n in (PARAMETERS, LATENCY) if n not in plan.sweep.objectives and _has(plan, n)]
    found = [
        str(rank) if row.good else "", str(row.number), row.model,
        *(number(values.get(name, row.scores.get(name))) for name in plan.sweep.objectives),
        *(number(row.scores.get(name)) for name in sizes),
        "" if row.seconds is None else f"{row.seconds:.1f}", row.state if row.kept else f"{row.state} (constraint)",
    ]  # fmt: skip
    front = [("yes" if row.front else "")] if len(plan.sweep.objectives) > 1 else []
    return [*found, *front, row.reason]


def number(value: float | None) -> str:
    """Four digits; whole numbers as they are."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1 else f"{value:.4g}"


def _has(plan: Plan, name: str) -> bool:
    return name == PARAMETERS or plan.sweep.max_latency is not None
