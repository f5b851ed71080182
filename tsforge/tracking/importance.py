"""What MLflow remembers of what covariates are worth: the error without each of them, table and picture."""

from __future__ import annotations

from pathlib import Path

from tsforge.backtesting.importance import Importances, Verdict
from tsforge.plotting.captions import About
from tsforge.plotting.importance import Bar, importance
from tsforge.runtime import numbers
from tsforge.tracking import asked
from tsforge.tracking.asked import Answer, Asked
from tsforge.tracking.journal import Run
from tsforge.tracking.tracker import Tracker


def record(result: Importances, model: str, data: str | None, tracker: Tracker, command: str) -> Run:
    """A run: for each covariate the change of the error, with its range, as metrics; the table and the picture."""
    params: dict[str, object] = {"metric": result.metric, "windows": result.windows}
    figures = {"importance/error": result.error}
    for number, row in enumerate(result.covariates, start=1):
        params[f"importance.{number}"] = row.name
        figures |= {f"importance/{number}_change": row.moved.change, f"importance/{number}_low": row.moved.low,
                    f"importance/{number}_high": row.moved.high}  # fmt: skip
        if row.ablated is not None:
            figures[f"importance/{number}_refit"] = row.ablated.change
    panel, rounded = result.dataset.panel, numbers.rounded(figures)
    answer = Answer(panel, params, rounded, lambda: result.frame, lambda path: draw(result, path))
    return asked.record(Asked("covariates", "covariates", model, data, command), answer, tracker)


def draw(result: Importances, path: Path) -> None:
    """The picture of all covariates."""
    bars = []
    for row in result.covariates:
        own, refit = row.moved, row.ablated
        beside = None if refit is None else (refit.change, refit.low, refit.high)
        bars.append(Bar(row.name, row.verdict == Verdict.MATTERS, own.change, own.low, own.high, beside))
    title = About(result.model).title(result.dataset.panel.name, "what covariates are worth")
    importance(bars, result.metric.upper(), title, path)
