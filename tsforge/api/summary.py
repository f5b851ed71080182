"""What is to be said of a fit: its scores beside those of the baselines, and the verdict, as lines of text."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tsforge.api.gaps import season, sentences, skill_of
from tsforge.api.verdict import sentence
from tsforge.evaluation.metrics import lower_is_better
from tsforge.evaluation.scores import skill
from tsforge.runtime.numbers import figures, percent
from tsforge.runtime.tables import Best, aligned

if TYPE_CHECKING:
    from tsforge.training.fitting import Fit

Table = Callable[[Sequence[str], Sequence[Sequence[str]]], list[str]]


def score_rows(scores: Mapping[str, Mapping[str, float]], reference: str | None) -> list[list[str]]:
    """A row per metric: its name, its value for each model, and the skill of the first model against the reference."""
    first, *_ = scores
    rows = []
    for name, value in scores[first].items():
        lower = lower_is_better(name)
        gain = skill(value, scores[reference][name]) if reference and lower else math.nan
        cells = figures([values[name] for values in scores.values()])
        rows.append(
            [name, *(best_marked(cells, [v[name] for v in scores.values()]) if lower else cells), percent(gain)]
        )
    return rows


def best_marked(cells: Sequence[str], errors: Sequence[float | None]) -> list[str]:
    """The cells, that of the lowest error marked as the best where there are others that it beats."""
    known = {error for error in errors if error is not None and math.isfinite(error)}
    lowest = min(known) if len(known) > 1 else None
    return [
        Best(cell) if error == lowest and error is not None else cell for cell, error in zip(cells, errors, strict=True)
    ]


def lines(fit: Fit, table: Table = aligned) -> list[str]:
    """Metric by model, with the skill against the best simple forecaster, what is left out, and the verdict.

    table: makes lines of a header and rows.
    """
    return [*score_lines(fit, table), *(["", f"verdict {sentence(fit.judgement)}"] if fit.judgement else [])]


def score_lines(fit: Fit, table: Table) -> list[str]:
    """What `lines` has, without the verdict."""
    data, simple = fit.model.experiment.data, fit.best_simple
    windows = len(next(iter(fit.outcomes.values())).truth)
    head = (
        f"held-out end: {windows:,} windows of {data.horizon} steps, pooled; "
        f"{season(data.season, fit.dataset.sizes.fallback)}"
    )
    against = skill_of(simple, fit.shown[simple][fit.primary] if simple else math.nan)
    notes = ["; ".join([*against, "coverage_80 should be 0.8, coverage_90 0.9"]), *sentences(fit.gaps, data.season)]
    rows = score_rows(fit.shown, simple)
    return [head, *table(["", *fit.shown, "skill"], rows), *(f"  {note}" for note in notes)]
