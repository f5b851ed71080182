"""The season of a panel, detected in the autocorrelation of its training part; and the autocorrelation itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Ints, Panel
from tsforge.data.statistics import series_sums

_MAX_ROWS = 200_000  # rows looked at: enough for any season, and quick on large panels
_CLEAR = 0.2  # autocorrelation from which a season is believed, if it is also clear of its sampling error
_ERRORS = 3.5  # sampling errors by which it must be clear
_ERRORS_OF_MANY = (
    4.5  # sampling errors by which it must be clear where every length is a candidate, or where it is weak
)
_CLEAR_OVER_CYCLES = 0.05  # autocorrelation from which a season is believed that returns over many cycles
_CYCLES = 8  # cycles of the longest series that are many
_RETURNS = 5  # cycles back that are averaged at most
_LONGEST = 400  # steps of the longest season looked for where there is no calendar


def detect_season(panel: Panel, stops: Ints) -> int:
    """Steps of one season, 1 where there is none.

    Where nothing is found and steps are missing, as on closed days, they are bridged by straight lines: what a week
    falls by over a Sunday is part of its pattern.
    stops: (n,) rows up to which each series may be looked at (the end of its training part).
    """
    season = _detect(panel, stops, longest := int((stops - panel.offsets[:-1]).max(initial=0)))
    if season > 1 or panel.observed.all():
        return season
    ends = np.minimum(stops, panel.ends)
    if not any((part.between(*marks)[:, None] & ~part.observed).any() for part, marks in panel.blocks(ends)):
        return season
    # A sample has the first series: bridged are those alone.
    some = _first_series(panel, stops, longest)
    return _detect(_bridged(some, stops[: len(some)]), stops[: len(some)], longest)


def _first_series(panel: Panel, stops: Ints, longest: int) -> Panel:
    """The first series of a panel, as many as `_sample` takes rows from at most."""
    least = 2 * longest + 2
    before = np.r_[0, np.cumsum(np.minimum(stops - panel.offsets[:-1], max(_MAX_ROWS, least)))]
    count = int(np.searchsorted(before[:-1], max(_MAX_ROWS, least), side="left"))
    return panel.head(max(1, count))


def fallback(panel: Panel, stops: Ints) -> int:
    """Steps of the calendar's cycle, which seasonal naive goes back where no season is detected; 0 where it cannot.

    The median series has to hold it twice before its stop.
    """
    cycle = panel.schema.frequency.main_cycle()
    history = float(np.median(stops - panel.offsets[:-1])) if len(stops) else 0.0
    return cycle if 1 < cycle <= history / 2 else 0


def _bridged(panel: Panel, stops: Ints) -> Panel:
    """A panel whose steps between two observed ones of a series, before its stop, lie on the line between them."""
    series, rows = panel.row_series(), np.arange(len(panel.values))
    values, observed = panel.values.astype(np.float64), panel.observed & panel.between(stops)[:, None]
    whole = observed.copy()
    for c in range(values.shape[1]):
        seen = np.flatnonzero(observed[:, c])
        if not len(seen):
            continue
        after = np.searchsorted(seen, rows)
        before, after = seen[np.maximum(after - 1, 0)], seen[np.minimum(after, len(seen) - 1)]
        whole[:, c] |= (before < rows) & (rows < after) & (series[before] == series[after])
        values[:, c] = np.where(whole[:, c], np.interp(rows, seen, values[seen, c]), 0.0)
    return replace(panel, values=values.astype(panel.values.dtype), observed=whole)


def _detect(panel: Panel, stops: Ints, longest: int) -> int:
    """The season in differences of what was observed. longest: steps of the longest series before its stop.

    A candidate m is believed when differences over 1 step (a sharp pattern), or over spans up to m/4 (a slow
    wave under noise), repeat after m steps and less so after a part of m, clear of the sampling error; and a weaker
    one when they repeat alike after many cycles. A random walk does not: its differences m apart share no step. Of
    those that repeat about as well as the best, the shortest.
    """
    frequency = panel.schema.frequency
    generic = frequency.unit in ("int", "float")
    suggested = range(2, _LONGEST + 1) if generic else frequency.seasons()
    candidates = [m for m in suggested if m <= longest // 2]
    if not candidates:
        return 1
    most = _MAX_ROWS // panel.values.shape[1] // (16 if generic else 1)
    least = 2 * candidates[-1] + 2
    search = _Search(cache(lambda h: _differences(panel, stops, h, least, most)), longest, generic)
    strength, span = (np.array(column) for column in zip(*map(search.strength, candidates), strict=True))
    if generic:
        strength = _peaks(strength)
    believed = np.flatnonzero((strength > 0) & (strength >= strength.max() / 2)).tolist()
    if not believed:
        return 1
    # A multiple of the season repeats as well: take it only if it is clearly better, seen over the same span.
    first = believed[0]
    parts = [k for k in range(first) if candidates[first] % candidates[k] == 0 and not generic]
    lengths = [candidates[k] for k in (*parts, *believed)]
    alike = [search.repeats(int(span[first]), m) for m in lengths]
    best = max(alike)[0]
    return next(m for m, (r, noise) in zip(lengths, alike, strict=True) if r >= best - 0.005 - 3 * noise * (1 - r**2))


class _Search(NamedTuple):
    """How strongly differences repeat after a candidate for the season.

    differences: over so many steps. longest: steps of the longest series. generic: whether all lengths are candidates.
    """

    differences: Callable[[int], _Differences]
    longest: int
    generic: bool

    def repeats(self, h: int, m: int) -> tuple[float, float]:
        """Autocorrelation after m steps of differences over h, and its sampling error."""
        return self.differences(h).repeats(m)

    def strength(self, m: int) -> tuple[float, int]:
        """(autocorrelation, the span of the differences that show it best); (-1, 1) where m is not believed."""
        strength, span = -1.0, 1
        for h in {1, max(1, m // 12), max(1, m // 4)}:
            r = self._once(h, m)
            if (r := self._often(h, m) if r is None else r) is not None and r > strength:
                strength, span = r, h
        return strength, span

    def _once(self, h: int, m: int) -> float | None:
        """The autocorrelation after m steps where it is clear."""
        r, noise = self.repeats(h, m)
        clear = max(_CLEAR, noise * (_ERRORS_OF_MANY if self.generic else _ERRORS))
        # A smooth trend repeats as well, but after a part of m all the more.
        parts = [{round(m * q / 4) for q in quarters} - {0, m} for quarters in ((1, 2, 3), (5, 6, 7))]
        ok = r > clear and all(r > clear / 2 + min(self.repeats(h, j)[0] for j in lags) for lags in parts)
        return r if ok else None

    def _often(self, h: int, m: int) -> float | None:
        """The mean autocorrelation after m, 2m, ... steps where there are many cycles, and it is clear over them."""
        cycles = min(_RETURNS, self.longest // m // 4)
        if self.generic or self.longest < _CYCLES * m:
            return None
        r, noise = self.differences(h).returns(m, cycles)
        clear = max(_CLEAR_OVER_CYCLES, noise * _ERRORS_OF_MANY)
        if r <= clear:
            return None
        parts = {round(m * q / 4) for q in (1, 2, 3)} - {0, m}
        between = min(float(np.mean([self.repeats(h, k * m + j)[0] for k in range(cycles)])) for j in parts)
        return r if r > clear / 2 + between else None


def _peaks(strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """-1 for all but the highest of their neighbours: of a wave's slope only the top is a season. Lags from 2 on."""
    out = np.full(len(strength), -1.0)
    for k, s in enumerate(strength):
        width = max(1, (k + 2) // 8)
        if s == strength[max(0, k - width) : k + width + 1].max():
            out[k] = s
    return out


class _Differences(NamedTuple):
    """Differences over `span` steps about their mean, in units of their own series: one counts by its length."""

    change: NDArray[np.float64]  # (N, C), 0 where not seen
    seen: NDArray[np.bool_]  # (N, C)
    series: Ints  # (N,)
    time: Ints  # (N,) steps since the first of all
    span: int

    def repeats(self, m: int) -> tuple[float, float]:
        """Autocorrelation after m steps over all series and targets; and its sampling error where nothing repeats."""
        same = (self.series[m:] == self.series[:-m])[:, None]
        together = self.seen[m:] & self.seen[:-m] & same
        x, y = self.change[m:] * together, self.change[:-m] * together
        total = float(np.vdot(x, x) + np.vdot(y, y)) / 2
        if total == 0:
            return 0.0, 1.0
        pairs = together.sum(axis=1)
        # Series of one table may move together: differences that overlap are counted in the longest series alone.
        count = int(pairs.sum()) if self.span == 1 else int(np.bincount(self.series[m:], pairs > 0).max())
        overlap = 1.0 if self.span == 1 else 2 * self.span / 3 + 1 / (3 * self.span)
        return float(np.vdot(x, y)) / total, float(np.sqrt(overlap / count))

    def returns(self, m: int, cycles: int) -> tuple[float, float]:
        """Mean autocorrelation after m, 2m, ... steps; and its error, as it differs from cycle to cycle of m steps.

        Series that move together are one witness: what all of them say in one cycle is summed before it is compared.
        """
        own, total = np.zeros(len(self.series)), 0.0
        for k in range(1, cycles + 1):
            together = (
                self.seen[k * m :] & self.seen[: -k * m] & (self.series[k * m :] == self.series[: -k * m])[:, None]
            )
            x, y = self.change[k * m :] * together, self.change[: -k * m] * together
            own[: -k * m] += (x * y).sum(axis=1)
            total += float(np.vdot(x, x) + np.vdot(y, y)) / 2
        if total == 0:
            return 0.0, 1.0
        each = np.bincount(self.time // m, own)
        each = each[np.bincount(self.time // m, self.seen.any(axis=1)) > 0]
        return float(own.sum()) / total, float(np.sqrt(len(each) * each.var())) / total


def _differences(panel: Panel, stops: Ints, span: int, least: int, most: int) -> _Differences:
    rows, series = _sample(panel, stops, least, most)
    values = np.where(panel.observed[rows], panel.values[rows], np.nan).astype(np.float64)
    change = values[span:] - values[:-span]
    change[series[span:] != series[:-span]] = np.nan
    series = series[span:]
    seen = ~np.isnan(change)
    n = len(panel)
    count = np.maximum(series_sums(seen, series, n), 1)
    mean = series_sums(np.where(seen, change, 0.0), series, n) / count
    change = np.where(seen, change - mean[series], 0.0)
    size = np.sqrt(series_sums(change**2, series, n) / count)
    # What rounding takes off a straight line repeats too.
    exact = 1e-6 if panel.values.dtype == np.float32 else 1e-14
    rounding = np.sqrt(series_sums(np.nan_to_num(values[span:]) ** 2, series, n) / count) * exact
    change *= np.where(size > rounding, 1 / np.where(size > 0, size, 1.0), 0.0)[series]
    time = (panel.first - panel.offsets[:-1])[series] + rows[span:]
    return _Differences(change, seen, series, time - (time.min() if len(time) else 0), span)


def _sample(panel: Panel, stops: Ints, least: int, most: int) -> tuple[Ints, Ints]:
    """Rows up to the stops and their series: the newest of every series until they suffice."""
    most = max(most, least)
    lengths = np.minimum(stops - panel.offsets[:-1], most)
    lengths = np.where(np.cumsum(lengths) - lengths < most, lengths, 0)
    series = np.repeat(np.arange(len(panel)), lengths)
    behind = np.arange(len(series)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return (stops - lengths)[series] + behind, series


def autocorrelation(values: NDArray[np.floating], observed: NDArray[np.bool_], lags: int) -> NDArray[np.float64]:
    """r_0 ... r_{lags-1} of each column of one series, values and observed (T, C) -> (lags, C); r_0 is 1.

        r_k = Σ (y_t - m)(y_{t+k} - m) / Σ (y_t - m)²        over what was observed

    NaN from the length of the series on, and where it never changes.
    (Box & Jenkins 1976, "Time Series Analysis", section 2.1)
    """
    y = np.where(observed, values, np.nan).astype(np.float64)
    count = np.maximum(observed.sum(axis=0), 1)
    gap = np.nan_to_num(y - np.nansum(y, axis=0) / count)
    T = len(gap)
    with np.errstate(invalid="ignore", divide="ignore"):
        power = (gap**2).sum(axis=0)
        r = [(gap[k:] * gap[: T - k]).sum(axis=0) / power for k in range(min(lags, T))]
    return np.concatenate([np.array(r).reshape(-1, y.shape[1]), np.full((max(0, lags - T), y.shape[1]), np.nan)])
