"""Which column of an input is what: the columns of a table, one of its categories, or a wave of the calendar."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tsforge.data.encodings import Encoding
from tsforge.data.time.calendar import harmonics
from tsforge.fitted.model import DataFacts

SIDES = ("on", "before", "after")  # of a holiday or an event


@dataclass(frozen=True)
class Column:
    """One column of an input.

    name: of the table's column, of the cycle of the calendar, or of a holiday or an event.
    kind: "number" as the table has it; "category", 1 where the table has `category` and else 0; "sin" or "cos" of
        2π · harmonic · phase of the cycle; "on", "before" or "after" of an `Occasion`, as a number.
    mean, std: what the model takes off a number, and divides it by.
    """

    name: str
    kind: str
    category: str | None = None
    harmonic: int | None = None
    mean: float = 0.0
    std: float = 1.0

    def plain(self) -> dict[str, str | int]:
        """As JSON has it; the model scales by itself."""
        text = {"column": self.name} if self.harmonic is None else {"cycle": self.name}
        text = {"occasion": self.name} if self.kind in SIDES else text
        more = {"category": self.category, "harmonic": self.harmonic}
        return text | {"kind": self.kind} | {k: v for k, v in more.items() if v is not None}


def of(encodings: Iterable[Encoding]) -> list[Column]:
    """Those of some covariates, in their order."""
    columns: list[Column] = []
    for e in encodings:
        if e.categories:
            columns += [Column(e.name, "category", category=name) for name in e.categories]
        else:
            columns.append(Column(e.name, "number", mean=e.mean, std=e.std))
    return columns


def known(facts: DataFacts) -> list[Column]:
    """Those of what is known in advance: the covariates, then holidays and events, then the cycles of the calendar."""
    columns = of(facts.encodings.future)
    kinds = [(o.name, side) for o in facts.encodings.occasions for side in o.sides]
    for (name, side), e in zip(kinds, facts.encodings.decided, strict=True):
        columns.append(Column(name, side, mean=e.mean, std=e.std))
    for cycle in facts.encodings.cycles:
        for k in range(1, harmonics(facts.columns.frequency, cycle) + 1):
            columns += [Column(cycle, wave, harmonic=k) for wave in ("sin", "cos")]
    return columns
