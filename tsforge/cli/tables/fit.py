"""What the terminal shows of a fit: its tournament, its scores, and all of it as one document."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.cli.output import echo, grid, print_table, print_verdict
from tsforge.runtime.numbers import figures

if TYPE_CHECKING:
    from tsforge.training.events import Standing
    from tsforge.training.fitting import Fit


def tournament(result: Fit) -> None:
    """All candidates, the best first, and the part that each has in the model; then those that were left out."""
    from tsforge.api.summary import best_marked

    echo()
    networks = any(s.steps for s in result.standings)
    head, rows, out = ["rung", "steps", "seconds"], [], dict[str, list[str]]()
    ranked = sorted(result.standings, key=lambda s: s.score)
    shown = [s for s in ranked if s.steps or not s.note]
    for s in ranked:
        if s.note and not s.steps:
            out.setdefault(s.note, []).append(s.name)
    marked = best_marked(figures([s.score for s in shown]), [s.score for s in shown])
    for s, score in zip(shown, marked, strict=True):
        trained = [str(s.rung), f"{s.steps:,}", f"{s.seconds:.1f}"] if s.rung else ["", "", ""]
        weight = f"{s.weight:.0%}" if s.weight else ""
        rows.append([s.name, *(trained if networks else []), s.note or score, weight])
    print_table(["candidate", *(head if networks else []), "validation", "weight"], rows)
    for note, names in out.items():
        echo(f"  left out: {', '.join(names)}: {note}")
    echo()


def scores(result: Fit) -> None:
    """Metric by model, with the skill against the best simple forecaster, and the verdict."""
    from tsforge.api import summary

    echo()
    for line in summary.score_lines(result, grid):
        echo(line)
    if result.judgement is not None:
        echo()
        print_verdict(result.judgement)


def document(result: Fit, folder: Path) -> dict[str, Any]:
    """All of it as plain values."""
    from tsforge.api.gaps import sentences
    from tsforge.evaluation.bounds import bounds

    by_model, name = result.metrics, result.model.experiment.model.kind
    shown: dict[str, Any] = {
        "model": str(folder), "kind": name, "stop": result.stop, "seconds": round(result.seconds, 3),
        "parameters": result.parameters, "steps": result.steps, "threads": result.threads,
        "devices": result.model.experiment.train.devices, "nodes": result.model.experiment.train.nodes,
        "season": result.dataset.sizes.season, "naive_season": result.dataset.source.shape.naive_season,
        "test_windows": len(result.dataset.parts.test.origins), "test_steps": result.dataset.sizes.test,
        "scores": by_model,
    }  # fmt: skip
    if result.standings:
        scored = [(s, s.score if math.isfinite(s.score) else None) for s in result.standings]
        shown["tournament"] = [_plain(s) | {"score": score} for s, score in scored]
    if by_model:
        shown |= {"primary": result.primary, "best_simple": result.best_simple, "skill": result.skill}
        shown["left_out"] = {name: gap.points for name, gap in result.gaps.items() if gap.points}
        shown["reasons"] = {name: gap.reason for name, gap in result.gaps.items()}
        shown["notes"] = sentences(result.gaps, result.model.experiment.data.season)
        shown["bounds"] = [
            bound._asdict() for bound in bounds(result.outcomes[name], result.dataset.panel.schema.target)
        ]
        shown["judgement"] = result.judgement.plain() if result.judgement else None
    return shown | {"experiment": result.model.experiment.plain()}


def _plain(standing: Standing) -> dict[str, Any]:
    """A standing as a document has it."""
    return {name: value for name, value in standing._asdict().items() if name != "again"}
