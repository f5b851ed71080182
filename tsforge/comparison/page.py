"""The page of a comparison: its verdicts, figures, pictures and scores in one file, as measured or read back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from tsforge.comparison.plots import Picture
from tsforge.comparison.rules import Aspect, Word
from tsforge.comparison.table import Cell, ComparisonTable, Measure
from tsforge.errors import ConfigError
from tsforge.plotting import pages
from tsforge.runtime.numbers import figure

TEMPLATES = Path(__file__).parent / "templates"
FILE = "comparison.json"
SCORES = ("mase", "mae", "rmse", "wql", "coverage_80", "coverage_90")


@dataclass(frozen=True)
class Content:
    """What stands on the page.

    facts: on what terms the models were compared. data: of each data set what `comparison.json` says; where there is
    some, their scores stand on the page too, and the folders of the models.
    """

    name: str
    seeds: int
    table: ComparisonTable
    facts: dict[str, str]
    pictures: list[Picture]
    data: list[dict[str, Any]] = field(default_factory=list)


def text(content: Content) -> str:
    """One file that opens offline: pictures inside, no script, everything escaped."""
    folders = [fit["folder"] for data in content.data for fit in data["trainings"] if fit.get("folder")]
    return pages.render(TEMPLATES, "comparison.html", {
        "title": content.name, "name": content.name, "table": content.table, "facts": content.facts,
        "pictures": [_picture(p) for p in content.pictures], "tones": {word: word.tone for word in Word},
        "seeds": content.seeds, "scores": [_scores(data) for data in content.data], "models": folders,
    })  # fmt: skip


def read(folder: Path) -> Content:
    """What a comparison wrote into a folder. Raises ConfigError where there is none, or it is damaged."""
    try:
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return _content(values, folder)
    except OSError:
        raise ConfigError(f"{folder}: holds no comparison", "name a folder that tsforge compare wrote") from None
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ConfigError(f"{folder / FILE}: is damaged ({problem})", "compare again into another folder") from None


def _content(values: dict[str, Any], folder: Path) -> Content:
    verdicts = {Aspect(aspect): part for aspect, part in values["verdicts"].items()}
    rows = tuple(_measure(row) for row in values["rows"])
    columns = values.get("columns") or list(dict.fromkeys(name for row in rows for name in row.cells))
    table = ComparisonTable(
        tuple(columns), tuple(values["models"]), rows, {a: part["words"] for a, part in verdicts.items()},
        {a: part["rule"] for a, part in verdicts.items()},
        {a: part["textbook"] for a, part in verdicts.items() if part["textbook"]}, values.get("settings") or {},
    )  # fmt: skip
    facts = values.get("facts") or {key: str(values[key]) for key in ("seeds", "budget")} | values["machine"]
    pictures = [
        Picture(Aspect(p["aspect"]) if p["aspect"] else None, p["caption"], folder / Path(p["file"]).name)
        for p in values.get("pictures", [])
    ]
    return Content(
        values["name"], values["seeds"], table, facts, [p for p in pictures if p.path.is_file()], values["data"]
    )


def _measure(row: dict[str, Any]) -> Measure:
    cells = {name: _cell(cell) for name, cell in row["cells"].items()}
    return Measure(Aspect(row["aspect"]), row["key"], row["title"], row["definition"], cells, row["rule"])


def _cell(cell: dict[str, Any]) -> Cell:
    value = float("nan") if cell["value"] is None else cell["value"]
    return Cell(value, cell["text"], Word(cell["word"]) if cell["word"] else None, cell["note"])


def _scores(data: dict[str, Any]) -> dict[str, Any]:
    """A row of each model and baseline, the best in the primary metric first: the usual metrics, means over seeds."""
    by_model: dict[str, list[dict[str, Any]]] = {}
    for fit in data["trainings"]:
        by_model.setdefault(fit["model"], []).append(fit["scores"])
    by_model |= {name: [scores] for name, scores in data["baselines"].items()}
    names = [name for name in SCORES if any(name in scores for runs in by_model.values() for scores in runs)]
    means = {model: {name: _mean(runs, name) for name in names} for model, runs in by_model.items()}
    order = sorted(means, key=lambda model: means[model].get(data["primary"], float("inf")))
    rows = [[model, *(figure(means[model][name]) for name in names)] for model in order]
    return {"name": data["name"], "columns": names, "rows": rows}


def _mean(runs: list[dict[str, Any]], name: str) -> float:
    values = [scores[name] for scores in runs if scores.get(name) is not None]
    return fmean(values) if values else float("nan")


def _picture(picture: Picture) -> dict[str, Any]:
    image, caption = pages.image(picture.path), picture.caption
    return image | {
        "title": picture.title, "caption": caption[:1].upper() + caption[1:], "aspect": picture.aspect,
        "wide": picture.aspect is None or image["width"] > 1.8 * image["height"],
    }  # fmt: skip
