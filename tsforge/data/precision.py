"""How exactly numbers are kept: single precision where it holds them, double where it would lose what matters.

Networks compute in single precision on windows that are normalised first. Where a panel is kept in double precision,
windows are normalised and forecasts are taken back to data units in double precision too.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.blocks import blocks
from tsforge.data.table.table import Table

log = logging.getLogger("tsforge")

LEAST_STEPS = 50  # of double precision in one deviation of a series, to be worth fitting
COARSE = 128  # steps of single precision in the usual change of a series: with fewer, a change is rounded by 0.2 %
DIGITS = 2.0**24  # the whole numbers up to here are all there in single precision
DECIMALS = 2  # places behind the point whose digits are kept whole: those of money
LARGE, SMALL = 1e15, 1e-15  # beyond these the sum of a window's squares may leave single precision
SAMPLE = 1000  # values by which the number of decimals is told


def of_targets(target: NDArray[np.float64], offsets: NDArray[np.int64]) -> type[np.floating]:
    """The precision in which targets (N, C), NaN where missing, are kept; series i has the rows from offsets[i] on."""
    parts = list(blocks(offsets))
    for column in target.T:
        if _too_large(column) or any(
            _coarse(column[rows], offsets[i.start : i.stop] - rows.start) for i, rows in parts
        ):
            return np.float64
    return np.float32


def report(table: Table, begins: NDArray[np.int64]) -> None:
    """Warn where values are too large beside their changes to tell them apart, even in double precision."""
    starts, counts = begins[:-1], np.diff(begins)
    for c, name in enumerate(table.schema.target):
        target = table.target[:, c]
        low, high = np.fmin.reduceat(target, starts), np.fmax.reduceat(target, starts)
        seen = ~np.isnan(target)
        off = np.where(seen, target - np.repeat(low, counts), 0.0)
        count = np.maximum(np.add.reduceat(seen.astype(np.float64), starts), 1.0)
        mean = np.add.reduceat(off, starts) / count
        off = np.where(seen, off - np.repeat(mean, counts), 0.0)
        deviation = np.sqrt(np.add.reduceat(off**2, starts) / count)
        largest = np.fmax(np.abs(low), np.abs(high))
        step = np.spacing(np.nan_to_num(largest))
        coarse = np.flatnonzero((high > low) & (deviation < LEAST_STEPS * step))
        if len(coarse):
            i = int(coarse[0])
            label = table.label(int(table.series[starts[i]]))
            more = f" (and {len(coarse) - 1} more series)" if len(coarse) > 1 else ""
            log.warning(
                "'%s'%s%s is stored in steps of %g and varies by only %g around %g, so its changes are lost; "
                "subtract a constant from the column, or forecast its differences",
                name, f" of series {label}" if label else "", more,
                step[i], deviation[i], low[i] + mean[i],
            )  # fmt: skip


def of_covariates(columns: list[NDArray[np.float64]]) -> type[np.floating]:
    """The precision of covariates, NaN where missing: double where single would round some deviation by 0.02 %."""
    for values in columns:
        seen = values[~np.isnan(values)]
        if not len(seen):
            continue
        top = float(np.abs(seen).max())
        with np.errstate(over="ignore"):
            beyond = top > LARGE or 0 < top < SMALL
            if beyond or (seen.std() < 4096 * np.spacing(np.float32(top)) and (seen.astype(np.float32) != seen).any()):
                return np.float64
    return np.float32


def _too_large(values: NDArray[np.float64]) -> bool:
    """Whether squares leave single precision, or whole numbers and cents more digits than it has."""
    top = max(0.0, float(np.fmax.reduce(values, initial=0.0)), -float(np.fmin.reduce(values, initial=0.0)))
    if top > LARGE or 0 < top < SMALL:
        return True
    if top * 10**DECIMALS <= DIGITS:
        return False
    return _beyond_digits(top, _places(values))


def _places(values: NDArray[np.float64]) -> list[bool]:
    """Whether all values are whole numbers of units, of tenths, of hundredths."""
    size = np.abs(values[~np.isnan(values)])
    sample = size[:: max(1, len(size) // SAMPLE)]
    return [_whole(sample * 10**d) and _whole(size * 10**d) for d in range(DECIMALS + 1)]


def _beyond_digits(top: float, whole: list[bool]) -> bool:
    """Whether values up to `top` that are `whole` to some decimal have more digits than single precision."""
    places = next((d for d, so in enumerate(whole) if so), None)
    return places is not None and top * 10**places > DIGITS


class Facts(NamedTuple):
    """What of the parts of a column tells the precision that all of it needs.

    top: the largest size. whole: as `_places`. coarse: whether some series has few digits.
    seen, mean, off: how many values, their mean, and the sum of the squares of what they are off it.
    exact: whether all are in single precision what they are.
    """

    top: float = 0.0
    whole: tuple[bool, ...] = (True,) * (DECIMALS + 1)
    coarse: bool = False
    seen: int = 0
    mean: float = 0.0
    off: float = 0.0
    exact: bool = True

    def joined(self, other: Facts) -> Facts:
        """Those of both parts. (Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance")"""
        count = self.seen + other.seen
        apart = other.mean - self.mean
        mean = self.mean + (apart * other.seen / count if count else 0.0)
        off = self.off + other.off + (apart**2 * self.seen * other.seen / count if count else 0.0)
        whole = tuple(a and b for a, b in zip(self.whole, other.whole, strict=True))
        top, coarse = max(self.top, other.top), self.coarse or other.coarse
        return Facts(top, whole, coarse, count, mean, off, self.exact and other.exact)

    @property
    def of_target(self) -> type[np.floating]:
        """The precision of a target, as `of_targets`."""
        large = self.top > LARGE or 0 < self.top < SMALL
        digits = self.top * 10**DECIMALS > DIGITS and _beyond_digits(self.top, list(self.whole))
        return np.float64 if large or digits or self.coarse else np.float32

    @property
    def of_covariate(self) -> type[np.floating]:
        """The precision of a covariate, as `of_covariates`."""
        with np.errstate(over="ignore"):
            beyond = self.top > LARGE or 0 < self.top < SMALL
            std = np.sqrt(self.off / self.seen) if self.seen else 0.0
            rounded = not self.exact and std < 4096 * np.spacing(np.float32(self.top))
        return np.float64 if beyond or rounded else np.float32


def facts(values: NDArray[np.float64], offsets: NDArray[np.int64] | None) -> Facts:
    """Of a column, NaN where missing. offsets: of the series of a target; None for a covariate."""
    seen = values[~np.isnan(values)]
    if not len(seen):
        return Facts()
    top = float(np.abs(seen).max())
    if offsets is not None:
        parts = blocks(offsets)
        coarse = any(_coarse(values[rows], offsets[i.start : i.stop] - rows.start) for i, rows in parts)
        return Facts(top, tuple(_places(seen)), coarse)
    mean = float(seen.mean())
    with np.errstate(over="ignore"):
        exact = bool((seen.astype(np.float32) == seen).all())
    return Facts(top, seen=len(seen), mean=mean, off=float(((seen - mean) ** 2).sum()), exact=exact)


def _whole(values: NDArray[np.float64]) -> bool:
    """Whether all are whole numbers, but for rounding in double precision."""
    return bool((np.abs(values - np.rint(values)) <= 1e-15 * values).all())


def _coarse(values: NDArray[np.float64], starts: NDArray[np.int64]) -> bool:
    """Whether half the changes of some series are a few steps of single precision, or its values are all tiny."""
    size = np.abs(values)
    top = np.fmax.reduceat(size, starts)
    if ((top > 0) & (top < SMALL)).any():
        return True
    change = np.abs(np.diff(values, prepend=np.nan))
    change[starts] = np.nan
    with np.errstate(invalid="ignore"):
        size[1:] = np.maximum(size[1:], size[:-1])
        moves = change > 0
        few = moves & (change < COARSE * np.spacing(size.astype(np.float32)))
    if not few.any():
        return False
    several, all_moves = (np.add.reduceat(mask, starts, dtype=np.int64) for mask in (few, moves))
    return bool((2 * several >= np.maximum(all_moves, 1)).any())
