"""The end of a sweep in tables: what was fitted again, and what the test part says of it."""

from __future__ import annotations

from collections.abc import Sequence

from tsforge import writing
from tsforge.sweeping import finale
from tsforge.sweeping.finale import Candidate
from tsforge.sweeping.plan import Plan

Table = tuple[list[str], list[list[str]]]  # header, rows


def markdown(candidates: Sequence[Candidate], default: Candidate | None, plan: Plan) -> list[str]:
    """Both tables as lines; none where nothing was fitted again."""
    if not candidates:
        return []
    found = ["## Fitted again", "", *writing.table(*refits(candidates, default, plan), left=2)]
    head, lines = tests(candidates)
    if lines:
        said = "Forecast once, at the end, by the models of every seed; mean ± standard deviation."
        found += ["", "## Test part", "", said, "", *writing.table(head, lines)]
    return found


def refits(candidates: Sequence[Candidate], default: Candidate | None, plan: Plan) -> Table:
    """Validation score by candidate, over seeds."""
    rows = []
    for one in candidates:
        label = one.name + (" (default)" if default is one and one.name != finale.DEFAULT else "")
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
    mean, deviation = finale.spread(values)
    return f"{mean:.4g} ± {deviation:.2g}" if len(values) > 1 else f"{mean:.4g}"
