"""What MLflow remembers of what covariates are worth: the error without each of them, table and picture."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tsforge.backtesting.importance import Importances, Verdict
from tsforge.data import tidy
from tsforge.plotting.importance import Bar, importance
from tsforge.runtime import numbers
from tsforge.runtime.timing import stage
from tsforge.tracking.journal import Run
from tsforge.tracking.recording import RunOptions, described, tags
from tsforge.tracking.tracker import Tracker


def record(result: Importances, model: str, data: str | None, tracker: Tracker, command: str) -> Run:
    """A run: for each covariate the change of the error, with its range, as metrics; the table and the picture."""
    params: dict[str, object] = {"model": model, "metric": result.metric, "windows": result.windows}
    options = RunOptions(command, tags=(("tsforge.model", str(Path(model).absolute())),))
    with tracker.run(f"covariates-{Path(model).name}", params, tags("covariates", options)) as run:
        if run.folder is not None:
            _write(run, result, data)
    return run


@stage("delivery")
def _write(run: Run, result: Importances, data: str | None) -> None:
    run.dataset(described(result.dataset.panel, data))
    values = {"importance/error": result.error}
    for number, row in enumerate(result.covariates, start=1):
        values |= {f"importance/{number}_change": row.moved.change, f"importance/{number}_low": row.moved.low,
                   f"importance/{number}_high": row.moved.high}  # fmt: skip
        run.params({f"importance.{number}": row.name})
        if row.ablated is not None:
            values[f"importance/{number}_refit"] = row.ablated.change
    run.metrics(numbers.rounded(values))
    with TemporaryDirectory() as place:
        tidy.write(result.frame, Path(place) / "covariates.csv")
        draw(result, Path(place) / "covariates.png")
        run.file(Path(place) / "covariates.csv")
        run.file(Path(place) / "covariates.png", "plots")


def draw(result: Importances, path: Path) -> None:
    """The picture of all covariates."""
    bars = []
    for row in result.covariates:
        own, refit = row.moved, row.ablated
        beside = None if refit is None else (refit.change, refit.low, refit.high)
        bars.append(Bar(row.name, row.verdict == Verdict.MATTERS, own.change, own.low, own.high, beside))
    importance(bars, result.metric.upper(), path)
