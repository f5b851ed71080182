"""A table of figures and words, by aspect and model: what a comparison says."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

ASPECTS = ("Parallelisation", "Long-range dependencies", "Training speed", "Memory", "Accuracy")


@dataclass(frozen=True)
class Cell:
    """A figure, as it is shown, and the word that follows from it where a rule gives one.

    note: what stands behind the figure, where there is room for it.
    """

    value: float
    text: str
    word: str = ""
    note: str = ""

    @property
    def shown(self) -> str:
        """The figure and its word, once where they are the same (no figure, no word)."""
        return self.text if self.word in ("", self.text) else f"{self.text} {self.word}"

    @property
    def full(self) -> str:
        """The figure and what stands behind it."""
        return f"{self.text} ({self.note})" if self.note else self.text


@dataclass(frozen=True)
class Row:
    """One figure of every model. key: its name as a metric. rule: how words follow from it, if any do."""

    aspect: str
    key: str
    title: str
    definition: str
    cells: dict[str, Cell]
    rule: str = ""


@dataclass(frozen=True)
class Table:
    """verdicts: by aspect and model. rules: by aspect, from which row and how its verdict follows.

    agreement: by aspect, a sentence on the textbook's words. columns: models, then baselines.
    settings: what tuning chose, in words, by model and data set; empty where nothing was tuned.
    """

    columns: tuple[str, ...]
    models: tuple[str, ...]
    rows: tuple[Row, ...]
    verdicts: dict[str, dict[str, str]]
    rules: dict[str, str]
    agreement: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def of(self, aspect: str) -> list[Row]:
        """The rows of an aspect."""
        return [row for row in self.rows if row.aspect == aspect]

    def explained(self, aspect: str) -> list[tuple[str, str]]:
        """(titles, how they are measured and the rule of their words); rows that share both stand together."""
        found: dict[str, list[str]] = {}
        for row in self.of(aspect):
            text = f"{row.definition}. Words: {row.rule}." if row.rule else f"{row.definition}."
            found.setdefault(text, []).append(row.title)
        return [("; ".join(titles), text) for text, titles in found.items()]

    def figures(self, model: str) -> dict[str, float]:
        """Key to figure, of one model; without those that have no value."""
        found = {row.key: float(row.cells[model].value) for row in self.rows if model in row.cells}
        return {key: value for key, value in found.items() if math.isfinite(value)}
