"""A table of figures and words, by aspect and model: what a comparison says."""

from __future__ import annotations

from dataclasses import dataclass, field

from tsforge.comparison.rules import Aspect, Word


@dataclass(frozen=True)
class Cell:
    """A figure, as it is shown, and the word that follows from it where a rule gives one.

    note: what stands behind the figure, where there is room for it.
    """

    value: float
    text: str
    word: Word | None = None
    note: str = ""

    @property
    def shown(self) -> str:
        """The figure and its word, once where they are the same (no figure, no word)."""
        return self.text if self.word in (None, self.text) else f"{self.text} {self.word}"

    @property
    def full(self) -> str:
        """The figure and what stands behind it."""
        return f"{self.text} ({self.note})" if self.note else self.text


@dataclass(frozen=True)
class Measure:
    """One figure of every model: a row of the table.

    key: its name as a metric.
    rule: how words follow from it, if any do.
    """

    aspect: Aspect
    key: str
    title: str
    definition: str
    cells: dict[str, Cell]
    rule: str = ""


@dataclass(frozen=True)
class ComparisonTable:
    """What a comparison says.

    columns: models, then baselines.
    verdicts: by aspect and model, in words.
    rules: by aspect, from which row and how its verdict follows.
    agreement: by aspect, a sentence on the textbook's words.
    settings: what tuning chose, in words, by model and data set; empty where nothing was tuned.
    """

    columns: tuple[str, ...]
    models: tuple[str, ...]
    rows: tuple[Measure, ...]
    verdicts: dict[Aspect, dict[str, str]]
    rules: dict[Aspect, str]
    agreement: dict[Aspect, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def sections(self) -> list[tuple[Aspect, list[str], list[Measure]]]:
        """(aspect, columns, rows) of each aspect that has rows; baselines stand where they have figures."""
        by_aspect = {aspect: [row for row in self.rows if row.aspect == aspect] for aspect in Aspect}
        return [
            (aspect, [c for c in self.columns if any(c in row.cells for row in rows)], rows)
            for aspect, rows in by_aspect.items()
            if rows
        ]

    def explained(self, aspect: Aspect) -> list[tuple[str, str]]:
        """(titles, how they are measured and the rule of their words); rows that share both stand together."""
        titles: dict[str, list[str]] = {}
        for row in self.rows:
            if row.aspect == aspect:
                text = f"{row.definition}. Words: {row.rule}." if row.rule else f"{row.definition}."
                titles.setdefault(text, []).append(row.title)
        return [("; ".join(names), text) for text, names in titles.items()]
