"""A sweep's report: the leaderboard, what was fitted again, and its scores on the test part; as tables and texts."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from tsforge.runtime import numbers, tables
from tsforge.sweeping import refit
from tsforge.sweeping.config import Plan
from tsforge.sweeping.leaderboard import SHOWN, Row, cells, header
from tsforge.sweeping.refit import Candidate

Lines = tuple[list[str], list[list[str]]]  # header, rows


def refits(candidates: Sequence[Candidate], default: Candidate | None, plan: Plan) -> Lines:
    """Validation score by candidate, over seeds."""
    rows = []
    for c in candidates:
        label = c.name + (" (default)" if default is c and c.name != refit.DEFAULT else "")
        rows.append([label, c.experiment.model.kind, _score(list(c.validation.values())), str(len(c.validation))])
    return ["", "model", plan.sweep.objectives[0], "seeds"], rows


def tests(candidates: Sequence[Candidate]) -> Lines:
    """Test scores of the winner and of the default it is held against, over seeds."""
    tested = [c for c in candidates if c.test]
    if not tested:
        return [], []
    names = list(next(iter(tested[0].test.values())))
    head = ["", f"winner ({tested[0].name})", *(f"default ({c.experiment.model.kind})" for c in tested[1:])]
    return head, [[name, *(_score([scores[name] for scores in c.test.values()]) for c in tested)] for name in names]


def _score(values: Sequence[float]) -> str:
    """As "0.51 ± 0.02"; without a deviation where there is one value."""
    return numbers.spread(fmean(values), stdev(values) if len(values) > 1 else None)


def as_csv(rows: Sequence[Row]) -> str:
    """All trials with all their settings and scores, every digit."""
    settings = list(dict.fromkeys(name for r in rows for name in r.params))
    scores = list(dict.fromkeys(name for r in rows for name in r.scores))
    head = ["rank", "trial", "model", "state", "kept", "front", "seconds", *scores, *settings, "reason"]
    lines = [
        [i + 1 if r.good else "", r.number, r.model, r.state, int(r.kept), int(r.front), r.seconds,
         *(r.scores.get(name, "") for name in scores), *(r.params.get(name, "") for name in settings), r.reason]
        for i, r in enumerate(rows)
    ]  # fmt: skip
    return tables.csv(head, lines)


def as_markdown(rows: Sequence[Row], plan: Plan, candidates: Sequence[Candidate], default: Candidate | None) -> str:
    """The best rows, and the tables of what was fitted again."""
    best = [cells(i + 1, r, plan)[:-1] for i, r in enumerate(rows[:SHOWN])]
    lines = [f"# {plan.title}", "", *tables.markdown(header(plan)[:-1], best, left=3)]
    rest = len(rows) - len(best)
    lines += ["", f"{rest} more in leaderboard.csv." if rest else f"{len(rows)} trials."]
    if candidates:
        lines += ["", "## Fitted again", "", *tables.markdown(*refits(candidates, default, plan), left=2)]
    head, scores = tests(candidates)
    if scores:
        note = "Forecast once, at the end, by the models of every seed; mean ± standard deviation."
        lines += ["", "## Test part", "", note, "", *tables.markdown(head, scores)]
    return "\n".join(lines) + "\n"
