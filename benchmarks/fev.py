"""Forecasts of the tasks of Chronos' zero-shot benchmark that competitions and ETT cover, beside published results.

    python benchmarks/fev.py --models theta,ets,linear
    python benchmarks/fev.py --models auto --max-time 60s --published FILE --etth1 ETTh1.csv --etth2 ETTh2.csv

Prints Markdown: the cuts, each checked by what was published for seasonal naive; every task's MASE and WQL over those
of seasonal naive; and over the tasks their geometric means, the share of comparisons won with a bootstrap over tasks,
and seconds. Scores are those of the package fev (see holdout.py). Competitions come from the catalog (tsforge data get
m3-monthly and so on). --published: a CSV with the columns model, task, MASE, WQL, training_s, inference_s and
trained_on_this_dataset, as collected from the results in the repository autogluon/fev.

The last horizon of each series is held out of everything; what a model chooses by is the horizon before it. Of what is
"each series by itself" here, the intervals alone are learned from all series of the task.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.holdout import Floats, Holdout, Scores, catalogued, forecast, score, seasonal_naive, targets
from tsforge.model.baselines.forecaster import WHOLE

DRAWS, SEED = 1000, 123  # of the bootstrap, as fev has them
ROUNDING = 5e-4  # relative: the copies behind the published figures round some values (M1 yearly: 4.8931, not 4.8943)
NAIVE = "seasonal_naive"  # as published
CLOSED_FORMS = ("naive", "seasonal-naive", "drift", "naive2", *WHOLE)
STATISTICAL = ("auto_arima", "auto_ets", "auto_theta")  # as published
ALONE, TRAINED = "each series by itself", "the series of the task"
ZERO_SHOT, SEEN = "other data: zero-shot", "other data and this"


class Task(NamedTuple):
    """A task as published, where its data are from, and what was published for seasonal naive."""

    source: str
    horizon: int
    season: int
    naive: Scores
    same_cut: bool = True


TASKS = {
    "monash_m1_monthly": Task("m1-monthly", 18, 12, Scores(1.3145, 0.1915)),
    "monash_m1_quarterly": Task("m1-quarterly", 8, 4, Scores(2.0775, 0.1495)),
    "monash_m1_yearly": Task("m1-yearly", 6, 1, Scores(4.8943, 0.2093)),
    "monash_m3_monthly": Task("m3-monthly", 18, 12, Scores(1.1462, 0.1485)),
    "monash_m3_quarterly": Task("m3-quarterly", 8, 4, Scores(1.4253, 0.1013)),
    "monash_m3_yearly": Task("m3-yearly", 6, 1, Scores(3.1717, 0.1665)),
    "monash_tourism_monthly": Task("tourism-monthly", 24, 12, Scores(1.6309, 0.1042)),
    "monash_tourism_quarterly": Task("tourism-quarterly", 8, 4, Scores(1.6990, 0.1194)),
    # The published task is not the competition's: other values lie behind its yearly series.
    "monash_tourism_yearly": Task("tourism-yearly", 4, 1, Scores(3.5520, 0.2092), same_cut=False),
    "ETTh": Task("ett", 24, 24, Scores(0.9316, 0.1221)),
}


class Result(NamedTuple):
    """One model on one task.

    naive: the scores of seasonal naive on the same cut. trained: on what.
    """

    model: str
    task: str
    scores: Scores
    naive: Scores
    trained: str
    training: float = 0.0
    inference: float = 0.0


def main() -> None:
    asked = _arguments()
    holdouts = {name: table for name in asked.tasks if (table := load(TASKS[name], asked)) is not None}
    naive = {name: score(holdout, seasonal_naive(holdout)) for name, holdout in holdouts.items()}
    same = [name for name in holdouts if TASKS[name].same_cut and (name != "ETTh" or asked.etth2)]
    print(cuts(holdouts, naive, same), flush=True)
    for name in same:
        check(name, naive[name])
    results = [Result(NAIVE, name, scores, scores, ALONE) for name, scores in naive.items()]
    for model in asked.models:
        for name, holdout in holdouts.items():
            results.append(run(model, name, holdout, naive[name], asked))
            print(f"{model} {name}: {results[-1].training + results[-1].inference:.1f} s", file=sys.stderr, flush=True)
    print("\n" + per_task(results, asked.models))
    if asked.published:
        results += read(asked.published, list(holdouts))
    print("\n" + (board(results, same) if same else "no task of the published cut: nothing to compare"))
    if asked.json:
        asked.json.write_text(json.dumps([plain(result) for result in results], indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="theta,ets,linear", type=words)
    parser.add_argument("--tasks", default=list(TASKS), type=words, help="some of them, with commas between")
    parser.add_argument("--max-time", default="60s", help="that auto has for each task")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of every model")
    parser.add_argument("--published", type=Path, help="a CSV of published results")
    parser.add_argument("--etth1", help="ETTh1.csv")
    parser.add_argument("--etth2", help="ETTh2.csv: the published task has both")
    parser.add_argument("--json", type=Path, help="a file for every score")
    asked = parser.parse_args()
    if unknown := [name for name in asked.tasks if name not in TASKS]:
        parser.error(f"no such task: {', '.join(unknown)}; tasks: {', '.join(TASKS)}")
    return asked


def words(text: str) -> list[str]:
    """Names that stand in one argument, with commas between."""
    return [word.strip() for word in text.split(",") if word.strip()]


def load(task: Task, asked: argparse.Namespace) -> Holdout | None:
    """The table of a task; None for ETTh where no file was named."""
    if task.source != "ett":
        return catalogued(task.source, task.horizon, task.season)
    files = [path for path in (asked.etth1, asked.etth2) if path]
    return targets(files, task.horizon, task.season, "h") if files else None


def check(name: str, naive: Scores) -> None:
    """Stop where seasonal naive does not score what was published: the cut is another, and nothing can be compared."""
    for metric, here, there in zip(Scores._fields, naive, TASKS[name].naive, strict=True):
        if abs(here - there) > ROUNDING * there + 5e-5:
            raise SystemExit(f"{name}: {metric} of seasonal naive is {here:.4f}, but {there:.4f} was published")


def run(model: str, name: str, holdout: Holdout, naive: Scores, asked: argparse.Namespace) -> Result:
    """Fit and score one model on one task."""
    settings: dict[str, Any] = {"model.kind": model} | dict(pair.split("=", 1) for pair in asked.set)
    if model == "auto":
        settings["train.max_time"] = asked.max_time
    made = forecast(holdout, settings)
    trained = ALONE if model in CLOSED_FORMS else TRAINED
    return Result(model, name, score(holdout, made), naive, trained, made.training, made.inference)


def read(path: Path, tasks: list[str]) -> list[Result]:
    """Published results of the tasks, but those of seasonal naive, which is computed here."""
    rows = pd.read_csv(path)
    rows = rows[rows["task"].isin(tasks) & (rows["model"] != NAIVE)].fillna({"training_s": 0.0, "inference_s": 0.0})
    return [
        Result(
            str(row.model), str(row.task), Scores(row.MASE, row.WQL), TASKS[str(row.task)].naive,
            ALONE if row.model in STATISTICAL else SEEN if row.trained_on_this_dataset else ZERO_SHOT,
            row.training_s, row.inference_s,
        )
        for row in rows.itertuples()
    ]  # fmt: skip


def cuts(holdouts: dict[str, Holdout], naive: dict[str, Scores], same: list[str]) -> str:
    """The tasks, and seasonal naive on them beside what was published for it."""
    lines = [
        "| task | series | horizon | season | seasonal naive: MASE | published | WQL | published | cut |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for name, here in naive.items():
        task, series = TASKS[name], len(holdouts[name].series)
        figures = f"{here.mase:.4f} | {task.naive.mase:.4f} | {here.wql:.4f} | {task.naive.wql:.4f}"
        note = "as published" if name in same else "not the published one"
        lines.append(f"| {name} | {series} | {task.horizon} | {task.season} | {figures} | {note} |")
    return "\n".join(lines)


def per_task(results: list[Result], models: list[str]) -> str:
    """MASE / WQL over those of seasonal naive, a row per task."""
    cells = {(r.task, r.model): "{:.3f} / {:.3f}".format(*relative(r)) for r in results}
    lines = ["| relative MASE / WQL | " + " | ".join(models) + " |", "|---|" + "--:|" * len(models)]
    for task in dict.fromkeys(r.task for r in results):
        lines.append(f"| {task} | " + " | ".join(cells[task, model] for model in models) + " |")
    return "\n".join(lines)


def relative(result: Result) -> Scores:
    """Over those of seasonal naive."""
    return Scores(*(own / base for own, base in zip(result.scores, result.naive, strict=True)))


def board(results: list[Result], same: list[str]) -> str:
    """Every model over the tasks: geometric means, comparisons won in MASE, seconds, and what it was trained on.

    A task of another cut than the published one counts in the column of all tasks alone, where each model is set beside
    the seasonal naive of its own cut. Models that lack a task are left out.
    """
    rows = pd.DataFrame([(r.task, r.model, *relative(r)) for r in results], columns=["task", "model", "MASE", "WQL"])
    mase, wql = (rows.pivot_table(m, "task", "model").dropna(axis=1) for m in ("MASE", "WQL"))
    means = pd.DataFrame({"same": geometric(mase.loc[same]), "wql": geometric(wql.loc[same]), "all": geometric(mase)})
    rates = win_rates(mase.loc[same])
    lines = [
        f"| model | trained on | relative MASE, as published ({len(same)}) | relative WQL | comparisons won, % "
        f"| relative MASE, all ({len(mase)}) | training s | inference s |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for model, mean in means.sort_values("same").iterrows():
        own = [r for r in results if r.model == model]
        seconds = f"{sum(r.training for r in own):.0f} | {sum(r.inference for r in own):.1f}"
        won = "{:.0f} ({:.0f} to {:.0f})".format(*(100 * rates[str(model)]))
        cells = f"{mean['same']:.3f} | {mean['wql']:.3f} | {won} | {mean['all']:.3f} | {seconds}"
        lines.append(f"| {model} | {training(own)} | {cells} |")
    return "\n".join(lines)


def geometric(errors: pd.DataFrame) -> pd.Series:
    """The geometric mean over tasks of each model."""
    return np.exp(np.log(errors).mean())


def win_rates(errors: pd.DataFrame) -> dict[str, Floats]:
    """The share of comparisons with another model on a task that each model wins, ties as halves; and its 95 % range.

    errors: tasks × models. The range is that of as many tasks drawn with replacement, again and again.
    """
    values = errors.to_numpy()
    better = (values[:, :, None] < values[:, None, :]) + 0.5 * (values[:, :, None] == values[:, None, :])
    share = (better.sum(axis=2) - 0.5) / max(values.shape[1] - 1, 1)  # of each model on each task, not against itself
    draws = np.random.default_rng(SEED).integers(0, len(values), size=(DRAWS, len(values)))
    low, high = np.quantile(share[draws].mean(axis=1), [0.025, 0.975], axis=0)
    return {str(name): np.array(row) for name, *row in zip(errors.columns, share.mean(axis=0), low, high, strict=True)}


def training(results: list[Result]) -> str:
    """On what a model was trained, with the number of tasks where these differ."""
    words = Counter(result.trained for result in results)
    return ", ".join(f"{word} ({count})" if len(words) > 1 else word for word, count in words.most_common())


def plain(result: Result) -> dict[str, Any]:
    """A result as JSON has it."""
    own, base = result.scores._asdict(), {f"naive_{name}": value for name, value in result.naive._asdict().items()}
    rest = {name: value for name, value in result._asdict().items() if name not in ("scores", "naive")}
    return rest | own | base


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # of the whole process
    main()
