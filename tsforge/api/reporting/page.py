"""The page of a report: one file with everything inside, every text escaped, readable on a phone and on paper."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tsforge.api.gaps import season, sentences
from tsforge.api.reporting import drawing, facts
from tsforge.api.reporting.facts import Facts
from tsforge.api.summary import score_rows
from tsforge.api.verdict import sentence
from tsforge.backtesting.scoreboard import Scoreboard
from tsforge.fitted.model import Model
from tsforge.runtime import files
from tsforge.runtime.numbers import figure
from tsforge.version import __version__

TEMPLATES = Path(__file__).parent / "templates"
ROWS = 20  # series in the table of errors


def write(
    found: Facts, model: Model, path: Path, command: str = "", lags: list[tuple[int, float]] | None = None
) -> None:
    """Write the report of a model. command: the line that makes it again. lags: what the forecast looks at."""
    files.check_path(path, (".html", ".htm"))
    files.write(path, page(found, model, command, lags))


def page(found: Facts, model: Model, command: str, lags: list[tuple[int, float]] | None) -> str:
    """The HTML of a report."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    kind, names = model.experiment.model.kind, model.facts.columns.target
    series = facts.series(found)
    return environment.get_template("report.html").render(
        title=f"{', '.join(names)} by {kind}", kind=kind, data=_data(found, model), series=[s["name"] for s in series],
        chart=_embedded({"series": series, "levels": [f"{level:g}" for level in found.made.levels]}),
        left=len(found.panel) - len(found.shown), scores=_scores(found), pictures=_pictures(found, lags),
        worst=_worst(found), experiment=model.experiment.toml(), command=command, version=__version__,
    )  # fmt: skip


def _embedded(values: Any) -> str:
    """Values as JSON that cannot end the script it stands in."""
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _data(found: Facts, model: Model) -> list[tuple[str, str]]:
    """What the data are, a row each."""
    panel, columns, shape = found.panel, model.facts.columns, model.shape
    unseen = sum(int((~part.observed).sum()) for part, _ in panel.blocks())
    ahead = int(panel.offsets[-1] - panel.lengths.sum()) * len(columns.target)  # whose values are to come
    covariates = {"past": columns.past, "known in advance": columns.future, "static": columns.static}
    first, last = (panel.time(int(at)) for at in (panel.first.min(), (panel.first + panel.lengths).max() - 1))
    steps = f"{found.made.point.shape[1]} steps from a context of {shape.context}"
    rows = [
        ("table", panel.name), ("series", f"{len(panel):,}"), ("rows", f"{int(panel.lengths.sum()):,}"),
        ("times", f"{first} to {last}, frequency {columns.frequency.name}"),
        ("forecast", f"{steps}, {season(shape.season, shape.fallback)}"), ("values missing", f"{unseen - ahead:,}"),
    ]  # fmt: skip
    rows += [(name, ", ".join(c.name for c in group)) for name, group in covariates.items() if group]
    return rows


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


def _pictures(found: Facts, lags: list[tuple[int, float]] | None) -> list[dict[str, str]]:
    """Title, drawing and caption of each."""
    made: list[dict[str, str]] = []
    board, test = found.board, found.test
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
            made.append(_picture("Errors", drawn, f"Forecasts are {figure(abs(mean))} {side} on average."))
    if lags:
        drawn = drawing.bars("looks at", [weight for _, weight in lags], ("1", str(lags[-1][0])), "steps back")
        made.append(_picture("What the forecast looks at", drawn, "Gradient × input of the first series, by lag."))
    return [one for one in made if one["drawing"]]


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
    order = sorted(range(len(labels)), key=lambda k: -own[k] if math.isfinite(own[k]) else math.inf)
    rows = [
        [" ".join(str(v) for v in labels[k].values() if v), *(figure(values[board.primary][m][k]) for m in models)]
        for k in order[:ROWS]
    ]  # fmt: skip
    return {"models": models, "rows": rows, "primary": board.primary, "more": len(labels) - len(rows)}
