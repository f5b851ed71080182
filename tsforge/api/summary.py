"""What is to be said of a fit: its scores beside those of the baselines, and the verdict, as lines of text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tsforge.api.gaps import season, sentences, skill_of
from tsforge.api.verdict import sentence
from tsforge.evaluation.metrics import lower_is_better
from tsforge.evaluation.scores import skill
from tsforge.runtime.numbers import figure, percent
from tsforge.runtime.tables import aligned

if TYPE_CHECKING:
    from tsforge.training.fitting import Fit


def score_rows(scores: Mapping[str, Mapping[str, float]], reference: str | None) -> list[list[str]]:
    """A row per metric: its name, its value for each model, and the skill of the first model against the reference."""
    first, *_ = scores
    rows = []
    for name, value in scores[first].items():
        gain = skill(value, scores[reference][name]) if reference and lower_is_better(name) else math.nan
        rows.append([name, *(figure(values[name]) for values in scores.values()), percent(gain)])
    return rows


def lines(fit: Fit) -> list[str]:
    """Metric by model, with the skill against the best simple forecaster, what is left out, and the verdict."""
    data, simple = fit.model.experiment.data, fit.best_simple
    windows = len(next(iter(fit.outcomes.values())).truth)
    head = (
        f"held-out end: {windows:,} windows of {data.horizon} steps, pooled; "
        f"{season(data.season, fit.dataset.sizes.fallback)}"
    )
    against = skill_of(simple, fit.shown[simple][fit.primary] if simple else math.nan)
    notes = ["; ".join([*against, "coverage_80 should be 0.8, coverage_90 0.9"]), *sentences(fit.gaps, data.season)]
    verdict = ["", f"verdict {sentence(fit.judgement)}"] if fit.judgement else []
    table = aligned(["", *fit.shown, "skill"], score_rows(fit.shown, simple))
    return [head, *table, *(f"  {note}" for note in notes), *verdict]
