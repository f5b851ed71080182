"""The page of a report: one file with everything inside, every text escaped, readable on a phone and on paper."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

from tsforge.api.gaps import season, sentences
from tsforge.api.reporting import drawing, facts
from tsforge.api.reporting.facts import Facts
from tsforge.api.reporting.gathering import Gathered, Request, gather
from tsforge.api.summary import score_rows
from tsforge.api.verdict import sentence
from tsforge.backtesting.scoreboard import Scoreboard
from tsforge.plotting import pages
from tsforge.runtime.numbers import figure
from tsforge.version import __version__

TEMPLATES = Path(__file__).parent / "templates"
ROWS = 20  # series in the table of errors


def text(what: Any, asked: Request) -> str:
    """The page of a model, or of its directory. Raises what `tsforge.predict` raises."""
    values = sections(gather(what, asked), asked)
    return pages.render(TEMPLATES, "report.html", {**values, "command": asked.command, "version": __version__})


def sections(found: Gathered, asked: Request) -> dict[str, Any]:
    """What stands on the page of a model, by the names that its template has for it."""
    model, facts_ = found.model, found.facts
    kind, names = model.experiment.model.kind, model.facts.columns.target
    series = facts.series(facts_)
    levels = facts_.made.levels
    return {
        "title": f"{', '.join(names)} by {kind}", "kind": kind, "data": _data(found, asked), "levels": _covers(levels),
        "series": [s["name"] for s in series],
        "chart": pages.embedded({"series": series, "levels": [f"{level:g}" for level in levels]}),
        "left": len(facts_.panel) - len(facts_.shown), "scores": _scores(facts_), "pictures": _pictures(found),
        "worst": _worst(facts_), "worth": _worth(found), "experiment": model.experiment.toml(), "again": _again(found),
    }  # fmt: skip


def _covers(levels: tuple[float, ...]) -> str:
    """How much the intervals hold, as "20 % to 90 %"; empty where there are none."""
    shares = sorted(round(100 * (b - a)) for a, b in zip(levels, reversed(levels), strict=True) if b > a)
    if not shares:
        return ""
    return f"{shares[-1]} %" if len(shares) == 1 else f"{shares[0]} % to {shares[-1]} %"


def _again(found: Gathered) -> str:
    """The command that fits such a model again; empty where it has no folder or its table no name."""
    if not isinstance(found.place, str | Path) or not found.model.facts.source:
        return ""
    config = str(Path(found.place) / "experiment.toml")
    return shlex.join(["tsforge", "fit", found.model.facts.source, "--config", config])


def _data(found: Gathered, asked: Request) -> list[tuple[str, str]]:
    """What the data are, a row each, and the run that remembers the model."""
    model, made = found.model, found.facts.made
    panel, columns, shape = made.panel, model.facts.columns, model.shape
    unseen = sum(int((~part.observed).sum()) for part, _ in panel.blocks())
    ahead = int(panel.offsets[-1] - panel.lengths.sum()) * len(columns.target)  # whose values are to come
    covariates = {"past": columns.past, "known in advance": columns.future, "static": columns.static}
    first, last = (panel.time(int(at)) for at in (panel.first.min(), (panel.first + panel.lengths).max() - 1))
    steps = f"{made.point.shape[1]} steps from a context of {shape.context}"
    rows = [
        ("table", panel.name), ("series", f"{len(panel):,}"), ("rows", f"{int(panel.lengths.sum()):,}"),
        ("times", f"{first} to {last}, frequency {columns.frequency.name}"),
        ("forecast", f"{steps}, {season(shape.season, shape.fallback)}"), ("values missing", f"{unseen - ahead:,}"),
    ]  # fmt: skip
    rows += [(name, ", ".join(c.name for c in group)) for name, group in covariates.items() if group]
    rows += facts.occasions(panel, model.facts.encodings.occasions, made.point.shape[1])
    if asked.run is not None:
        rows += [("run", f"{asked.run.name}, {asked.run.id}"), ("made by", asked.run.tags.get("tsforge.command", ""))]
    return [row for row in rows if row[1]]


def _scores(found: Facts) -> dict[str, Any] | None:
    board = found.board
    if board is None or found.test is None:
        return None
    shown = board.table(board.shown)
    table = {name: shown[name] for name in board.distinct}
    return {
        "models": list(table), "rows": score_rows(table, board.best_simple), "primary": board.primary,
        "verdict": sentence(board.judgement) if board.judgement else "", "simple": board.best_simple,
        "windows": f"{found.test.windows:,} windows of {found.test.series:,} series",
        "notes": sentences(board.gaps(), found.test.experiment.data.season), "intervals": board.intervals[0],
    }  # fmt: skip


def _pictures(found: Gathered) -> list[dict[str, str]]:
    """Title, drawing and caption of each."""
    made: list[dict[str, str]] = []
    board, test, lags = found.facts.board, found.facts.test, found.lags
    if board is not None and test is not None:
        model, rival = board.models[0], board.judgement.rival if board.judgement else board.models[-1]
        curves = board.by_step([board.primary])[board.primary]
        names = dict.fromkeys((model, rival, *([board.best_simple] if board.best_simple else [])))
        drawn = drawing.lines(f"{board.primary} by step", {name: curves[name] for name in names}, "steps ahead")
        made.append(_picture(f"Error by step ({board.primary})", drawn, "How the error grows with the horizon."))
        if pairs := facts.calibration(test):
            words = "Share of truths inside each central interval, against what it should be; the dashed line is right."
            made.append(_picture("Calibration", drawing.calibration("calibration", pairs), words))
        if errors := facts.errors(test):
            counts, (low, high), mean = errors
            drawn = drawing.bars(
                "errors", counts, (figure(low), figure(high)), "forecast less truth, in seasonal changes"
            )
            side = "too high" if mean > 0 else "too low"
            made.append(_picture("Residuals", drawn, f"Forecasts are {figure(abs(mean))} {side} on average."))
        ends, values = facts.by_origin(test, dict.fromkeys((model, rival)))
        if ends:
            drawn = drawing.lines("error by origin", values, "forecast origin", (ends[0], ends[1]))
            made.append(_picture("Error by origin (mase)", drawn, "Whether it becomes worse with time since the fit."))
    if lags:
        drawn = drawing.bars("looks at", [weight for _, weight in lags], ("1", str(lags[-1][0])), "steps back")
        made.append(_picture("What the forecast looks at", drawn, "Gradient × input of the first series, by lag."))
    return [one for one in made if one["drawing"]]


def _worth(found: Gathered) -> dict[str, Any] | None:
    """What covariates are worth: by how much the error grows with each of them moved in time; None without any."""
    worth = found.worth
    if worth is None:
        return None
    rows = [
        [row.name, row.role, figure(row.moved.change), f"{figure(row.moved.low)} to {figure(row.moved.high)}",
         str(row.verdict)]
        for row in worth.covariates
    ]  # fmt: skip
    return {"rows": rows, "metric": worth.metric.upper(), "error": figure(worth.error), "windows": worth.windows}


def _picture(title: str, drawn: str, caption: str) -> dict[str, str]:
    return {"title": title, "drawing": drawn, "caption": caption}


def _worst(found: Facts) -> dict[str, Any] | None:
    """The primary metric of each series by model, the worst first; None for one series."""
    board: Scoreboard | None = found.board
    if board is None or found.test is None or found.test.series * len(found.panel.schema.target) < 2:
        return None
    labels, values = board.by_series([board.primary])
    models = [name for name in (board.models[0], board.judgement.rival if board.judgement else None) if name]
    own = values[board.primary][board.models[0]]
    targets = len(found.panel.schema.target)
    order = sorted(range(len(labels)), key=lambda k: -own[k] if math.isfinite(own[k]) else math.inf)
    rows = [
        [_named(labels[k], targets), *(figure(values[board.primary][m][k]) for m in models)]
        for k in order[:ROWS]
    ]  # fmt: skip
    return {"models": models, "rows": rows, "primary": board.primary, "more": len(labels) - len(rows)}


def _named(label: dict[str, str], targets: int) -> str:
    """A series, with its target where there are several."""
    return " · ".join(filter(None, (label["series"], label["target"] if targets > 1 else "")))
