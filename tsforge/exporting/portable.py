"""Everything that `predict` does with a window, as one module of tensors: what is traced for export.

    covariates as features -> what is usual of the series -> network -> corrected quantiles -> bounds

Axes: B batch, L context, H horizon, C targets, Q quantile levels; P past, K known and F static columns; n series that
the model knows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from tsforge.batch import NOTHING, Context
from tsforge.exporting import columns
from tsforge.exporting.intervals import Corrected
from tsforge.fitted.model import Model
from tsforge.model.transforms.cycle import Cycle
from tsforge.model.transforms.scaling import WindowScaler, mean_change, window_variance

NOT_MEASURED = ("none", "last")  # scalings to which it does not matter what is usual of a series


def needs_ordinal(network: nn.Module) -> bool:
    """Whether the place of a window on the time grid matters: to a learned cycle."""
    return any(isinstance(part, Cycle) for part in network.modules())


def needs_series(model: Model) -> bool:
    """Whether it matters which series a window is of: for what is usual of it, or whether it was ever negative."""
    scalers = (part for part in model.network.modules() if isinstance(part, WindowScaler))
    measured = any(scaler.kind not in NOT_MEASURED for scaler in scalers)
    matters = measured or model.experiment.model.bounds == "auto"
    return matters and bool(model.facts.columns.id) and bool(model.facts.negative)


class Portable(nn.Module):
    """A model's forecasts of windows in the units of the table.

    levels: of the quantiles, within the reach of the model.
    """

    usual: Tensor
    negative: Tensor

    def __init__(self, model: Model, levels: Sequence[float]) -> None:
        super().__init__()
        self.network, self.shape = model.network, model.shape
        facts, encodings = model.facts, model.facts.encodings
        self.features = nn.ModuleDict({
            "past": Features(columns.of(encodings.past)), "static": Features(columns.of(encodings.static)),
            "known": Features(columns.known(facts)),
        })  # fmt: skip
        self.corrected = Corrected(model, levels) if levels else None
        self.bounds = model.experiment.model.bounds
        self.informed = bool(facts.negative)
        usual = np.array(list(facts.usual.values())).reshape(len(facts.usual), 2, self.shape.targets)
        signs = np.array(list(facts.negative.values()), dtype=np.bool_).reshape(len(facts.negative), self.shape.targets)
        self.register_buffer("usual", torch.from_numpy(usual), persistent=False)
        self.register_buffer("negative", torch.from_numpy(signs), persistent=False)

    def forward(
        self, target: Tensor, observed: Tensor, series: Tensor | None = None, past: Tensor | None = None,
        known: Tensor | None = None, static: Tensor | None = None, ordinal: Tensor | None = None,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """target, observed (B, L, C), series (B,), past (B, L, P), known (B, L+H, K), static (B, F), ordinal (B,).

        -> point (B, H, C) and, where there are levels, quantiles (B, H, C, Q).
        """
        B, L, H = target.shape[0], self.shape.context, self.shape.horizon
        target = torch.where(observed, target, torch.zeros_like(target))
        given = {"past": past, "known": known, "static": static}
        sizes = {"past": (B, L, 0), "known": (B, L + H, 0), "static": (B, 0)}
        features = {
            name: target.new_zeros(sizes[name], dtype=torch.float32) if part is None else self.features[name](part)
            for name, part in given.items()
        }
        first = target.new_zeros(B, dtype=torch.int64) if ordinal is None else ordinal
        usual, negative = self._of_series(target, observed, series)
        context = Context(target, observed, **features, ordinal=first, usual=usual, base=NOTHING)
        forecast = self.network(context)
        point = forecast.point
        if self.corrected is None:
            return (self._kept(point, negative),)
        quantiles = self.corrected(point, forecast.quantiles(), forecast.scaling.scale.squeeze(1))
        return self._kept(point, negative), self.corrected.at(self._kept(quantiles, negative))

    def _of_series(self, target: Tensor, observed: Tensor, series: Tensor | None) -> tuple[Tensor, Tensor]:
        """What is usual of the series (B, 2, C), and which were ever negative (B, C); of one that the model does not
        know (below 0), as its window shows."""
        B, C = target.shape[0], self.shape.targets
        if not self.informed:
            return target.new_zeros(B, 2, C), torch.ones_like(observed[:, 0])
        below = (observed & (target < 0)).any(dim=1)
        if series is None and not len(self.negative):
            series = target.new_full((B,), -1, dtype=torch.int64)
        if series is None:
            return self.usual[:1].to(target.dtype).expand(B, -1, -1), self.negative[:1].expand(B, -1) | below
        stranger, row = series < 0, series.clamp(min=0)
        own = torch.stack([window_variance(target, observed).sqrt(), mean_change(target, observed)], dim=1).squeeze(2)
        usual = torch.where(stranger[:, None, None], own, self.usual.index_select(0, row).to(target.dtype))
        return usual, (self.negative.index_select(0, row) & ~stranger[:, None]) | below

    def _kept(self, values: Tensor, negative: Tensor) -> Tensor:
        """Values (B, H, C) or (B, H, C, Q) within the bounds; what is no number stays as it is."""
        if self.bounds == "none":
            return values
        if isinstance(self.bounds, tuple):
            low, high = self.bounds
            inside = values.clamp(low, high)
        else:
            free = negative[:, None].reshape(-1, 1, self.shape.targets, *[1] * (values.ndim - 3))
            inside = torch.where(free, values, values.clamp(min=0))
        return torch.where(values.isfinite(), inside, values)


class Features(nn.Module):
    """Columns of the table as the network reads them: numbers as z-scores, NaN as 0; the others as they are."""

    mean: Tensor
    std: Tensor

    def __init__(self, described: Sequence[columns.Column]) -> None:
        super().__init__()
        moments = torch.tensor([(c.mean, c.std) for c in described], dtype=torch.float64).reshape(-1, 2)
        self.register_buffer("mean", moments[:, 0], persistent=False)
        self.register_buffer("std", moments[:, 1], persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """(..., columns) -> the same in single precision."""
        scaled = ((values.double() - self.mean) / self.std).float()
        return torch.where(values.isnan(), torch.zeros_like(scaled), scaled)
