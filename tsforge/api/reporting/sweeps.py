"""The page of a sweep, from what it wrote into its folder: trials, what decided, and the best model."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

from tsforge.api.reporting.finding import FILES
from tsforge.api.reporting.gathering import Request, gather
from tsforge.api.reporting.page import TEMPLATES, sections
from tsforge.errors import ConfigError, TsforgeError
from tsforge.plotting import pages
from tsforge.runtime.numbers import amount
from tsforge.sweeping import config
from tsforge.sweeping.config import Plan
from tsforge.version import __version__

log = logging.getLogger("tsforge")

SHOWN = 30  # trials
DIGITS = 4
FACTS = (
    "rank",
    "trial",
    "model",
    "state",
    "kept",
    "front",
    "seconds",
    "reason",
)  # columns that are no setting or score
PLOTS = {
    "history": "The score by trial, and the best so far", "importance": "How much each setting decides",
    "parallel": "Each trial through its settings to its score, the best tenth in front",
    "slice": "The score along each setting", "pareto": "What one objective costs in the other",
}  # fmt: skip

Rows = list[dict[str, str]]


def text(folder: Path, asked: Request) -> str:
    """The page of a sweep's folder. Raises ConfigError where no trial has ended there."""
    plan, rows = config.load(folder), _rows(folder)
    model, why = _model(folder, asked)
    best = folder / "best.toml"
    return pages.render(TEMPLATES, "sweep.html", {
        **model, "title": f"sweep {plan.title}", "name": plan.title, "title_of_model": model.get("title", ""),
        "without": why, "summary": _summary(plan, rows), "objectives": ", ".join(plan.sweep.objectives),
        **_board(plan, rows), "plots": _plots(folder / "plots"), "command": asked.command, "version": __version__,
        "best": best.read_text(encoding="utf-8") if best.is_file() else "",
    })  # fmt: skip


def _rows(folder: Path) -> Rows:
    try:
        with (folder / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError:
        hint = "the same tsforge sweep command goes on with it"
        raise ConfigError(f"{folder}: no trial of the sweep has ended", hint) from None


def _summary(plan: Plan, rows: Rows) -> str:
    """How many trials, of what, on which table."""
    states = [row["state"] for row in rows]
    counts = [(states.count(state), word) for state, word in (("PRUNED", "pruned"), ("FAIL", "failed"))]
    ended = "".join(f", {count:,} {word}" for count, word in counts if count)
    data = plan.first.data
    table = f" on {Path(data.path).name}" if data.path else ""
    sampler = f"{plan.sweep.sampler} sampler, {plan.sweep.pruner} pruner"
    return f"{len(rows):,} trials of {', '.join(plan.bases)}{table}, horizon {data.horizon}; {sampler}{ended}."


def _board(plan: Plan, rows: Rows) -> dict[str, Any]:
    """The best trials with their scores and the settings that differ; what is the same in all, in words."""
    places = list(rows[0]) if rows else []
    scores = [name for name in places if name in plan.sweep.objectives]
    others = {"parameters", "latency"} | {name for name in places if name.startswith("val/")}
    settings = [name for name in places if name not in FACTS and name not in others]
    differ = [name for name in settings if len({row[name] for row in rows}) > 1]
    same = [f"{name} {_short(rows[0][name])}" for name in settings if name not in differ and rows[0][name]]
    several = len({row["model"] for row in rows}) > 1
    columns = ["rank", "trial", *(["model"] if several else []), *scores, *differ, "seconds", "state"]
    columns += ["reason"] if any(row["state"] == "FAIL" for row in rows[:SHOWN]) else []
    shown = [
        ["" if name == "reason" and row["state"] != "FAIL" else _short(row[name]) for name in columns]
        for row in rows[:SHOWN]
    ]
    header = [name.removeprefix("model.") for name in columns]
    return {"header": header, "rows": shown, "same": ", ".join(same), "more": max(0, len(rows) - SHOWN)}


def _short(cell: str) -> str:
    """A number with four digits; whatever else there is as it stands."""
    try:
        return amount(float(cell), DIGITS) if not cell.isdigit() else cell
    except ValueError:
        return cell


def _plots(folder: Path) -> list[dict[str, Any]]:
    """The pictures that the sweep has drawn."""
    there = [(folder / f"{name}.png", caption) for name, caption in PLOTS.items()]
    return [pages.image(path) | {"caption": caption} for path, caption in there if path.is_file()]


def _model(folder: Path, asked: Request) -> tuple[dict[str, Any], str]:
    """The sections of the best model, where it was fitted again; and why there are none."""
    place = folder / "model"
    if not (place / FILES["model"]).is_file():
        asked.refuse("a sweep without a model", "raise sweep.refit to have the best fitted again")
        return {}, ""
    try:
        return sections(gather(place, asked), asked), ""
    except TsforgeError as problem:
        if asked.data is not None or asked.series:
            raise
        log.warning("the best model is not shown: %s", problem.message)
        return {}, f" that can be shown here: {problem.message}"
