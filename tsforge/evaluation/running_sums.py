"""The linear model fitted again and again while windows come and go, from running sums in place of a pass over all.

Its matrix is solved from two sums over the training windows. From one fit of a backtest to the next the windows are
added whose truths now lie within the training part, and with a sliding window some leave. Each fit has the sums of
exactly the windows that a fit by itself would read, and no other.

Axes: W windows, C targets.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tsforge.data.loader import WindowLoader, WindowSource
from tsforge.data.windows import Windows
from tsforge.forecast import Scaling
from tsforge.model.baselines.forecaster import BaselineForecaster
from tsforge.model.baselines.ridge import Ridge, Sums
from tsforge.model.transforms.scaling import standard_unit, window_variance

LINEAR_WINDOWS = 16384  # training windows from which the linear model takes its matrix
BATCH = 512
MOVED = 3e-4  # by more than this share of it, a window's unit has changed

Mask = NDArray[np.bool_]


class RunningSums:
    """The sums over the training windows of the last fit, and the unit that each window was added in.

    A window is measured in its own deviation, but at least in half of what is usual of its series (`WindowScaler`), and
    later rows change what is usual: a window whose unit has moved by that is taken out, and added in its new unit.
    Where a fit has more than 16,384 windows at first, so many are read, and later ones as densely.
    """

    def __init__(self) -> None:
        self._sums: Sums | None = None
        self._windows = Windows(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        self._variance = torch.zeros(0, 1)  # (W, C), of each context
        self._unit = torch.zeros(0, 1)  # (W, C)
        self._spacing = 0.0  # of the training windows, one of so many is read

    @torch.inference_mode()
    def fit(self, network: BaselineForecaster, source: WindowSource, windows: Windows) -> None:
        """Give a network the matrix of its training windows. Every call is for the same panel and sizes of windows."""
        ridge = network.ridge
        assert ridge is not None
        now, held = self._thinned(windows), self._windows
        old, stays = _among(now, held), _among(held, now)  # the same windows in the same order
        variance = _aligned(self._variance[stays], old, _variances(source, _part(now, ~old)))
        usual = torch.from_numpy(source.usual[now.series, 0]).to(variance)
        unit = standard_unit(variance, network.scaler.least.to(variance), usual)
        before = _aligned(self._unit[stays], old, unit[~old])
        moved = torch.from_numpy(old).to(unit.device)[:, None] & ((unit / before - 1).abs() > MOVED)  # (W, C)
        some = moved.any(dim=1).cpu().numpy()
        if self._sums is None or (~stays).sum() + some.sum() + (~old).sum() > len(now):
            self._sums = ridge.sums()  # less work than to change them
            _add(self._sums, ridge, source, now, (unit, torch.ones_like(unit)))
        else:
            unit = torch.where(moved, unit, before)
            fresh, stale, changed = unit[~old], self._unit[~stays], moved[some].to(unit)
            _add(self._sums, ridge, source, _part(now, ~old), (fresh, torch.ones_like(fresh)))
            _add(self._sums, ridge, source, _part(held, ~stays), (stale, -torch.ones_like(stale)))
            _add(self._sums, ridge, source, _part(now, some), (unit[some], changed), (before[some], -changed))
        self._windows, self._variance, self._unit = now, variance, unit
        ridge.solve(self._sums)

    def _thinned(self, windows: Windows) -> Windows:
        """Those that are read: of each stretch of rows as many as of any other, and always the same."""
        self._spacing = self._spacing or max(1.0, len(windows) / LINEAR_WINDOWS)
        if self._spacing == 1:
            return windows
        row = windows.origins
        return _part(windows, np.floor(row / self._spacing) > np.floor((row - 1) / self._spacing))


def _add(sums: Sums, ridge: Ridge, source: WindowSource, windows: Windows, *ways: tuple[Tensor, Tensor]) -> None:
    """Add windows to sums. ways: units, and how often each target counts in them, (W, C) each; -1 takes it out."""
    for i, (context, truth) in enumerate(WindowLoader(source, windows, BATCH)):
        here = slice(i * BATCH, (i + 1) * BATCH)
        for unit, times in ways:
            scale = unit[here, None]
            ridge.add(sums, context, truth, Scaling(torch.zeros_like(scale), scale), times[here])


def _variances(source: WindowSource, windows: Windows) -> Tensor:
    """The variance of each context, (W, C)."""
    parts = [window_variance(*context[:2])[:, 0] for context, _ in WindowLoader(source, windows, BATCH)]
    return torch.cat(parts) if parts else torch.zeros(0, source.shape.targets, device=source.device)


def _aligned(old: Tensor, where: Mask, new: Tensor) -> Tensor:
    """Rows of windows, (W, C): old ones where a mask says so, new ones elsewhere."""
    rows = new.new_empty(len(where), new.shape[1])
    rows[where], rows[~where] = old.to(new), new
    return rows


def _among(windows: Windows, others: Windows) -> Mask:
    """Which windows are among others."""
    return np.isin(windows.origins, others.origins, assume_unique=True)


def _part(windows: Windows, mask: Mask) -> Windows:
    return Windows(windows.origins[mask], windows.series[mask])
