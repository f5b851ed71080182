"""The effect of covariates on a table, for a pretrained network that was never shown any.

It is estimated from errors of the network over windows of the table's own past, in closed form, as
`tsforge.model.zero.response` says. Axes: W windows, H steps of them, C targets, K columns.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tsforge.batch import Context
from tsforge.data.dataset import Dataset
from tsforge.data.loader import WindowLoader, WindowSource
from tsforge.data.panel import Ints, Panel
from tsforge.data.windows import Windows, cut
from tsforge.errors import listing
from tsforge.model.zero import response
from tsforge.model.zero.network import ZeroNetwork

log = logging.getLogger("tsforge")

FEWEST, MOST, PASSES = 8, 128, 512  # windows, at least and at most; forecasts for which there are fewer, but 32
HISTORY = 8  # steps before a window at least, where two seasons are more than half of the series
ROUNDS = 2  # the second around what the first has found: errors are smaller where no effect is left in the past
BATCH = 64  # windows per forward pass
NARROWEST = 0.05  # of the usual width of intervals: a narrower one counts as of this width


class Found(NamedTuple):
    """What was fitted. windows: of history. effects, none: covariates that have an effect, and those that have none."""

    windows: int
    effects: tuple[str, ...]
    none: tuple[str, ...]


@torch.no_grad()
def fit(network: ZeroNetwork, dataset: Dataset, stops: Ints | None = None) -> Found | None:
    """Give a network the effect of what a table knows in advance; None where it knows nothing.

    stops: the row of each series up to which its past is read, (n,); the training part where None.
    """
    if network.response is None:
        return None
    stops = dataset.cuts.train if stops is None else stops
    own, encodings = network.response, dataset.encodings.ahead
    own.reference.copy_(torch.from_numpy(_usual(dataset, stops)))
    own.weight.zero_()
    windows, steps = _windows(dataset, stops)
    names = tuple(encoding.name for encoding in encodings)
    if len(windows) < FEWEST:
        return Found(len(windows), (), names)
    training, widths = network.training, tuple(encoding.width for encoding in encodings)
    shape = dataset.source.shape._replace(horizon=steps)
    source = WindowSource(dataset.panel, dataset.features, shape, dataset.source.device, dataset.source.usual)
    for _ in range(ROUNDS):
        samples = _errors(network.eval(), dataset.panel, source, windows)
        own.weight.copy_(torch.stack([response.solve(sample, widths) for sample in samples]))
        if not own.weight.any():
            break
    network.train(training)
    ends, weight = np.cumsum(widths), own.weight
    moves = [bool(weight[:, end - width : end].any()) for width, end in zip(widths, ends, strict=True)]
    effects, none = (tuple(n for n, some in zip(names, moves, strict=True) if some == is_) for is_ in (True, False))
    return Found(len(windows), effects, none)


def tell(found: Found | None) -> None:
    """Say what a fit has found."""
    if found is None:
        return
    if found.windows < FEWEST:
        words = "covariates are left out: the history has %d windows to see an effect of %s in, at least %d are needed"
        log.warning(words, found.windows, _quoted(found.none), FEWEST)
        return
    if found.effects:
        words = "the forecast has linear effects of %s, fitted to %d windows of the past"
        log.info(words, _quoted(found.effects), found.windows)
    if found.none:
        log.info("%s: no effect of it is seen in the past, and it moves no forecast", _quoted(found.none))


def warn_unread(names: tuple[str, ...]) -> None:
    """Say which covariates a pretrained network leaves out: all that are not known in advance."""
    if names:
        log.warning("zero reads covariates known in advance alone: %s left out", listing(names))


def _quoted(names: tuple[str, ...]) -> str:
    return listing([f"'{name}'" for name in names])


def _usual(dataset: Dataset, stops: Ints) -> NDArray[np.float64]:
    """The median of each column, (K,): where it is, there is no effect, and the past is read as it is."""
    features = dataset.features
    rows = features.known[dataset.panel.between(stops, dataset.cuts.begin), : features.columns]
    return np.median(rows, axis=0).astype(np.float64) if len(rows) else np.zeros(rows.shape[1])


def _windows(dataset: Dataset, stops: Ints) -> tuple[Windows, int]:
    """Windows of the past that do not overlap, and their steps: as short as makes them as many as are read."""
    panel, sizes, columns = dataset.panel, dataset.sizes, dataset.source.shape.covariates
    begin = dataset.cuts.begin
    most = min(MOST, max(PASSES // (1 + columns), 32))
    lengths = stops - panel.offsets[:-1]
    history = max(HISTORY, min(2 * sizes.season, int(lengths.max(initial=0)) // 2))
    room = int(np.maximum(stops - np.maximum(begin, panel.offsets[:-1] + history), 0).sum())
    steps = min(max(room // most, 1), sizes.horizon)
    long = np.where(lengths >= history + steps, stops, panel.offsets[:-1])  # a shorter series has no window
    windows = cut(panel, begin, long, sizes.context, steps, stride=steps, history=history)
    return windows.thin(most), steps


def _errors(network: ZeroNetwork, panel: Panel, source: WindowSource, windows: Windows) -> list[response.Errors]:
    """Forecast errors over windows without any effect ahead, and what moves them, target by target.

    Around the effect that the network has: it is taken out of the past, and given back to the errors.
    """
    assert network.response is not None
    steps = source.shape.horizon
    rows = windows.origins.astype(np.int64)[:, None] + np.arange(steps)
    known = torch.from_numpy(~np.isnan(panel.future[rows]).any(axis=-1)).to(source.device)  # (W, H)
    parts = []
    for context, truth in WindowLoader(source, windows, BATCH):
        parts.append((truth.target, truth.observed, *_moves(network, context, steps)))
    target, observed, point, moved, width, size = (torch.cat(column) for column in zip(*parts, strict=True))
    width = torch.maximum(width, NARROWEST * width.median(dim=0, keepdim=True).values)  # (W, 1, C)
    there = observed & known[..., None] & (size > 0) & (width > 0)
    width = torch.where(width > 0, width, torch.ones_like(width))
    inputs = moved * (size / width)[..., None] * there[..., None]
    error = torch.where(there, (target.double() - point) / width, torch.zeros_like(point))
    error = error + (inputs * network.response.weight).sum(dim=-1)
    return [
        response.Errors(error[..., c].cpu(), inputs[..., c, :].cpu(), there[..., c].cpu())
        for c in range(source.shape.targets)
    ]


def _moves(network: ZeroNetwork, context: Context, steps: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What a network says of windows, and how columns move what came beside what was said.

    The point forecast with the effect (B, H, C); x_h less what the forecast carries on of x, (B, H, C, K); the width of
    the intervals of the first step and the level, (B, 1, C) each.
    """
    assert network.response is not None
    L = context.target.shape[1]
    rest, effect = network.response(context)
    forecast = network.alone(rest, steps)
    point, ranges = forecast.point.double(), forecast.quantiles()[:, :1].double()
    width, size = ranges[..., -1] - ranges[..., 0], response.level(context)
    nudge = torch.where(width > 0, width, size) / 2
    moved = []
    for column in network.response.columns(context).unbind(-1):  # (B, L+H)
        pushed = rest.target + nudge * column[:, :L, None] * context.observed
        answer = network.alone(rest._replace(target=pushed.to(context.target.dtype)), steps).point.double()
        carried = (answer - point) / torch.where(nudge > 0, nudge, torch.ones_like(nudge))
        moved.append(column[:, L:, None] - carried)
    return point + effect, torch.stack(moved, dim=-1), width, size
