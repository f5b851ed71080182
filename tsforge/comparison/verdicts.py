"""From what was measured to a table: every word and sentence follows from the figures by a stated rule."""

from __future__ import annotations

import math

import numpy as np

from tsforge.comparison import rows, rules
from tsforge.comparison.probes.memory_tasks import TASKS
from tsforge.comparison.results import Measured
from tsforge.comparison.table import Row, Table


def build(measured: Measured) -> Table:
    """The table of a comparison."""
    found: list[Row] = []
    if measured.probed:
        found += [*rows.parallel(measured.probed), *rows.reach(measured.probed, measured.lag)]
    found += [row for data in measured.data for row in rows.speed(measured, data)]
    if measured.probed:
        found += rows.memory(measured.probed)
    for data in measured.data:
        found += [*rows.accuracy(measured, data), *rows.tuning(measured, data)]
    by_key = {row.key: row for row in found}
    verdicts, stated = _verdicts(measured, by_key)
    baselines = [name for data in measured.data for name in data.baselines]
    columns = tuple(dict.fromkeys((*measured.models, *baselines)))
    return Table(
        columns, measured.models, tuple(found), verdicts, stated, _agreement(verdicts), rows.settings(measured)
    )


def _verdicts(measured: Measured, by_key: dict[str, Row]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """(words by aspect and model; the rule of each)."""
    verdicts: dict[str, dict[str, str]] = {}
    stated: dict[str, str] = {}

    def take(aspect: str, words: dict[str, str], rule: str) -> None:
        verdicts[aspect], stated[aspect] = words, rule

    if measured.probed:
        chain = by_key["parallel/chain_exponent"]
        take("Parallelisation", {m: c.word for m, c in chain.cells.items()}, f"{chain.title}: {rules.PARALLEL}")
        lags = {m: [by_key[f"reach/{t}_lag"].cells[m].value for t in TASKS] for m in measured.probed}
        words = {m: rules.reach(math.nan if np.isnan(both).any() else min(both)) for m, both in lags.items()}
        tasks = " and in ".join(TASKS)
        take("Long-range dependencies", words, f"the shorter of the longest lags solved in {tasks}: {rules.REACH}")
    if measured.data:
        speed = by_key[f"{measured.data[0].name}/windows_per_s"]
        take("Training speed", {m: c.word for m, c in speed.cells.items()}, f"{speed.title}: {rules.FAST}")
    if measured.probed:
        saved = by_key["memory/saved_bytes"]
        take("Memory", {m: c.word for m, c in saved.cells.items()}, f"{saved.title}: {rules.LEAN}")
    if measured.data:
        take("Accuracy", {m: _places(measured, by_key, m) for m in measured.models},
             f"{_where(measured)}. {rules.ACCURATE}")  # fmt: skip
    return verdicts, stated


def _places(measured: Measured, by_key: dict[str, Row], model: str) -> str:
    """The word itself where there is one data set, else on how many it is best or level."""
    words = [by_key[f"{data.name}/{data.primary}"].cells[model].word for data in measured.data]
    return words[0] if len(words) == 1 else f"{sum(word in ('best', 'level') for word in words)} of {len(words)}"


def _where(measured: Measured) -> str:
    first, *more = measured.data
    if more:
        return f"on how many of {len(measured.data)} data sets best or level"
    return f"{first.primary.upper()}, {first.name}, baselines among the others"


def _agreement(verdicts: dict[str, dict[str, str]]) -> dict[str, str]:
    """By aspect, whether the textbook says the same of every model that it knows and that was measured."""
    found = {}
    for aspect, words in verdicts.items():
        said = {model: rules.book(aspect, model) for model in words}
        told = {model: word for model, word in said.items() if word is not None and words[model] != rules.UNKNOWN}
        if not told:
            continue
        off = [f"{m} ({words[m]} where it says {word})" for m, word in told.items() if words[m] != word]
        found[aspect] = f"differs from the textbook in {', '.join(off)}" if off else "as the textbook says"
    return found
