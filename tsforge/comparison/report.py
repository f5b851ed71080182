"""A comparison as files that are read: a page, Markdown, a tidy CSV, and JSON with everything needed to redraw it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tsforge.comparison import page
from tsforge.comparison.plots import Picture
from tsforge.comparison.probes.cost import Curve
from tsforge.comparison.results import Fitted, Measured, OnData, Probed, Tuned
from tsforge.comparison.table import ComparisonTable, Measure
from tsforge.runtime import files, tables
from tsforge.runtime.numbers import between, plain
from tsforge.runtime.tables import escaped

COLUMNS = ("aspect", "key", "model", "value", "text", "word")


def write(measured: Measured, table: ComparisonTable, pictures: Sequence[Picture], folder: Path) -> list[Path]:
    """comparison.md, .csv, .json and .html in a folder; each is whole or as it was before."""
    folder.mkdir(parents=True, exist_ok=True)
    values = document(measured, table, pictures)
    content = page.Content(measured.name, measured.seeds, table, facts(measured), list(pictures))
    texts = {
        "comparison.md": _markdown(measured, table, pictures, folder),
        "comparison.csv": _csv(table),
        page.FILE: json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "comparison.html": page.text(content),
    }
    return [files.write(folder / name, text) for name, text in texts.items()]


def document(measured: Measured, table: ComparisonTable, pictures: Sequence[Picture] = ()) -> dict[str, Any]:
    """Words, figures, curves, attempts and scores as plain values; what is no finite number is None."""
    values: dict[str, Any] = plain(
        {
            "name": measured.name, "models": measured.models, "seeds": measured.seeds, "budget": measured.budget,
            "seconds": measured.seconds, "machine": measured.machine,
            "verdicts": {
                aspect: {"words": words, "rule": table.rules[aspect], "textbook": table.agreement.get(aspect)}
                for aspect, words in table.verdicts.items()
            },
            "columns": table.columns, "rows": [_row(row) for row in table.rows], "settings": table.settings,
            "facts": facts(measured),
            "pictures": [{"aspect": p.aspect, "caption": p.caption, "file": p.path.name} for p in pictures],
            "probes": {model: _probed(probes) for model, probes in measured.probed.items()},
            "reach_lag": measured.lag,
            "data": [_data(data) for data in measured.data],
        }
    )  # fmt: skip
    return values


def verdicts(table: ComparisonTable) -> str:
    """The verdicts and what the textbook says of them, in Markdown."""
    lines = tables.markdown(
        ["", *table.models],
        [[aspect, *(words.get(m, "") for m in table.models)] for aspect, words in table.verdicts.items()],
    )
    agreement = [f"- {aspect}: {escaped(sentence)}" for aspect, sentence in table.agreement.items()]
    return "\n".join([*lines, "", *agreement]).strip() + "\n"


def facts(measured: Measured) -> dict[str, str]:
    """On what terms the models were compared, in words."""
    terms = {
        "models": ", ".join(measured.models),
        "seeds": str(measured.seeds),
        "budget": "the same optimiser steps" if measured.budget == "steps" else "the same time of training",
        "settings": _tuning(measured),
    }
    for data in measured.data:
        terms[f"data, {data.name}"] = (
            f"{data.windows:,} held-out windows, horizon {data.horizon}, context {data.context}, season {data.season}"
        )
        terms[f"parameters, {data.name}"] = between([fit.parameters for fit in data.fits])
    if measured.probed:
        terms["parameters, probes"] = between([p.parameters for p in measured.probed.values()])
    terms |= {_NAMES.get(key, key): value for key, value in measured.machine.items()}
    return terms | {"the whole comparison": f"{measured.seconds:,.0f} s"}


def _tuning(measured: Measured) -> str:
    """Whether settings were searched; of a comparison that did not, that others might have done better."""
    trials = [search.trials for data in measured.data for search in data.tuned.values()]
    if not trials:
        return "as given, tuned for no model"
    return f"tuned for each model on validation windows, {between(trials)} trials each"


_NAMES = {"cpu": "processor", "threads": "torch threads", "memory_gb": "memory in GB", "gpu": "GPU"}


# --- Markdown ---------------------------------------------------------------------------------------------------------


def _markdown(measured: Measured, table: ComparisonTable, pictures: Sequence[Picture], folder: Path) -> str:
    """The parts in the order in which they are asked for."""
    lines = [f"# {escaped(measured.name)}", "", verdicts(table)]
    lines += _images([picture for picture in pictures if picture.aspect is None], folder)
    for aspect, columns, rows in table.sections:
        lines += [f"## {aspect}", ""]
        cells = [[row.title, *(_cell(row, c) for c in columns)] for row in rows]
        lines += [*tables.markdown(["", *columns], cells), ""]
        lines += _images([picture for picture in pictures if picture.aspect == aspect], folder)
    if table.settings:
        lines += ["## Settings that tuning chose", ""]
        lines += [f"- **{escaped(who)}**: {escaped(what)}" for who, what in table.settings.items()]
        lines.append("")
    lines += ["## How each row is measured", ""]
    for aspect, _, _ in table.sections:
        lines += [f"### {aspect}", ""]
        if aspect in table.rules:
            lines += [f"Verdict: {escaped(table.rules[aspect])}.", ""]
        lines += [f"- **{escaped(titles)}**: {escaped(text)}" for titles, text in table.explained(aspect)]
        lines.append("")
    lines += ["## Facts", "", *tables.markdown(["", ""], [[k, v] for k, v in facts(measured).items()], left=2)]
    return "\n".join(lines) + "\n"


def _cell(row: Measure, column: str) -> str:
    cell = row.cells.get(column)
    if cell is None:
        return ""
    return f"{cell.full} {cell.word}" if cell.shown != cell.text else cell.full


def _images(pictures: Sequence[Picture], folder: Path) -> list[str]:
    """Links that hold wherever the folder goes."""
    lines = []
    for picture in pictures:
        place = Path(os.path.relpath(picture.path, folder)).as_posix()
        lines += [f"![{escaped(picture.title)}](<{place}>)", ""]
    return lines


# --- CSV and JSON -----------------------------------------------------------------------------------------------------


def _csv(table: ComparisonTable) -> str:
    """One line per figure; an infinite one or none at all has no value, and its text says which."""
    lines = [
        [row.aspect, row.key, model, float(cell.value) if math.isfinite(cell.value) else None, cell.full, cell.word]
        for row in table.rows
        for model, cell in row.cells.items()
    ]
    return tables.csv(COLUMNS, lines)


def _row(row: Measure) -> dict[str, Any]:
    cells = {m: {"value": c.value, "text": c.text, "word": c.word or "", "note": c.note} for m, c in row.cells.items()}
    return {
        "aspect": row.aspect, "key": row.key, "title": row.title, "definition": row.definition, "rule": row.rule,
        "cells": cells,
    }  # fmt: skip


def _probed(p: Probed) -> dict[str, Any]:
    tried = {
        task: [
            {"lag": a.lag, "seed": a.seed, "error": a.error, "within": a.within, "steps": a.steps, "solved": a.solved}
            for a in attempts
        ]
        for task, attempts in p.attempts.items()
    }
    return {
        "width": p.width, "parameters": p.parameters, "dependent_operations": _curve(p.chain),
        "step_seconds": _curve(p.seconds), "saved_bytes": _curve(p.saved),
        "peak_bytes": _curve(p.peak) if p.peak else None, "attempts": tried, "gradient_norms": p.reach,
    }  # fmt: skip


def _curve(curve: Curve) -> dict[str, Any]:
    return {"lengths": curve.lengths, "values": curve.values, "exponent": curve.exponent}


def _data(data: OnData) -> dict[str, Any]:
    against = {
        m: {"difference": p.difference, "p": p.p, "count": p.count, "of": p.of, "verdict": p.verdict}
        for m, p in data.against.items()
    }
    return {
        "name": data.name, "horizon": data.horizon, "context": data.context, "season": data.season,
        "windows": data.windows, "primary": data.primary, "best": data.best, "against_best": against,
        "judgement": data.judgement.plain() if data.judgement else None,
        "baselines": data.baselines, "trainings": [_training(fit) for fit in data.fits],
        "tuning": {m: _tuned(search) for m, search in data.tuned.items()},
    }  # fmt: skip


def _tuned(search: Tuned) -> dict[str, Any]:
    return {
        "trials": search.trials, "objective": search.objective, "score": search.score, "before": search.before,
        "settings": search.settings, "not_varied": search.fixed, "seconds": search.seconds, "folder": search.folder,
    }  # fmt: skip


def _training(fit: Fitted) -> dict[str, Any]:
    return {
        "model": fit.model, "seed": fit.seed, "width": fit.width, "parameters": fit.parameters, "scores": fit.scores,
        "seconds": fit.seconds, "windows": fit.windows, "windows_per_s": fit.pace, "stop": fit.stop,
        "validation": [{"seconds": seconds, "loss": loss} for seconds, loss in fit.curve], "folder": fit.folder,
    }  # fmt: skip
