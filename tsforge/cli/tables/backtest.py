"""The tables of a backtest, on the terminal and in files."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tsforge.api.gaps import season, sentences, skill_of
from tsforge.api.summary import best_marked, score_rows
from tsforge.api.verdict import sentence
from tsforge.backtesting.scoreboard import NOMINAL, Scoreboard
from tsforge.cli.output import STANDARD, colour, echo, print_table
from tsforge.evaluation.judgement import Judgement
from tsforge.evaluation.metrics import lower_is_better
from tsforge.runtime import files
from tsforge.runtime.numbers import figures
from tsforge.runtime.tables import csv, markdown

MOST_STEPS = 24  # rows of steps on the terminal; files have all
MOST_SERIES = 40


@dataclass(frozen=True)
class Text:
    """One table with its title above; the verdict that it leads to, where it does, and notes below it."""

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: tuple[str, ...] = ()
    judgement: Judgement | None = None

    def print(self) -> None:
        """As wide as the terminal has columns."""
        echo()
        echo(self.title)
        print_table(self.header, self.rows)
        for line in self._verdict:
            echo(f"  {line}", *(colour(self.judgement) if self.judgement else ()))
        for note in self.notes:
            echo(f"  {note}")

    def markdown(self) -> str:
        """As a Markdown table."""
        lines = markdown(self.header, self.rows)
        return "\n".join([self.title, "", *lines, "", *[f"{note}  " for note in (*self._verdict, *self.notes)]])

    @property
    def _verdict(self) -> list[str]:
        return [f"verdict: {sentence(self.judgement)}"] if self.judgement else []


def tables(board: Scoreboard, by: str | None, *, coverage: bool) -> list[Text]:
    """All tables that the options ask for, in the order in which they are read."""
    texts = [_main(board)] if len(board.tests) == 1 else _groups(board)
    texts.append(_paired(board))
    if by is not None:
        texts.append(_by(board, by))
    if coverage:
        texts.append(_coverage(board))
    return texts


def rows(board: Scoreboard, by: str) -> list[dict[str, Any]]:
    """The scores shown: a row per model and step, or per model and series."""
    names = board.shown
    if by == "step":
        values = board.by_step(names)
        labels: list[dict[str, Any]] = [{"step": h + 1} for h in range(len(values[names[0]][board.models[0]]))]
    else:
        parts, values = board.by_series(names)
        labels = [dict(part) for part in parts]
    return [
        {**label, "model": model, **{n: values[n][model][k] for n in names}}
        for k, label in enumerate(labels)
        for model in board.models
    ]


def coverage_by_step(board: Scoreboard) -> dict[str, dict[str, list[float]]]:
    """Coverage by horizon step of the model's intervals, by kind and nominal level."""
    model = board.models[0]
    return {kind: {str(n): board.coverage_by_step(model, kind, n) for n in NOMINAL} for kind in board.kinds}


def write(board: Scoreboard, texts: list[Text], by: str | None, output: str) -> None:
    """The tables as Markdown; or all scores as CSV, one row per model (and group, step or series)."""
    path = Path(output)
    if path.suffix == ".md":
        files.write(path, "\n".join(text.markdown() for text in texts) + "\n")
        return
    if by is not None:
        lines = rows(board, by)
    else:
        lines = [{"group": "all", "model": m, **s} for m, s in board.scores.items()]
        if len(board.tests) > 1:
            for group in board.tests:
                lines += [{"group": group, "model": m, **s} for m, s in board.table(board.names, group).items()]
    text = csv(list(lines[0]), [list(line.values()) for line in lines])
    if output == STANDARD:
        print(text, end="", flush=True)
    else:
        files.write(path, text)


def _main(board: Scoreboard) -> Text:
    """Metric by model, with the skill against the best simple forecaster."""
    scores = board.table(board.shown)
    lines = score_rows({model: scores[model] for model in board.distinct}, board.best_simple)
    if "adaptive" in board.intervals:  # beside the moving intervals those that stand still
        for n in NOMINAL:
            if f"coverage_{n}" in board.shown:
                lines.append([f"  {n} static", *figures([board.coverage(m, "static", n) for m in board.distinct]), ""])
    return Text(_title(board), ["", *board.distinct, "skill"], lines, _notes(board), board.judgement)


def _groups(board: Scoreboard) -> list[Text]:
    """For each metric, group by model."""
    texts = []
    for i, name in enumerate(board.shown):
        lines = [[g, *_cells(name, [board.score(m, name, g) for m in board.distinct])] for g in board.tests]
        for average, label in (("points", "all, points"), ("series", "all, series")):
            values = [board.score(m, name, None, average) for m in board.distinct]  # type: ignore[arg-type]
            lines.append([label, *_cells(name, values)])
        texts.append(Text(_title(board) + "\n\n" + name if i == 0 else name, ["", *board.distinct], lines))
    last = texts[-1]
    more = "groups: " + _AVERAGES[board.average] + "; all: pooled over points, and as a mean over series"
    return [*texts[:-1], replace(last, notes=(more, *_notes(board)[1:]), judgement=board.judgement)]


