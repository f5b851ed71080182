"""The verdict under a table: who is best, by how much, and whether the difference can be believed, in one sentence."""

from __future__ import annotations

import math

from tsforge.evaluation.judgement import Judgement
from tsforge.evaluation.significance import Verdict
from tsforge.runtime.numbers import figure


def sentence(judgement: Judgement) -> str:
    """Begins with the loss where a model loses."""
    j = judgement
    if j.errors[j.model] == j.errors[j.rival]:
        return f"{j.model} and {j.rival} are level in {j.metric}"
    if j.wins:
        return f"{j.model} is best: its {j.metric} is {_share(j)} below that of {j.rival}, the next; {_sure(j)}"
    if j.loses:
        return f"{j.model} loses to {j.rival}, the best here: its {j.metric} is {_above(j)}; {_sure(j)}"
    return f"{j.rival} is best; the {j.metric} of {j.model} is {_above(j)}; {_sure(j)}"


def _above(j: Judgement) -> str:
    """By how much the model's error is above the rival's; both errors where that of the rival is next to 0."""
    if not math.isfinite(j.gain):
        return f"{figure(j.errors[j.model])}, against {figure(j.errors[j.rival])}"
    return f"{_share(j)} above"


def _share(j: Judgement) -> str:
    """The difference in per cent of the rival's error."""
    share = abs(j.gain)
    return f"{share:,.0f} %" if share >= 1000 else f"{share:.1f} %" if share >= 0.05 else "less than 0.1 %"


def _sure(j: Judgement) -> str:
    """Whether chance explains the difference as well."""
    paired = j.paired
    chance = "p < 0.001" if paired.p < 0.001 else f"p = {paired.p:.2g}"
    over = f"over {paired.count:,} {paired.of}"
    match j.verdict:
        case Verdict.TOO_FEW if paired.count <= 1:
            return "nothing can be told from one window"
        case Verdict.TOO_FEW:
            return f"{paired.count:,} {paired.of} are too few to tell whether by chance"
        case Verdict.LEVEL:
            return f"that may be chance ({chance} {over})"
        case _:
            return f"that is hardly chance ({chance} {over})"
