"""Errors that the user can fix: each says what is wrong, where, and what to do about it.

    TsforgeError         any of the below
    ├── ConfigError      a setting or an argument
    ├── DataError        a table
    │   ├── ChoiceError  a table that reads in several ways, one of which is to be chosen
    │   └── LineError    a text file with a line that has too few columns or too many
    ├── ModelError       a model directory
    ├── TrainingError    a training, a sweep or a comparison
    └── TrackingError    the store of runs

Whatever else escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class TsforgeError(Exception):
    """A mistake that the user can fix.

    message: what is wrong and where (file, column, row, series, time).
    hint: what to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = _one_line(message)
        self.hint = _one_line(hint)
        super().__init__(self.message)
        if self.hint:
            self.add_note(f"hint: {self.hint}")  # which a traceback shows


def _one_line(text: str) -> str:
    """A text in which what cannot be printed, as the control sequences of a terminal in a cell, is written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.splitlines()))


class ConfigError(TsforgeError):
    """A setting that does not exist or has an impossible value."""


class DataError(TsforgeError):
    """A table that cannot be read, or does not say what it must.

    choices: ways out, each as the settings to give by their dotted paths, as in {"data.duplicates": "mean"}.
    """

    def __init__(self, message: str, hint: str = "", choices: Iterable[dict[str, Any]] = ()) -> None:
        super().__init__(message, hint)
        self.choices = tuple(choices)


class ChoiceError(DataError):
    """A table without a fault that can be read in several ways: `choices` holds the settings of each reading."""


class LineError(DataError):
    """A text file with a line that has too few columns or too many.

    before: the rows above it, as texts, under their columns.
    """

    def __init__(self, message: str, hint: str, before: Any) -> None:
        super().__init__(message, hint)
        self.before = before


class ModelError(TsforgeError):
    """A model directory that is missing, damaged, or does not fit the data."""


class TrainingError(TsforgeError):
    """Training that cannot go on, as when the loss is no longer a number."""


class TrackingError(TsforgeError):
    """A store of runs that cannot be reached, or a run or model that is not in it."""


def nearest(name: str, names: Iterable[str]) -> str:
    """The sentence "did you mean 'x'?" for a name that does not exist, or "" when no name is near."""
    by_lower = {n.lower(): n for n in names}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean '{by_lower[close[0]]}'?" if close else ""


def listing(names: Iterable[object], limit: int = 8) -> str:
    """Names for a message, as "a, b, c and 4 more"."""
    texts = [str(n) for n in names]
    shown = ", ".join(texts[:limit])
    return f"{shown} and {len(texts) - limit} more" if len(texts) > limit else shown
