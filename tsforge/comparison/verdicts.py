"""From what was measured to a table: every word and sentence follows from the figures by a stated rule."""

from __future__ import annotations

import math

import numpy as np

from tsforge.comparison import rows, rules
from tsforge.comparison.probes.memory_tasks import TASKS
from tsforge.comparison.results import Measured
from tsforge.comparison.rules import Aspect, Word
from tsforge.comparison.table import ComparisonTable, Measure


def build(measured: Measured) -> ComparisonTable:
    """The table of a comparison."""
    lines: list[Measure] = []
    if measured.probed:
        lines += [*rows.parallel(measured.probed), *rows.reach(measured.probed, measured.lag)]
    lines += [row for data in measured.data for row in rows.speed(measured, data)]
    if measured.probed:
        lines += rows.memory(measured.probed)
    for data in measured.data:
        lines += [*rows.accuracy(measured, data), *rows.tuning(measured, data)]
    verdicts, stated = _verdicts(measured, {row.key: row for row in lines})
    baselines = [name for data in measured.data for name in data.baselines]
    columns = tuple(dict.fromkeys((*measured.models, *baselines)))
    return ComparisonTable(
        columns, measured.models, tuple(lines), verdicts, stated, _agreement(verdicts), rows.settings(measured)
    )


def _verdicts(measured: Measured, by_key: dict[str, Measure]) -> tuple[dict[Aspect, dict[str, str]], dict[Aspect, str]]:
    """(words by aspect and model; the rule of each)."""
    words: dict[Aspect, dict[str, str]] = {}
    stated: dict[Aspect, str] = {}

    def of_row(aspect: Aspect, row: Measure, rule: str) -> None:
        words[aspect] = {model: cell.word or "" for model, cell in row.cells.items()}
        stated[aspect] = f"{row.title}: {rule}"

    if measured.probed:
        of_row(Aspect.PARALLEL, by_key["parallel/chain_exponent"], rules.PARALLEL)
        lags = {m: [by_key[f"reach/{t}_lag"].cells[m].value for t in TASKS] for m in measured.probed}
        shorter = {m: math.nan if np.isnan(both).any() else min(both) for m, both in lags.items()}
        words[Aspect.REACH] = {m: rules.reach(lag) for m, lag in shorter.items()}
        stated[Aspect.REACH] = f"the shorter of the longest lags solved in {' and in '.join(TASKS)}: {rules.REACH}"
    if measured.data:
        of_row(Aspect.SPEED, by_key[f"{measured.data[0].name}/windows_per_s"], rules.FAST)
    if measured.probed:
        of_row(Aspect.MEMORY, by_key["memory/saved_bytes"], rules.LEAN)
    if measured.data:
        words[Aspect.ACCURACY] = {m: _places(measured, by_key, m) for m in measured.models}
        first, *more = measured.data
        where = f"{first.primary.upper()}, {first.name}, baselines among the others"
        where = f"on how many of {len(measured.data)} data sets best or level" if more else where
        stated[Aspect.ACCURACY] = f"{where}. {rules.ACCURATE}"
    return words, stated


def _places(measured: Measured, by_key: dict[str, Measure], model: str) -> str:
    """The word itself where there is one data set, else on how many it is best or level."""
    words = [by_key[f"{data.name}/{data.primary}"].cells[model].word for data in measured.data]
    if len(words) == 1:
        return words[0] or ""
    return f"{sum(word in (Word.BEST, Word.LEVEL) for word in words)} of {len(words)}"


def _agreement(verdicts: dict[Aspect, dict[str, str]]) -> dict[Aspect, str]:
    """By aspect, whether the textbook says the same of every model that it knows and that was measured."""
    agreement = {}
    for aspect, words in verdicts.items():
        books = {model: rules.book(aspect, model) for model in words}
        told = {model: word for model, word in books.items() if word is not None and words[model] != Word.UNKNOWN}
        off = [f"{m} ({words[m]} where it says {word})" for m, word in told.items() if words[m] != word]
        if told:
            agreement[aspect] = f"differs from the textbook in {', '.join(off)}" if off else "as the textbook says"
    return agreement
