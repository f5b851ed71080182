"""What the terminal shows of an update: the scores of both models, the verdict, and what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tsforge.api.summary import score_rows
from tsforge.api.verdict import sentence
from tsforge.cli.output import colour, echo, grid

if TYPE_CHECKING:
    from tsforge.updating.drift import Drift
    from tsforge.updating.running import Update


def show(result: Update, model: str) -> None:
    """Print it. model: as the command named it."""
    judged = result.judgement
    for line in lines(result, model):
        echo(line, *(colour(judged) if judged is not None and line.startswith("verdict ") else ()))


def lines(result: Update, model: str) -> list[str]:
    """For the terminal. model: as the command named it."""
    from tsforge.updating.running import Decision

    plan = result.plan
    shown = [] if result.drift is None else [_drift(result.drift)]
    if result.decision == Decision.TOO_FEW:
        return [*shown, *_too_few(result)]
    if result.decision == Decision.NO_DRIFT:
        return [*shown, f"nothing was trained: {model} stays as it is"]
    assert plan.dataset is not None
    windows, H = len(plan.dataset.parts.test), plan.old.shape.horizon
    first, last = plan.tested
    table = grid(["", *result.scores, "gain"], score_rows(result.scores, "old"))
    shown += ["", f"{windows:,} windows of {H} steps that neither has seen, {first} to {last}", *table]
    if result.judgement is not None:
        shown += ["", f"verdict {sentence(result.judgement)}"]
    return [*shown, "", *_became(result, model)]


def _became(result: Update, model: str) -> list[str]:
    """Which model is in charge now, and what the new one has learned from."""
    from tsforge.updating.running import Decision

    learned = f"it learned from rows up to {result.plan.until}, from none that it was compared on"
    if result.decision == Decision.KEPT:
        worse = f"the new model is worse, and lies in {result.written}"
        return [f"kept    {model}", f"        {worse}", f"        {learned}"]
    place = "the old one is replaced" if _same(result.written, result.plan.folder) else f"in place of {model}"
    return [f"model   {result.written}: {place}", f"        {learned}"]


def _same(one: Path | None, other: Path) -> bool:
    return one is not None and one.resolve() == other.resolve()


def _drift(drift: Drift) -> str:
    sure = "p < 0.001" if drift.p < 0.001 else f"p = {drift.p:.2g}"
    what = "the errors have changed" if drift.found else "no change of the errors to be told"
    missed, before = (f"{100 * share:.1f} %" for share in (drift.missed, drift.before))
    over = f"missed {missed} over {drift.origins:,} new origins, {before} when calibrated"
    return f"drift   {what} ({sure})\n        {over}"


def _too_few(result: Update) -> list[str]:
    from tsforge.updating import drift

    plan = result.plan
    H = plan.old.shape.horizon
    if plan.dataset is not None:  # enough for an update, and not to tell of drift
        need = f"{drift.least(H):,} new rows of one clock"
        return [
            f"nothing was trained: to tell whether errors have changed takes {need}",
            "        --when always asks nothing",
        ]
    if plan.new < plan.least:
        why = f"{plan.least:,} new rows are needed, there are {plan.new:,}"
        test = plan.least - 1
        needed = f"{test:,} to compare both models on ({test // H} x {H} steps) and 1 to learn from"
        return [f"nothing was trained: {why}", f"        {needed}"]
    why = f"too few windows of {H} steps have observed values to compare on"
    if plan.test:  # as was asked for
        needed = f"ask for {plan.least - 1:,} or more, or leave --test out"
        return [f"nothing was trained: in {plan.test:,} rows held out, {why}", f"        {needed}"]
    return [f"nothing was trained: of {plan.new:,} new rows, {why}"]
