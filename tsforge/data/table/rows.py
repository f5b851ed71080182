"""The rows of a table, sorted by series and time: where each stands in its file, and on a grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tsforge.data.schema import Schema
from tsforge.data.table.reading import Frame
from tsforge.data.table.times import show_time
from tsforge.data.time.calendar import Frequency

_PIECE = 1 << 16  # rows that are looked at together
_HALF = 2**30


@dataclass(frozen=True)
class SortedRows:
    """Sorted rows with what a message needs to name one of them.

    schema: as far as it is settled.
    codes, stamps: series and time of each row, (N,).
    order: the row in the file of each row, (N,); None where they stand as in the file.
    ids: of the series, by column.
    """

    frame: Frame
    schema: Schema
    codes: NDArray[np.integer]
    stamps: NDArray[Any]
    order: NDArray[np.intp] | None
    ids: tuple[NDArray[Any], ...]

    @cached_property
    def new_series(self) -> NDArray[np.bool_]:
        first: NDArray[np.bool_] = np.r_[True, self.codes[1:] != self.codes[:-1]]
        return first

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """The first row of each series."""
        return np.flatnonzero(self.new_series)

    def steps(self, ordinal: NDArray[np.integer]) -> NDArray[np.int64]:
        """The steps from the first to the last row of each series, whose rows have grid positions (N,)."""
        ends = np.r_[self.starts[1:], len(ordinal)] - 1
        steps: NDArray[np.int64] = ordinal[ends].astype(np.int64) - ordinal[self.starts]
        return steps

    def take(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the file's rows in the order of these."""
        return values if self.order is None else values[self.order]

    def picked(self, which: NDArray[np.intp]) -> NDArray[np.intp]:
        """The rows in the file of some rows."""
        return which if self.order is None else self.order[which]

    def row(self, i: int) -> str:
        """The row in the file of row i, in words."""
        return self.frame.row(int(i if self.order is None else self.order[i]))

    def naive(self) -> Self:
        """The rows as local times without a zone, as the table writes them, for a message."""
        return replace(self, schema=self.schema.model_copy(update={"timezone": None, "local": False}))

    def where(self, i: int) -> str:
        """Sorted row i in words: its row in the file, series and time."""
        series = " ".join(str(column[self.codes[i]]) for column in self.ids)
        time = show_time(self.stamps[i], self.schema)
        return f"{self.row(i)}, {f'series {series}, ' if series else ''}time {time}"

    def positions(self, frequency: Frequency) -> tuple[NDArray[np.integer], NDArray[np.bool_]]:
        """The grid position of each row, and whether it lies on the grid, as `Frequency.ordinals`; computed once.

        In 32 bits where these hold every difference of two positions.
        """
        if frequency not in self._by_grid:
            ends, _ = frequency.ordinals(np.array([self.stamps.min(), self.stamps.max()]))
            short = bool(((ends > -_HALF) & (ends < _HALF)).all())
            ordinal: NDArray[np.integer] = np.empty(len(self.stamps), dtype=np.int32 if short else np.int64)
            on_grid = np.empty(len(self.stamps), dtype=np.bool_)
            for begin in range(0, len(self.stamps), _PIECE):
                part = slice(begin, begin + _PIECE)
                ordinal[part], on_grid[part] = frequency.ordinals(self.stamps[part])
            self._by_grid[frequency] = ordinal, on_grid
        return self._by_grid[frequency]

    @cached_property
    def _by_grid(self) -> dict[Frequency, tuple[NDArray[np.integer], NDArray[np.bool_]]]:
        return {}

    def phases(self, frequency: Frequency) -> NDArray[np.int64]:
        """Microseconds (or counts) by which each series lies off the grid, the same at all its rows: meters that report
        in turn, shops that close their weeks on different days. Zeros where rows of one series differ.
        """
        count = len(self.ids[0]) if self.ids else 1
        none = np.zeros(count, dtype=np.int64)
        if frequency.unit not in ("us", "int") or self.positions(frequency)[1].all():
            return none
        rest = (self.stamps - int(frequency.anchor)) % int(frequency.step)
        phase = none.copy()
        phase[self.codes[self.new_series]] = rest[self.new_series]
        return phase if np.array_equal(phase[self.codes], rest) else none

    def filled(self, ordinal: NDArray[np.integer]) -> bool:
        """True where at least half of the steps have a row."""
        return bool(self.steps(ordinal).sum() <= 2 * len(ordinal))
