"""What covariates and the calendar become as features: encodings, kept as plain values, and the features themselves."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tsforge.config import Config
from tsforge.data.occasions.occasion import Occasion
from tsforge.data.panel import Floats, Ints
from tsforge.data.time import calendar
from tsforge.data.timeline import Timeline


class Encoding(Config):
    """The encoding of one column as features: a z-score, or one column per category."""

    name: str
    mean: float = 0.0
    std: Annotated[float, Field(gt=0)] = 1.0
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return len(self.categories) or 1


class Encodings(Config):
    """The encodings of all covariates of a table, and what the calendar decides: cycles, holidays and events."""

    past: tuple[Encoding, ...] = ()
    future: tuple[Encoding, ...] = ()
    static: tuple[Encoding, ...] = ()
    cycles: tuple[calendar.Cycle, ...] = ()
    occasions: tuple[Occasion, ...] = ()  # holidays and events, those of single series first
    decided: tuple[Encoding, ...] = ()  # the columns of these
    level: bool = False  # whether the columns known ahead tell the level of every target

    @property
    def ahead(self) -> tuple[Encoding, ...]:
        """Of all that is known in advance but the cycles, in the order of the features."""
        return (*self.future, *self.decided)


class Calendar(NamedTuple):
    """Features of the calendar, once for each step that some series has.

    rows (M, K'): of the steps of a `Timeline`, whose begins and lengths stand here too.
    occasions: the first columns of them, which are of holidays and events of all series.
    """

    rows: NDArray[np.float32]
    begins: Ints
    lengths: Ints
    occasions: int = 0

    def spread(self) -> NDArray[np.float32]:
        """The features of every row of the panel, (T, K')."""
        return np.asarray(self.rows[Timeline(self.begins, self.begins, self.lengths).rows()])


class Features(NamedTuple):
    """Encoded covariates: past (T, P), future (T, K) without what is in the calendar, static (n, F)."""

    past: Floats
    future: Floats
    calendar: Calendar
    static: Floats

    @property
    def known(self) -> Floats:
        """All that is known in advance, the calendar too, spread over the rows of the panel."""
        return np.concatenate([self.future, self.calendar.spread()], axis=1)

    @property
    def columns(self) -> int:
        """How many of the first columns of `known` are covariates, holidays and events, before the cycles."""
        return int(self.future.shape[1]) + self.calendar.occasions