def _cells(metric: str, values: list[float]) -> list[str]:
    """Values of the models, the best marked where lower is better."""
    return best_marked(figures(values), values) if lower_is_better(metric) else figures(values)


_AVERAGES = {"points": "pooled over points", "series": "mean over series"}


def _title(board: Scoreboard) -> str:
    test = board.first
    data = test.experiment.data
    windows = sum(t.windows for t in board.tests.values())
    series = sum(t.series for t in board.tests.values())
    read = sum(t.read for t in board.tests.values())
    of = f"{series:,}" if series == read else f"{series:,} of {read:,}"
    fits = sum(t.fits for t in board.tests.values())
    how = "fitted before" if fits == 0 else "fitted once" if fits == 1 else f"{fits} fits"
    what = ", ".join(data.target) if len(board.tests) == 1 else ", ".join(board.tests)
    rolled = f"horizon {data.horizon}, stride {test.stride}, {season(data.season, test.fallback)}, "
    roll = rolled if len(board.tests) == 1 else ""
    return f"backtest of {board.models[0]} on {what}: {windows:,} windows of {of} series, {roll}{how}"


def _notes(board: Scoreboard) -> tuple[str, ...]:
    test = board.first
    simple = board.best_simple
    error = board.score(simple, board.primary) if simple else math.nan
    units = "; in deviations of the training part" if test.config.units == "standard" else ""
    gamma = f" (γ {test.config.gamma:g})" if "adaptive" in board.intervals else ""
    notes = [
        "; ".join([f"{_AVERAGES[board.average]}{units}", *skill_of(simple, error)]),
        f"intervals: {' or '.join(board.intervals)}{gamma}; coverage_80 should be 0.8, coverage_90 0.9",
    ]
    notes += gaps(board)
    relative = [n for n in board.shown if n in ("mape", "smape", "wape", "wql", "owa")]
    if units and relative:
        notes.append(f"{', '.join(relative)}: divided by deviations from the mean here, which may be near 0")
    return tuple(notes)


def gaps(board: Scoreboard) -> list[str]:
    """What the scores of the model leave out, and why some are missing, in sentences."""
    seasons = {test.experiment.data.season for test in board.tests.values()}
    return sentences(board.gaps(), seasons.pop() if len(seasons) == 1 else None)


def _paired(board: Scoreboard) -> Text:
    """The model against each other model: difference, p-value and verdict."""
    lines = []
    paired = {name: p for name, p in board.against().items() if name in board.distinct}
    gaps = figures([p.difference for p in paired.values()])
    for (other, p), gap in zip(paired.items(), gaps, strict=True):
        chance = "-" if math.isnan(p.p) else f"{p.p:.3f}" if p.p >= 0.001 else "< 0.001"
        lines.append([other, f"{'+' if p.difference > 0 else ''}{gap}", chance, p.verdict])
    some = max(paired.values(), key=lambda p: p.count)
    method = "Diebold-Mariano" if some.of == "origins" else "t-test; it says nothing of other times"
    title = (
        f"{board.models[0]} against others: mean difference in {board.primary} over {some.count:,} {some.of} ({method})"
    )
    return Text(title, ["", "difference", "p", ""], lines)


def _by(board: Scoreboard, by: str) -> Text:
    """The primary metric by step or series and model."""
    name = board.primary
    if by == "step":
        values = board.by_step([name])[name]
        labels = [str(h + 1) for h in range(len(values[board.models[0]]))]
        shown = _spaced(len(labels), MOST_STEPS)
    else:
        parts, series = board.by_series([name])
        values = series[name]
        labels = [" ".join(str(v) for v in part.values() if v) for part in parts]
        shown = list(range(min(len(labels), MOST_SERIES)))
    lines = [[labels[k], *_cells(name, [values[m][k] for m in board.distinct])] for k in shown]
    more = () if len(shown) == len(labels) else (f"{len(shown)} of {len(labels)}; --output scores.csv has all",)
    return Text(f"{name} by {by}", [by, *board.distinct], lines, more)


def _coverage(board: Scoreboard) -> Text:
    """Nominal against actual, by step."""
    model = board.models[0]
    header = [f"{n} {kind}" for n in NOMINAL for kind in board.kinds]
    whole = figures([board.coverage(model, kind, n) for n in NOMINAL for kind in board.kinds])
    columns = [board.coverage_by_step(model, kind, n) for n in NOMINAL for kind in board.kinds]
    shown = _spaced(len(columns[0]), 12)
    lines = [["all", *whole], *([str(h + 1), *figures([c[h] for c in columns])] for h in shown)]
    note = (
        "raw: as the network says; static: corrected on held-out windows, as predict gives them"
        + ("; adaptive: also moved after every origin" if "adaptive" in board.kinds else "")
        + ("" if board.first.rolls else " (one origin a series: as static)")
    )
    return Text(f"share of truths inside the intervals of {model}, by step", ["step", *header], lines, (note,))


def _spaced(count: int, most: int) -> list[int]:
    """At most `most` of the positions below count, evenly spaced, with the first and the last."""
    if count <= most:
        return list(range(count))
    return sorted({round(k * (count - 1) / (most - 1)) for k in range(most)})
