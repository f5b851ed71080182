"""The end of a sweep in tables: what was fitted again, and what the test part says of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from tsforge.runtime import files, tables
from tsforge.sweeping import refit
from tsforge.sweeping.config import Plan
from tsforge.sweeping.leaderboard import SHOWN, Row, cells, header
from tsforge.sweeping.refit import Candidate

Table = tuple[list[str], list[list[str]]]  # header, rows


def markdown(candidates: Sequence[Candidate], default: Candidate | None, plan: Plan) -> list[str]:
    """Both tables as lines; none where nothing was fitted again."""
    if not candidates:
        return []
    found = ["## Fitted again", "", *tables.markdown(*refits(candidates, default, plan), left=2)]
    head, lines = tests(candidates)
    if lines:
        said = "Forecast once, at the end, by the models of every seed; mean ± standard deviation."
        found += ["", "## Test part", "", said, "", *tables.markdown(head, lines)]
    return found


def refits(candidates: Sequence[Candidate], default: Candidate | None, plan: Plan) -> Table:
    """Validation score by candidate, over seeds."""
    rows = []
    for one in candidates:
        label = one.name + (" (default)" if default is one and one.name != refit.DEFAULT else "")
        rows.append([label, one.experiment.model.kind, _score(list(one.validation.values())), str(len(one.validation))])
    return ["", "model", plan.sweep.objectives[0], "seeds"], rows


def tests(candidates: Sequence[Candidate]) -> Table:
    """Test scores of the winner and of the default it is held against, over seeds."""
    tested = [c for c in candidates if c.test]
    if not tested:
        return [], []
    names = list(next(iter(tested[0].test.values())))
    head = ["", f"winner ({tested[0].name})", *(f"default ({c.experiment.model.kind})" for c in tested[1:])]
    return head, [[name, *(_score([found[name] for found in c.test.values()]) for c in tested)] for name in names]


def _score(values: Sequence[float]) -> str:
    """As 0.51 ± 0.02; without a deviation where there is one value."""
    mean, deviation = refit.spread(values)
    return f"{mean:.4g} ± {deviation:.2g}" if len(values) > 1 else f"{mean:.4g}"


def as_csv(found: Sequence[Row]) -> str:
    """All trials with all their settings and scores, every digit."""
    settings = list(dict.fromkeys(name for r in found for name in r.params))
    scores = list(dict.fromkeys(name for r in found for name in r.scores))
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["rank", "trial", "model", "state", "kept", "front", "seconds", *scores, *settings, "reason"])
    for i, r in enumerate(found):
        out.writerow(
            [i + 1 if r.good else "", r.number, r.model, r.state, int(r.kept), int(r.front), r.seconds,
             *(r.scores.get(name, "") for name in scores), *(r.params.get(name, "") for name in settings), r.reason]
        )  # fmt: skip
    return text.getvalue()


def as_markdown(found: Sequence[Row], plan: Plan, more: str = "") -> str:
    """The best rows, and what the finale says of them."""
    best = [cells(i + 1, r, plan)[:-1] for i, r in enumerate(found[:SHOWN])]
    lines = [f"# {plan.title}", "", *tables.markdown(header(plan)[:-1], best, left=3)]
    rest = len(found) - min(len(found), SHOWN)
    lines += ["", f"{rest} more in leaderboard.csv." if rest else f"{len(found)} trials."]
    return "\n".join([*lines, *(["", more] if more else [])]) + "\n"


def write(found: Sequence[Row], plan: Plan, folder: Path, more: str = "") -> None:
    """leaderboard.csv and leaderboard.md."""
    files.write(folder / "leaderboard.csv", as_csv(found))
    files.write(folder / "leaderboard.md", as_markdown(found, plan, more))
